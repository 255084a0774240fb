// SPDX-License-Identifier: MIT
// Sixteen float lanes with AArch64's NEON. One of four headers with the same names (see
// kernels.hpp); included by kernels_neon.cpp only.
#pragma once

#include <cstdint>

#include <arm_neon.h>

#include "base/dtype.hpp"

namespace clip::cpu {
namespace {

// 6 x 4 accumulator registers, 4 weights and broadcasts of 32; 3 x 8 for few rows.
constexpr int kPanelVecs = 1;
constexpr int kMaxRows = 6;
constexpr int kPairRows = 3;
constexpr int kTranspose = 4;

struct Vec {
    float32x4_t part[4];
};

// One register of a Vec: tiles keep their sums in arrays of these.
using Reg = float32x4_t;
constexpr int kRegs = 4;
inline Reg reg_of(Vec x, int i) {
    return x.part[i];
}
inline Reg reg_set(float x) {
    return vdupq_n_f32(x);
}
inline void reg_store(float* p, Reg x) {
    vst1q_f32(p, x);
}
inline Reg reg_fma(Reg a, Reg b, Reg c) {
    return vfmaq_f32(c, a, b);
}

/// One result a register.
template <typename F>
inline Vec each(F f) {
    return {{f(0), f(1), f(2), f(3)}};
}

inline Vec vec_set(float x) {
    return each([&](int) { return vdupq_n_f32(x); });
}
inline Vec vec_load(const float* p) {
    return each([&](int i) { return vld1q_f32(p + 4 * i); });
}
inline Vec vec_load_first(const float* p, int n) {
    float lanes[16] = {};
    for (int i = 0; i < n; ++i)
        lanes[i] = p[i];
    return vec_load(lanes);
}
inline void vec_store(float* p, Vec x) {
    for (int i = 0; i < 4; ++i)
        vst1q_f32(p + 4 * i, x.part[i]);
}
inline void vec_store_first(float* p, Vec x, int n) {
    float lanes[16];
    vec_store(lanes, x);
    for (int i = 0; i < n; ++i)
        p[i] = lanes[i];
}
inline Vec vec_add(Vec a, Vec b) {
    return each([&](int i) { return vaddq_f32(a.part[i], b.part[i]); });
}
inline Vec vec_sub(Vec a, Vec b) {
    return each([&](int i) { return vsubq_f32(a.part[i], b.part[i]); });
}
inline Vec vec_mul(Vec a, Vec b) {
    return each([&](int i) { return vmulq_f32(a.part[i], b.part[i]); });
}
inline Vec vec_div(Vec a, Vec b) {
    return each([&](int i) { return vdivq_f32(a.part[i], b.part[i]); });
}
inline Vec vec_fma(Vec a, Vec b, Vec c) {
    return each([&](int i) { return vfmaq_f32(c.part[i], a.part[i], b.part[i]); });
}
inline Vec vec_max(Vec a, Vec b) { // a > b ? a : b, which vmaxq is not where one is NaN
    return each(
        [&](int i) { return vbslq_f32(vcgtq_f32(a.part[i], b.part[i]), a.part[i], b.part[i]); });
}
inline Vec vec_abs(Vec a) {
    return each([&](int i) { return vabsq_f32(a.part[i]); });
}
/// a < b ? yes : no
inline Vec vec_less(Vec a, Vec b, Vec yes, Vec no) {
    return each(
        [&](int i) { return vbslq_f32(vcltq_f32(a.part[i], b.part[i]), yes.part[i], no.part[i]); });
}
/// Whether any lane of a is at least that of b.
inline bool vec_any_reaches(Vec a, Vec b) {
    uint32x4_t any = vcgeq_f32(a.part[0], b.part[0]);
    for (int i = 1; i < 4; ++i)
        any = vorrq_u32(any, vcgeq_f32(a.part[i], b.part[i]));
    return vmaxvq_u32(any) != 0;
}
/// y * 2^n for the integer n in the low bits of `shifted` = n + 1.5 * 2^23
inline Vec vec_scale_exponent(Vec y, Vec shifted) {
    return each([&](int i) {
        const uint32x4_t n = vshlq_n_u32(vreinterpretq_u32_f32(shifted.part[i]), 23);
        return vreinterpretq_f32_u32(vaddq_u32(vreinterpretq_u32_f32(y.part[i]), n));
    });
}

inline Vec vec_load_bf16(const std::uint16_t* p) {
    return each([&](int i) { return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p + 4 * i), 16)); });
}
inline Vec vec_load_f16(const std::uint16_t* p) {
    return each([&](int i) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p + 4 * i))); });
}
inline Vec vec_load_i8(const std::int8_t* p) {
    const int8x16_t bytes = vld1q_s8(p);
    const int16x8_t low = vmovl_s8(vget_low_s8(bytes)), high = vmovl_s8(vget_high_s8(bytes));
    return {{vcvtq_f32_s32(vmovl_s16(vget_low_s16(low))),
             vcvtq_f32_s32(vmovl_s16(vget_high_s16(low))),
             vcvtq_f32_s32(vmovl_s16(vget_low_s16(high))),
             vcvtq_f32_s32(vmovl_s16(vget_high_s16(high)))}};
}
inline void vec_store_bf16(std::uint16_t* p, Vec x) {
    float lanes[16];
    vec_store(lanes, x);
    for (int i = 0; i < 16; ++i)
        p[i] = BFloat16(lanes[i]).bits;
}
inline void vec_store_f16(std::uint16_t* p, Vec x) {
    for (int i = 0; i < 4; ++i)
        vst1_u16(p + 4 * i, vreinterpret_u16_f16(vcvt_f16_f32(x.part[i])));
}
inline void vec_store_i8(std::int8_t* p, Vec x) {
    for (int i = 0; i < 4; ++i) {
        const int32x4_t whole = vcvtnq_s32_f32(x.part[i]);
        const int8x8_t bytes = vqmovn_s16(vcombine_s16(vqmovn_s32(whole), vdup_n_s16(0)));
        std::int8_t lanes[8];
        vst1_s8(lanes, bytes);
        for (int j = 0; j < 4; ++j)
            p[4 * i + j] = lanes[j];
    }
}

