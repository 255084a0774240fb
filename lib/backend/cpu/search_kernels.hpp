// SPDX-License-Identifier: MIT
// What search does with rows: exact dot products, rows as int8, comparing estimates with limits.
// Included after row_kernels.hpp.
#pragma once

#include "backend/cpu/kernel_table.hpp"

namespace clip::cpu {
namespace {

/// Lanes [i, i + left) of a row, zeros where there are fewer than 16.
template <bool half>
inline Vec load_of_row(const void* row, std::int64_t i, std::int64_t left) {
    if constexpr (half) {
        const auto* from = static_cast<const std::uint16_t*>(row) + i;
        if (left >= kLanes)
            return vec_load_f16(from);
        std::uint16_t rest[kLanes] = {};
        for (std::int64_t j = 0; j < left; ++j)
            rest[j] = from[j];
        return vec_load_f16(rest);
    } else {
        const auto* from = static_cast<const float*>(row) + i;
        return left >= kLanes ? vec_load(from) : vec_load_first(from, static_cast<int>(left));
    }
}

inline double wide_tree_sum(Wide sums) {
    double lanes[kLanes];
    wide_store(lanes, sums);
    return tree_sum(lanes);
}

// Products of float32 are exact in float64, so it does not matter whether they are fused.
template <bool half, int count>
void exact_dots_of(double* dots, double* norm2, const void* row, const float* const* queries,
                   std::int64_t width) {
    Wide sums[count + 1];
    for (Wide& sum : sums)
        sum = wide_set(0.0);
    for (std::int64_t i = 0; i < width; i += kLanes) {
        const Wide x = widen(load_of_row<half>(row, i, width - i));
        for (int q = 0; q < count; ++q)
            sums[q] =
                wide_add(sums[q], wide_mul(x, widen(load_of_row<false>(queries[q], i, width - i))));
        sums[count] = wide_add(sums[count], wide_mul(x, x));
    }
    for (int q = 0; q < count; ++q)
        dots[q] = wide_tree_sum(sums[q]);
    if (norm2 != nullptr)
        *norm2 = wide_tree_sum(sums[count]);
}

template <bool half>
void exact_dots_as(double* dots, double* norm2, const void* row, const float* const* queries,
                   int count, std::int64_t width) {
    switch (count) {
    case 0:
        return exact_dots_of<half, 0>(dots, norm2, row, queries, width);
    case 1:
        return exact_dots_of<half, 1>(dots, norm2, row, queries, width);
    case 2:
        return exact_dots_of<half, 2>(dots, norm2, row, queries, width);
    case 3:
        return exact_dots_of<half, 3>(dots, norm2, row, queries, width);
    default:
        return exact_dots_of<half, 4>(dots, norm2, row, queries, width);
    }
}

void exact_dots(double* dots, double* norm2, const void* row, bool half,
                const float* const* queries, int count, std::int64_t width) {
    return half ? exact_dots_as<true>(dots, norm2, row, queries, count, width)
                : exact_dots_as<false>(dots, norm2, row, queries, count, width);
}

void widen_halves(float* to, const void* from, std::int64_t count) {
    for (std::int64_t i = 0; i < count; i += kLanes) {
        const std::int64_t left = count - i;
        if (left >= kLanes)
            vec_store(to + i, load_of_row<true>(from, i, left));
        else
            vec_store_first(to + i, load_of_row<true>(from, i, left), static_cast<int>(left));
    }
}

template <bool half>
QuantizedRow quantize_row_as(std::int8_t* to, const void* row, float inverse_norm,
                             std::int64_t width, std::int64_t padded) {
    const Vec inverse = vec_set(inverse_norm);
    Vec most = vec_set(0.0f);
    for (std::int64_t i = 0; i < width; i += kLanes)
        most = vec_max(vec_abs(load_of_row<half>(row, i, width - i)), most);
    QuantizedRow out;
    constexpr float kMost = 127.0f;
    out.step = tree_max(most) * inverse_norm / kMost;
    const Vec step = vec_set(out.step);
    const Vec per_step = vec_set(out.step > 0 ? 1.0f / out.step : 0.0f);
    Vec squares = vec_set(0.0f);
    Vec sums = vec_set(0.0f); // of integers below 2^24
    std::int64_t i = 0;
    for (; i < width; i += kLanes) {
        const Vec u = vec_mul(load_of_row<half>(row, i, width - i), inverse);
        vec_store_i8(to + i, vec_mul(u, per_step));
        const Vec bytes = vec_load_i8(to + i);
        const Vec off = vec_sub(u, vec_mul(bytes, step));
        squares = vec_fma(off, off, squares);
        sums = vec_add(sums, bytes);
    }
    for (; i < padded; ++i)
        to[i] = 0;
    float lanes[kLanes];
    vec_store(lanes, sums);
    for (const float lane : lanes)
        out.sum += static_cast<std::int32_t>(lane);
    // Rounding in the sum of squares is far below a thousandth of it.
    out.error = static_cast<float>(__builtin_sqrt(wide_tree_sum(widen(squares))) * 1.001 + 1e-6);
    return out;
}

QuantizedRow quantize_row(std::int8_t* to, const void* row, bool half, float inverse_norm,
                          std::int64_t width, std::int64_t padded) {
    return half ? quantize_row_as<true>(to, row, inverse_norm, width, padded)
                : quantize_row_as<false>(to, row, inverse_norm, width, padded);
}

std::int64_t scan_estimates(std::int32_t* found, const float* estimates, float scale,
                            const float* limits, std::int64_t count) {
    std::int64_t n = 0;
    const Vec factor = vec_set(scale);
    std::int64_t i = 0;
    for (; i + kLanes <= count; i += kLanes) {
        const Vec scaled = vec_mul(vec_load(estimates + i), factor);
        if (!vec_any_reaches(scaled, vec_load(limits + i)))
            continue;
        for (std::int64_t j = i; j < i + kLanes; ++j)
            if (estimates[j] * scale >= limits[j])
                found[n++] = static_cast<std::int32_t>(j);
    }
    for (; i < count; ++i)
        if (estimates[i] * scale >= limits[i])
            found[n++] = static_cast<std::int32_t>(i);
    return n;
}

} // namespace
} // namespace clip::cpu
