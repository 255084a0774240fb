// SPDX-License-Identifier: MIT
// Sixteen float lanes with AVX-512. One of four headers with the same names (see kernels.hpp);
// included by kernels_avx512.cpp only.
#pragma once

#include <cstdint>

#include <immintrin.h>

namespace clip::cpu {
namespace {

// 14 x 2 accumulators, 2 weights and 1 broadcast of 32 registers; 6 x 4 for few rows.
constexpr int kPanelVecs = 2;
constexpr int kMaxRows = 14;
constexpr int kPairRows = 6;
constexpr int kTranspose = 16;

using Vec = __m512;

// One register of a Vec: tiles keep their sums in arrays of these.
using Reg = __m512;
constexpr int kRegs = 1;
inline Reg reg_of(Vec x, int) {
    return x;
}
inline Reg reg_set(float x) {
    return _mm512_set1_ps(x);
}
inline void reg_store(float* p, Reg x) {
    _mm512_storeu_ps(p, x);
}
inline Reg reg_fma(Reg a, Reg b, Reg c) {
    return _mm512_fmadd_ps(a, b, c);
}

inline __mmask16 first_lanes(int n) {
    return static_cast<__mmask16>((1u << n) - 1u);
}

inline Vec vec_set(float x) {
    return _mm512_set1_ps(x);
}
inline Vec vec_load(const float* p) {
    return _mm512_loadu_ps(p);
}
inline Vec vec_load_first(const float* p, int n) {
    return _mm512_maskz_loadu_ps(first_lanes(n), p);
}
inline void vec_store(float* p, Vec x) {
    _mm512_storeu_ps(p, x);
}
inline void vec_store_first(float* p, Vec x, int n) {
    _mm512_mask_storeu_ps(p, first_lanes(n), x);
}
inline Vec vec_add(Vec a, Vec b) {
    return _mm512_add_ps(a, b);
}
inline Vec vec_sub(Vec a, Vec b) {
    return _mm512_sub_ps(a, b);
}
inline Vec vec_mul(Vec a, Vec b) {
    return _mm512_mul_ps(a, b);
}
inline Vec vec_div(Vec a, Vec b) {
    return _mm512_div_ps(a, b);
}
inline Vec vec_fma(Vec a, Vec b, Vec c) {
    return _mm512_fmadd_ps(a, b, c);
}
inline Vec vec_max(Vec a, Vec b) {
    return _mm512_max_ps(a, b);
} // a > b ? a : b
inline Vec vec_abs(Vec a) {
    return _mm512_abs_ps(a);
}
/// a < b ? yes : no
inline Vec vec_less(Vec a, Vec b, Vec yes, Vec no) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), no, yes);
}
/// Whether any lane of a is at least that of b.
inline bool vec_any_reaches(Vec a, Vec b) {
    return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ) != 0;
}
/// y * 2^n for the integer n in the low bits of `shifted` = n + 1.5 * 2^23
inline Vec vec_scale_exponent(Vec y, Vec shifted) {
    const __m512i n = _mm512_slli_epi32(_mm512_castps_si512(shifted), 23);
    return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(y), n));
}

inline Vec vec_load_bf16(const std::uint16_t* p) {
    const __m512i wide =
        _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}
inline Vec vec_load_f16(const std::uint16_t* p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
inline Vec vec_load_i8(const std::int8_t* p) {
    return _mm512_cvtepi32_ps(
        _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}
inline void vec_store_bf16(std::uint16_t* p, Vec x) {
    const __m512i bits = _mm512_castps_si512(x);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i rounded =
        _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    const __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x00400000));
    const __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    const __m512i kept = _mm512_srli_epi32(_mm512_mask_blend_epi32(nan, rounded, quiet), 16);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(kept));
}
inline void vec_store_f16(std::uint16_t* p, Vec x) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                        _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
inline void vec_store_i8(std::int8_t* p, Vec x) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(x)));
}

/// Sixteen double lanes, for sums inside a row.
struct Wide {
    __m512d low, high;
};
inline Wide widen(Vec x) {
    return {_mm512_cvtps_pd(_mm512_castps512_ps256(x)),
            _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1))};
}
inline Vec narrow(Wide x) {
    return _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(x.low)),
                              _mm512_cvtpd_ps(x.high), 1);
}
inline Wide wide_set(double x) {
    return {_mm512_set1_pd(x), _mm512_set1_pd(x)};
}
inline Wide wide_add(Wide a, Wide b) {
    return {_mm512_add_pd(a.low, b.low), _mm512_add_pd(a.high, b.high)};
}
inline Wide wide_sub(Wide a, Wide b) {
    return {_mm512_sub_pd(a.low, b.low), _mm512_sub_pd(a.high, b.high)};
}
inline Wide wide_mul(Wide a, Wide b) {
    return {_mm512_mul_pd(a.low, b.low), _mm512_mul_pd(a.high, b.high)};
}
inline void wide_store(double* p, Wide x) {
    _mm512_storeu_pd(p, x.low);
    _mm512_storeu_pd(p + 8, x.high);
}

inline void prefetch_near(const void* p) {
    _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T0);
}
inline void prefetch_far(const void* p) {
    _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T1);
}

/// Transposes elements [offset, offset + depth), depth <= 16, of 16 rows; column j goes to to + j *
/// step, all 16 lanes of it.
inline void transpose_block(float* to, std::int64_t step, const float* const* rows,
                            std::int64_t offset, int depth) {
    __m512 r[16], t[16];
    const __mmask16 mask = first_lanes(depth);
    for (int i = 0; i < 16; ++i)
        r[i] = _mm512_maskz_loadu_ps(mask, rows[i] + offset);
    // Pairs, quads, then 128-bit groups of the rows are interleaved.
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        r[i] = _mm512_castpd_ps(
            _mm512_unpacklo_pd(_mm512_castps_pd(t[i]), _mm512_castps_pd(t[i + 2])));
        r[i + 1] = _mm512_castpd_ps(
            _mm512_unpackhi_pd(_mm512_castps_pd(t[i]), _mm512_castps_pd(t[i + 2])));
        r[i + 2] = _mm512_castpd_ps(
            _mm512_unpacklo_pd(_mm512_castps_pd(t[i + 1]), _mm512_castps_pd(t[i + 3])));
        r[i + 3] = _mm512_castpd_ps(
            _mm512_unpackhi_pd(_mm512_castps_pd(t[i + 1]), _mm512_castps_pd(t[i + 3])));
    }
    // r[4g + c] holds, in its four 128-bit groups, columns c, c + 4, c + 8, c + 12 of rows
    // 4g..4g+3.
    for (int c = 0; c < 4; ++c) {
        const __m512 even_low = _mm512_shuffle_f32x4(r[c], r[4 + c], 0x88);
        const __m512 odd_low = _mm512_shuffle_f32x4(r[c], r[4 + c], 0xdd);
        const __m512 even_high = _mm512_shuffle_f32x4(r[8 + c], r[12 + c], 0x88);
        const __m512 odd_high = _mm512_shuffle_f32x4(r[8 + c], r[12 + c], 0xdd);
        t[c] = _mm512_shuffle_f32x4(even_low, even_high, 0x88);
        t[8 + c] = _mm512_shuffle_f32x4(even_low, even_high, 0xdd);
        t[4 + c] = _mm512_shuffle_f32x4(odd_low, odd_high, 0x88);
        t[12 + c] = _mm512_shuffle_f32x4(odd_low, odd_high, 0xdd);
    }
    for (int j = 0; j < depth; ++j)
        _mm512_storeu_ps(to + j * step, t[j]);
}

} // namespace
} // namespace clip::cpu
