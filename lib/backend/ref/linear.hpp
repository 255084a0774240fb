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

} // namespace clip::ref