/// Sixteen double lanes, for sums inside a row.
struct Wide {
    float64x2_t part[8];
};
inline Wide widen(Vec x) {
    Wide r;
    for (int i = 0; i < 4; ++i) {
        r.part[2 * i] = vcvt_f64_f32(vget_low_f32(x.part[i]));
        r.part[2 * i + 1] = vcvt_high_f64_f32(x.part[i]);
    }
    return r;
}
inline Vec narrow(Wide x) {
    return each(
        [&](int i) { return vcvt_high_f32_f64(vcvt_f32_f64(x.part[2 * i]), x.part[2 * i + 1]); });
}
inline Wide wide_set(double x) {
    Wide r;
    for (float64x2_t& part : r.part)
        part = vdupq_n_f64(x);
    return r;
}
inline Wide wide_add(Wide a, Wide b) {
    for (int i = 0; i < 8; ++i)
        a.part[i] = vaddq_f64(a.part[i], b.part[i]);
    return a;
}
inline Wide wide_sub(Wide a, Wide b) {
    for (int i = 0; i < 8; ++i)
        a.part[i] = vsubq_f64(a.part[i], b.part[i]);
    return a;
}
inline Wide wide_mul(Wide a, Wide b) {
    for (int i = 0; i < 8; ++i)
        a.part[i] = vmulq_f64(a.part[i], b.part[i]);
    return a;
}
inline void wide_store(double* p, Wide x) {
    for (int i = 0; i < 8; ++i)
        vst1q_f64(p + 2 * i, x.part[i]);
}

inline void prefetch_near(const void* p) {
    __builtin_prefetch(p, 0, 3);
}
inline void prefetch_far(const void* p) {
    __builtin_prefetch(p, 0, 2);
}

/// Transposes elements [offset, offset + depth), depth <= 4, of 4 rows; column j goes to to + j *
/// step, all 4 lanes of it.
inline void transpose_block(float* to, std::int64_t step, const float* const* rows,
                            std::int64_t offset, int depth) {
    if (depth < 4) {
        for (int j = 0; j < depth; ++j)
            for (int i = 0; i < 4; ++i)
                to[j * step + i] = rows[i][offset + j];
        return;
    }
    const float32x4x2_t even = vtrnq_f32(vld1q_f32(rows[0] + offset), vld1q_f32(rows[1] + offset));
    const float32x4x2_t odd = vtrnq_f32(vld1q_f32(rows[2] + offset), vld1q_f32(rows[3] + offset));
    vst1q_f32(to, vcombine_f32(vget_low_f32(even.val[0]), vget_low_f32(odd.val[0])));
    vst1q_f32(to + step, vcombine_f32(vget_low_f32(even.val[1]), vget_low_f32(odd.val[1])));
    vst1q_f32(to + 2 * step, vcombine_f32(vget_high_f32(even.val[0]), vget_high_f32(odd.val[0])));
    vst1q_f32(to + 3 * step, vcombine_f32(vget_high_f32(even.val[1]), vget_high_f32(odd.val[1])));
}

} // namespace
} // namespace clip::cpu
