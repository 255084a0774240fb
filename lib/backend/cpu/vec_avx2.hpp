// SPDX-License-Identifier: MIT
// Sixteen float lanes with AVX2, FMA and F16C. One of four headers with the same names (see
// kernels.hpp); included by kernels_avx2.cpp only.
#pragma once

#include <cstdint>

#include <immintrin.h>

namespace clip::cpu {
namespace {

// 6 x 2 accumulator registers, 2 weights and 1 broadcast of 16; 3 x 4 for few rows.
constexpr int kPanelVecs = 1;
constexpr int kMaxRows = 6;
constexpr int kPairRows = 3;
constexpr int kTranspose = 8;

struct Vec {
    __m256 low, high;
};

// One register of a Vec: tiles keep their sums in arrays of these, since g++ spills arrays of Vec.
using Reg = __m256;
constexpr int kRegs = 2;
inline Reg reg_of(Vec x, int i) {
    return i == 0 ? x.low : x.high;
}
inline Reg reg_set(float x) {
    return _mm256_set1_ps(x);
}
inline void reg_store(float* p, Reg x) {
    _mm256_storeu_ps(p, x);
}
inline Reg reg_fma(Reg a, Reg b, Reg c) {
    return _mm256_fmadd_ps(a, b, c);
}

/// All ones in the first n of 8 lanes.
inline __m256i first_lanes(int n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

inline Vec vec_set(float x) {
    return {_mm256_set1_ps(x), _mm256_set1_ps(x)};
}
inline Vec vec_load(const float* p) {
    return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}
inline Vec vec_load_first(const float* p, int n) {
    if (n <= 8)
        return {_mm256_maskload_ps(p, first_lanes(n)), _mm256_setzero_ps()};
    return {_mm256_loadu_ps(p), _mm256_maskload_ps(p + 8, first_lanes(n - 8))};
}
inline void vec_store(float* p, Vec x) {
    _mm256_storeu_ps(p, x.low);
    _mm256_storeu_ps(p + 8, x.high);
}
inline void vec_store_first(float* p, Vec x, int n) {
    if (n <= 8) {
        _mm256_maskstore_ps(p, first_lanes(n), x.low);
        return;
    }
    _mm256_storeu_ps(p, x.low);
    _mm256_maskstore_ps(p + 8, first_lanes(n - 8), x.high);
}
inline Vec vec_add(Vec a, Vec b) {
    return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)};
}
inline Vec vec_sub(Vec a, Vec b) {
    return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)};
}
inline Vec vec_mul(Vec a, Vec b) {
    return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)};
}
inline Vec vec_div(Vec a, Vec b) {
    return {_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)};
}
inline Vec vec_fma(Vec a, Vec b, Vec c) {
    return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}
inline Vec vec_max(Vec a, Vec b) { // a > b ? a : b
    return {_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)};
}
inline Vec vec_abs(Vec a) {
    const __m256 sign = _mm256_set1_ps(-0.0f);
    return {_mm256_andnot_ps(sign, a.low), _mm256_andnot_ps(sign, a.high)};
}
/// a < b ? yes : no
inline Vec vec_less(Vec a, Vec b, Vec yes, Vec no) {
    return {_mm256_blendv_ps(no.low, yes.low, _mm256_cmp_ps(a.low, b.low, _CMP_LT_OQ)),
            _mm256_blendv_ps(no.high, yes.high, _mm256_cmp_ps(a.high, b.high, _CMP_LT_OQ))};
}
inline __m256 scale_exponent(__m256 y, __m256 shifted) {
    const __m256i n = _mm256_slli_epi32(_mm256_castps_si256(shifted), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(y), n));
}
/// Whether any lane of a is at least that of b.
inline bool vec_any_reaches(Vec a, Vec b) {
    return _mm256_movemask_ps(_mm256_or_ps(_mm256_cmp_ps(a.low, b.low, _CMP_GE_OQ),
                                           _mm256_cmp_ps(a.high, b.high, _CMP_GE_OQ))) != 0;
}
/// y * 2^n for the integer n in the low bits of `shifted` = n + 1.5 * 2^23
inline Vec vec_scale_exponent(Vec y, Vec shifted) {
    return {scale_exponent(y.low, shifted.low), scale_exponent(y.high, shifted.high)};
}

