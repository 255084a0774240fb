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

} // namespace
} // namespace clip::cpu
