// SPDX-License-Identifier: MIT
// Sixteen float lanes in plain C++. One of four headers with the same names (see kernels.hpp);
// included by kernels_portable.cpp only.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "base/dtype.hpp"

namespace clip::cpu {
namespace {

constexpr int kPanelVecs = 1;
constexpr int kMaxRows = 4;
constexpr int kPairRows = 0;
constexpr int kTranspose = 1;

struct Vec {
    float lane[16];
};

/// a * b + c with one rounding. Without an instruction for it the sum is made in double, where the
/// product is exact, and rounded to odd, so that the second rounding cannot go wrong (Boldo &
/// Melquiond 2008, "Emulation of FMA and correctly rounded sums", theorem 3.3).
inline float fused(float a, float b, float c) {
#if defined(__FMA__) || defined(__aarch64__)
    return __builtin_fmaf(a, b, c);
#else
    const double product = static_cast<double>(a) * static_cast<double>(b);
    const double addend = c;
    const double sum = product + addend;
    const double back = sum - product;
    const double error = (product - (sum - back)) + (addend - back); // exact: Knuth's two-sum
    const auto bits = std::bit_cast<std::uint64_t>(sum);
    const std::uint64_t inexact = std::fabs(error) > 0.0 ? 1 : 0; // not for NaN
    const std::uint64_t inward = (std::bit_cast<std::uint64_t>(error) ^ bits) >> 63;
    const std::uint64_t step = inexact & ~bits & 1u;
    return static_cast<float>(std::bit_cast<double>(bits + ((step ^ (0 - inward)) + inward)));
#endif
}

/// One result a lane.
template <typename F>
inline Vec each(F f) {
    Vec r;
    for (int i = 0; i < 16; ++i)
        r.lane[i] = f(i);
    return r;
}

inline Vec vec_set(float x) {
    return each([&](int) { return x; });
}
inline Vec vec_load(const float* p) {
    return each([&](int i) { return p[i]; });
}
inline Vec vec_load_first(const float* p, int n) {
    return each([&](int i) { return i < n ? p[i] : 0.0f; });
}
inline void vec_store_first(float* p, const Vec& x, int n) {
    for (int i = 0; i < n; ++i)
        p[i] = x.lane[i];
}
inline void vec_store(float* p, const Vec& x) {
    vec_store_first(p, x, 16);
}
inline Vec vec_add(const Vec& a, const Vec& b) {
    return each([&](int i) { return a.lane[i] + b.lane[i]; });
}
inline Vec vec_sub(const Vec& a, const Vec& b) {
    return each([&](int i) { return a.lane[i] - b.lane[i]; });
}
inline Vec vec_mul(const Vec& a, const Vec& b) {
    return each([&](int i) { return a.lane[i] * b.lane[i]; });
}
inline Vec vec_div(const Vec& a, const Vec& b) {
    return each([&](int i) { return a.lane[i] / b.lane[i]; });
}
inline Vec vec_fma(const Vec& a, const Vec& b, const Vec& c) {
    return each([&](int i) { return fused(a.lane[i], b.lane[i], c.lane[i]); });
}
inline Vec vec_max(const Vec& a, const Vec& b) {
    return each([&](int i) { return a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i]; });
}
inline Vec vec_abs(const Vec& a) {
    return each([&](int i) { return std::fabs(a.lane[i]); });
}
/// a < b ? yes : no
inline Vec vec_less(const Vec& a, const Vec& b, const Vec& yes, const Vec& no) {
    return each([&](int i) { return a.lane[i] < b.lane[i] ? yes.lane[i] : no.lane[i]; });
}
/// Whether any lane of a is at least that of b.
inline bool vec_any_reaches(const Vec& a, const Vec& b) {
    bool any = false;
    for (int i = 0; i < 16; ++i)
        any |= a.lane[i] >= b.lane[i];
    return any;
}
/// y * 2^n for the integer n in the low bits of `shifted` = n + 1.5 * 2^23
inline Vec vec_scale_exponent(const Vec& y, const Vec& shifted) {
    return each([&](int i) {
        return std::bit_cast<float>(std::bit_cast<std::uint32_t>(y.lane[i]) +
                                    (std::bit_cast<std::uint32_t>(shifted.lane[i]) << 23));
    });
}

// What tiles keep their sums in.
using Reg = Vec;
constexpr int kRegs = 1;
inline Reg reg_of(const Vec& x, int) {
    return x;
}
inline Reg reg_set(float x) {
    return vec_set(x);
}
inline void reg_store(float* p, const Reg& x) {
    vec_store(p, x);
}
inline Reg reg_fma(const Reg& a, const Reg& b, const Reg& c) {
    return vec_fma(a, b, c);
}

template <typename T>
inline Vec load_bits(const std::uint16_t* p) {
    return each([&](int i) {
        T x;
        x.bits = p[i];
        return static_cast<float>(x);
    });
}
inline Vec vec_load_bf16(const std::uint16_t* p) {
    return load_bits<BFloat16>(p);
}
inline Vec vec_load_f16(const std::uint16_t* p) {
    return load_bits<Half>(p);
}
inline Vec vec_load_i8(const std::int8_t* p) {
    return each([&](int i) { return static_cast<float>(p[i]); });
}
inline void vec_store_bf16(std::uint16_t* p, const Vec& x) {
    for (int i = 0; i < 16; ++i)
        p[i] = BFloat16(x.lane[i]).bits;
}
inline void vec_store_f16(std::uint16_t* p, const Vec& x) {
    for (int i = 0; i < 16; ++i)
        p[i] = Half(x.lane[i]).bits;
}
inline void vec_store_i8(std::int8_t* p, const Vec& x) {
    for (int i = 0; i < 16; ++i) {
        const float rounded = std::nearbyintf(x.lane[i]);
        const float low = rounded > -128.0f ? rounded : -128.0f;
        p[i] = static_cast<std::int8_t>(low < 127.0f ? low : 127.0f);
    }
}

/// Sixteen double lanes, for sums inside a row.
struct Wide {
    double lane[16];
};
template <typename F>
inline Wide each_wide(F f) {
    Wide r;
    for (int i = 0; i < 16; ++i)
        r.lane[i] = f(i);
    return r;
}
inline Wide widen(const Vec& x) {
    return each_wide([&](int i) { return static_cast<double>(x.lane[i]); });
}
inline Vec narrow(const Wide& x) {
    return each([&](int i) { return static_cast<float>(x.lane[i]); });
}
inline Wide wide_set(double x) {
    return each_wide([&](int) { return x; });
}
inline Wide wide_add(const Wide& a, const Wide& b) {
    return each_wide([&](int i) { return a.lane[i] + b.lane[i]; });
}
inline Wide wide_sub(const Wide& a, const Wide& b) {
    return each_wide([&](int i) { return a.lane[i] - b.lane[i]; });
}
inline Wide wide_mul(const Wide& a, const Wide& b) {
    return each_wide([&](int i) { return a.lane[i] * b.lane[i]; });
}
inline void wide_store(double* p, const Wide& x) {
    for (int i = 0; i < 16; ++i)
        p[i] = x.lane[i];
}

inline void prefetch_near(const void* p) {
    __builtin_prefetch(p, 0, 3);
}
inline void prefetch_far(const void* p) {
    __builtin_prefetch(p, 0, 2);
}

/// "Transposes" element `offset` of one row.
inline void transpose_block(float* to, std::int64_t, const float* const* rows, std::int64_t offset,
                            int) {
    to[0] = rows[0][offset];
}

} // namespace
} // namespace clip::cpu