inline __m128i load_eight(const std::uint16_t* p) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}
inline __m256 widen_bf16(__m128i x) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16));
}
inline Vec vec_load_bf16(const std::uint16_t* p) {
    return {widen_bf16(load_eight(p)), widen_bf16(load_eight(p + 8))};
}
inline Vec vec_load_f16(const std::uint16_t* p) {
    return {_mm256_cvtph_ps(load_eight(p)), _mm256_cvtph_ps(load_eight(p + 8))};
}
inline Vec vec_load_i8(const std::int8_t* p) {
    const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(x)),
            _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(x, 8)))};
}
inline __m256i round_bf16(__m256 x) {
    const __m256i bits = _mm256_castps_si256(x);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i rounded =
        _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x00400000));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    return _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, nan), 16);
}
inline void vec_store_bf16(std::uint16_t* p, Vec x) {
    const __m256i packed = _mm256_packus_epi32(round_bf16(x.low), round_bf16(x.high));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_permute4x64_epi64(packed, 0xd8));
}
inline void vec_store_f16(std::uint16_t* p, Vec x) {
    constexpr int kNearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(x.low, kNearest));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p + 8), _mm256_cvtps_ph(x.high, kNearest));
}
inline void vec_store_i8(std::int8_t* p, Vec x) {
    const __m256i words = _mm256_packs_epi32(_mm256_cvtps_epi32(x.low), _mm256_cvtps_epi32(x.high));
    const __m256i ordered = _mm256_permute4x64_epi64(words, 0xd8);
    _mm_storeu_si128(
        reinterpret_cast<__m128i*>(p),
        _mm_packs_epi16(_mm256_castsi256_si128(ordered), _mm256_extracti128_si256(ordered, 1)));
}

/// Sixteen double lanes, for sums inside a row.
struct Wide {
    __m256d part[4];
};
inline Wide widen(Vec x) {
    return {{_mm256_cvtps_pd(_mm256_castps256_ps128(x.low)),
             _mm256_cvtps_pd(_mm256_extractf128_ps(x.low, 1)),
             _mm256_cvtps_pd(_mm256_castps256_ps128(x.high)),
             _mm256_cvtps_pd(_mm256_extractf128_ps(x.high, 1))}};
}
inline Vec narrow(Wide x) {
    return {_mm256_set_m128(_mm256_cvtpd_ps(x.part[1]), _mm256_cvtpd_ps(x.part[0])),
            _mm256_set_m128(_mm256_cvtpd_ps(x.part[3]), _mm256_cvtpd_ps(x.part[2]))};
}
inline Wide wide_set(double x) {
    const __m256d v = _mm256_set1_pd(x);
    return {{v, v, v, v}};
}
inline Wide wide_add(Wide a, Wide b) {
    for (int i = 0; i < 4; ++i)
        a.part[i] = _mm256_add_pd(a.part[i], b.part[i]);
    return a;
}
inline Wide wide_sub(Wide a, Wide b) {
    for (int i = 0; i < 4; ++i)
        a.part[i] = _mm256_sub_pd(a.part[i], b.part[i]);
    return a;
}
inline Wide wide_mul(Wide a, Wide b) {
    for (int i = 0; i < 4; ++i)
        a.part[i] = _mm256_mul_pd(a.part[i], b.part[i]);
    return a;
}
inline void wide_store(double* p, Wide x) {
    for (int i = 0; i < 4; ++i)
        _mm256_storeu_pd(p + 4 * i, x.part[i]);
}

inline void prefetch_near(const void* p) {
    _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T0);
}
inline void prefetch_far(const void* p) {
    _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T1);
}

/// Transposes elements [offset, offset + depth), depth <= 8, of 8 rows; column j goes to to + j *
/// step, all 8 lanes of it.
inline void transpose_block(float* to, std::int64_t step, const float* const* rows,
                            std::int64_t offset, int depth) {
    __m256 r[8], t[8];
    const __m256i mask = first_lanes(depth);
    for (int i = 0; i < 8; ++i)
        r[i] = depth == 8 ? _mm256_loadu_ps(rows[i] + offset)
                          : _mm256_maskload_ps(rows[i] + offset, mask);
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        r[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
        r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
        r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
    // r[4g + c] holds, in its two 128-bit halves, columns c and c + 4 of rows 4g..4g+3.
    for (int c = 0; c < 4; ++c) {
        t[c] = _mm256_permute2f128_ps(r[c], r[4 + c], 0x20);
        t[4 + c] = _mm256_permute2f128_ps(r[c], r[4 + c], 0x31);
    }
    for (int j = 0; j < depth; ++j)
        _mm256_storeu_ps(to + j * step, t[j]);
}

} // namespace
} // namespace clip::cpu
