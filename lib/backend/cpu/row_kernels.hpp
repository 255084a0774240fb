// SPDX-License-Identifier: MIT
// Operations inside one row. Sums are made in double over 16 lanes and added up in a fixed tree.
// Included after vec_math.hpp.
#pragma once

#include "backend/cpu/kernel_table.hpp"

namespace clip::cpu {
namespace {

/// The sum of f(widened x) over a row; `f` and `scalar` compute the same on 16 lanes and on one.
template <typename F, typename S>
double row_sum(const float* x, std::int64_t width, F f, S scalar) {
    Wide sums = wide_set(0.0);
    const std::int64_t whole = width / kLanes * kLanes;
    for (std::int64_t i = 0; i < whole; i += kLanes)
        sums = wide_add(sums, f(widen(vec_load(x + i))));
    double lanes[kLanes];
    wide_store(lanes, sums);
    for (std::int64_t i = whole; i < width; ++i)
        lanes[i - whole] += scalar(static_cast<double>(x[i]));
    return tree_sum(lanes);
}

/// y = f(x) over a row; f(x, i, lanes) is given where it is and how many lanes count.
template <typename F>
void map_row(float* y, const float* x, std::int64_t width, F f) {
    std::int64_t i = 0;
    for (; i + kLanes <= width; i += kLanes)
        vec_store(y + i, f(vec_load(x + i), i, kLanes));
    const int left = static_cast<int>(width - i);
    if (left > 0)
        vec_store_first(y + i, f(vec_load_first(x + i, left), i, left), left);
}

void layer_norm(float* y, const float* x, const float* gamma, const float* beta, std::int64_t width,
                float eps, float* mean_out, float* rstd_out) {
    const double mean = row_sum(
                            x, width, [](Wide v) { return v; }, [](double v) { return v; }) /
                        static_cast<double>(width);
    const Wide wide_mean = wide_set(mean);
    const double squares = row_sum(
        x, width,
        [&](Wide v) {
            const Wide d = wide_sub(v, wide_mean);
            return wide_mul(d, d);
        },
        [&](double v) { return (v - mean) * (v - mean); });
    const double rstd =
        1.0 / __builtin_sqrt(squares / static_cast<double>(width) + static_cast<double>(eps));
    const Wide wide_rstd = wide_set(rstd);
    map_row(y, x, width, [&](Vec v, std::int64_t i, int lanes) {
        const Vec z = narrow(wide_mul(wide_sub(widen(v), wide_mean), wide_rstd));
        return lanes == kLanes
                   ? vec_fma(z, vec_load(gamma + i), vec_load(beta + i))
                   : vec_fma(z, vec_load_first(gamma + i, lanes), vec_load_first(beta + i, lanes));
    });
    if (mean_out != nullptr)
        *mean_out = static_cast<float>(mean);
    if (rstd_out != nullptr)
        *rstd_out = static_cast<float>(rstd);
}

float l2_normalize(float* y, const float* x, std::int64_t width) {
    const double squares = row_sum(
        x, width, [](Wide v) { return wide_mul(v, v); }, [](double v) { return v * v; });
    const float norm = static_cast<float>(__builtin_sqrt(squares));
    const Vec divisor = vec_set(1e-12f > norm ? 1e-12f : norm);
    map_row(y, x, width, [&](Vec v, std::int64_t, int) { return vec_div(v, divisor); });
    return norm;
}

void softmax(float* y, const float* x, std::int64_t width) {
    Vec most = vec_set(-kInfinity);
    std::int64_t whole = width / kLanes * kLanes;
    for (std::int64_t i = 0; i < whole; i += kLanes)
        most = vec_max(vec_load(x + i), most);
    float highest = tree_max(most);
    for (std::int64_t i = whole; i < width; ++i)
        highest = x[i] > highest ? x[i] : highest;
    const Vec shift = vec_set(highest);
    map_row(y, x, width, [&](Vec v, std::int64_t, int) { return vec_exp(vec_sub(v, shift)); });
    const double sum = row_sum(
        y, width, [](Wide v) { return v; }, [](double v) { return v; });
    const Vec divisor = vec_set(static_cast<float>(sum));
    map_row(y, y, width, [&](Vec v, std::int64_t, int) { return vec_div(v, divisor); });
}

/// What lies at element `i` of a row, with zeros for lanes that are not there.
inline Vec load_lanes(const float* p, int lanes) {
    return lanes == kLanes ? vec_load(p) : vec_load_first(p, lanes);
}

/// The sum of the lanes of `x`, in double and in a fixed order.
inline double sum_lanes(Vec x) {
    double lanes[kLanes];
    wide_store(lanes, widen(x));
    return tree_sum(lanes);
}

void layer_norm_backward(const LayerNormBackwardRow& row) {
    const Vec mean = vec_set(row.mean), rstd = vec_set(row.rstd);
    Vec sum = vec_set(0.0f), product = vec_set(0.0f);
    for (std::int64_t i = 0; i < row.width; i += kLanes) {
        const int lanes = row.width - i < kLanes ? static_cast<int>(row.width - i) : kLanes;
        const Vec z = vec_mul(vec_sub(load_lanes(row.x + i, lanes), mean), rstd);
        const Vec grad = load_lanes(row.grad_y + i, lanes);
        if (row.gamma_sums != nullptr) {
            const Vec sums = vec_fma(grad, z, load_lanes(row.gamma_sums + i, lanes));
            vec_store_first(row.gamma_sums + i, sums, lanes);
        }
        if (row.beta_sums != nullptr) {
            const Vec sums = vec_add(grad, load_lanes(row.beta_sums + i, lanes));
            vec_store_first(row.beta_sums + i, sums, lanes);
        }
        const Vec g = vec_mul(grad, load_lanes(row.gamma + i, lanes));
        sum = vec_add(sum, g);
        product = vec_fma(g, z, product);
    }
    if (row.grad_x == nullptr)
        return;
    const double width = static_cast<double>(row.width);
    const Vec grad_mean = vec_set(static_cast<float>(sum_lanes(sum) / width));
    const Vec product_mean = vec_set(static_cast<float>(sum_lanes(product) / width));
    for (std::int64_t i = 0; i < row.width; i += kLanes) {
        const int lanes = row.width - i < kLanes ? static_cast<int>(row.width - i) : kLanes;
        const Vec z = vec_mul(vec_sub(load_lanes(row.x + i, lanes), mean), rstd);
        const Vec g = vec_mul(load_lanes(row.grad_y + i, lanes), load_lanes(row.gamma + i, lanes));
        const Vec centred = vec_sub(vec_sub(g, grad_mean), vec_mul(z, product_mean));
        Vec x = vec_mul(rstd, centred);
        if (row.residual != nullptr)
            x = vec_add(x, load_lanes(row.residual + i, lanes));
        vec_store_first(row.grad_x + i, x, lanes);
    }
}

template <Activation kind>
void activation_row(float* y, const float* x, const float* grad_y, std::int64_t width) {
    if (grad_y == nullptr)
        return map_row(y, x, width, [](Vec v, std::int64_t, int) { return activate<kind>(v); });
    map_row(y, x, width, [&](Vec v, std::int64_t i, int lanes) {
        return vec_mul(load_lanes(grad_y + i, lanes), slope<kind>(v));
    });
}

void activation(float* y, const float* x, const float* grad_y, Activation kind,
                std::int64_t width) {
    switch (kind) {
    case Activation::none:
        return map_row(y, grad_y != nullptr ? grad_y : x, width,
                       [](Vec v, std::int64_t, int) { return v; });
    case Activation::relu:
        return activation_row<Activation::relu>(y, x, grad_y, width);
    case Activation::quick_gelu:
        return activation_row<Activation::quick_gelu>(y, x, grad_y, width);
    case Activation::gelu:
        return activation_row<Activation::gelu>(y, x, grad_y, width);
    }
}

void add_exponentials(const float* x, std::int64_t width, float& most, double& sum) {
    const std::int64_t whole = width / kLanes * kLanes;
    Vec lane_most = vec_set(-kInfinity);
    for (std::int64_t i = 0; i < whole; i += kLanes)
        lane_most = vec_max(vec_load(x + i), lane_most);
    float highest = tree_max(lane_most);
    for (std::int64_t i = whole; i < width; ++i)
        highest = x[i] > highest ? x[i] : highest;
    if (highest > most) { // what was added up so far was relative to another maximum
        sum *= __builtin_exp(static_cast<double>(most) - static_cast<double>(highest));
        most = highest;
    }
    const Vec shift = vec_set(most);
    Vec lanes = vec_set(0.0f);
    for (std::int64_t i = 0; i < whole; i += kLanes)
        lanes = vec_add(lanes, vec_exp(vec_sub(vec_load(x + i), shift)));
    if (whole < width) {
        float tail[kLanes]; // lanes that are not there must add 0
        for (int i = 0; i < kLanes; ++i)
            tail[i] = whole + i < width ? x[whole + i] : -kInfinity;
        lanes = vec_add(lanes, vec_exp(vec_sub(vec_load(tail), shift)));
    }
    sum += sum_lanes(lanes);
}

void contrastive_gradient(float* x, float row_log_sum_exp, const float* column_log_sum_exp,
                          float factor, std::int64_t width) {
    const Vec row = vec_set(row_log_sum_exp), by = vec_set(factor);
    map_row(x, x, width, [&](Vec v, std::int64_t i, int lanes) {
        const Vec column = load_lanes(column_log_sum_exp + i, lanes);
        return vec_mul(by, vec_add(vec_exp(vec_sub(v, row)), vec_exp(vec_sub(v, column))));
    });
}

} // namespace
} // namespace clip::cpu
