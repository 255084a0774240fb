// SPDX-License-Identifier: MIT
// The comparison that ends an int8 tile, on AVX-512. Included by kernels_vnni.cpp, kernels_amx.cpp.
#pragma once

#include <immintrin.h>

#include "backend/cpu/int8_table.hpp"

namespace clip::cpu {
namespace {

/// Sixteen queries of a panel, from `first` on.
struct Int8Limits {
    __m512 slope, limit;
    explicit Int8Limits(const Int8Task& task, int first)
        : slope(_mm512_loadu_ps(task.slope + first)), limit(_mm512_loadu_ps(task.limit + first)) {}

    /// Which of sixteen sums reach the limits of row r.
    std::uint32_t reached(const Int8Task& task, int r, __m512i sums) const {
        const __m512 estimate =
            _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums), _mm512_set1_ps(task.scale[r]),
                            _mm512_mul_ps(_mm512_set1_ps(task.error[r]), slope));
        return _mm512_cmp_ps_mask(estimate, limit, _CMP_GE_OQ);
    }
};

} // namespace
} // namespace clip::cpu
