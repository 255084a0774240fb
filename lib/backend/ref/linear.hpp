// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "backend/ref/activation.hpp"

namespace clip::ref {

/// y = activation(x W^T + bias) + residual.
///
/// Shapes:  x (rows, in); weight (out, in); bias (out) or null; residual, y (rows, out), residual
///          may be null or y; pre (rows, out), the argument of the activation, or null.
/// Numerics: one chain of sums in the order of the inner index, in T; then bias.
template <typename T>
void linear(T* y, T* pre, const T* x, const T* weight, const T* bias, const T* residual,
            Activation activation, std::int64_t rows, std::int64_t in, std::int64_t out) {
    for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t o = 0; o < out; ++o) {
            T sum = 0;
            for (std::int64_t i = 0; i < in; ++i)
                sum += x[r * in + i] * weight[o * in + i];
            if (bias != nullptr)
                sum += bias[o];
            if (pre != nullptr)
                pre[r * out + o] = sum;
            const T value = activate(activation, sum);
            y[r * out + o] = residual != nullptr ? value + residual[r * out + o] : value;
        }
}

/// grad_x = (grad_y W) * activation'(pre).
///
/// Shapes:  grad_y (rows, out); weight (out, in); pre, grad_x (rows, in), pre may be null.
/// Numerics: one chain of sums in the order of the outputs, in T.
template <typename T>
void linear_grad_x(T* grad_x, const T* grad_y, const T* weight, Activation activation, const T* pre,
                   std::int64_t rows, std::int64_t in, std::int64_t out) {
    for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t i = 0; i < in; ++i) {
            T sum = 0;
            for (std::int64_t o = 0; o < out; ++o)
                sum += grad_y[r * out + o] * weight[o * in + i];
            grad_x[r * in + i] =
                pre != nullptr ? sum * activation_slope(activation, pre[r * in + i]) : sum;
        }
}

/// Adds to the gradients of output `o`: grad_weight (out, in) += grad_y^T x and grad_bias (out) +=
/// the sum of grad_y's rows. Either may be null. One chain of sums in the order of the rows, in T.
template <typename T>
void linear_grad_weight(T* grad_weight, T* grad_bias, const T* grad_y, const T* x,
                        std::int64_t rows, std::int64_t in, std::int64_t out, std::int64_t o) {
    if (grad_weight != nullptr)
        for (std::int64_t i = 0; i < in; ++i) {
            T sum = 0;
            for (std::int64_t r = 0; r < rows; ++r)
                sum += grad_y[r * out + o] * x[r * in + i];
            grad_weight[o * in + i] += sum;
        }
    if (grad_bias != nullptr) {
        T sum = 0;
        for (std::int64_t r = 0; r < rows; ++r)
            sum += grad_y[r * out + o];
        grad_bias[o] += sum;
    }
}

} // namespace clip::ref
