// SPDX-License-Identifier: MIT
// Int8 products with AVX-VNNI, for processors without AVX-512; CMakeLists.txt gives this file its
// flags.
#include "backend/cpu/int8_table.hpp"

#if defined(__AVXVNNI__) && defined(__AVX2__) && defined(__FMA__)
#include <cstring>

#include <immintrin.h>

namespace clip::cpu {
namespace {

constexpr int kRows = 3;              // 3 x 4 sums, a broadcast and 3 to spare of 16 registers
constexpr int kVecs = kInt8Panel / 8; // of a panel
constexpr int kVecBytes = 32;

/// Which of eight sums reach the limits of row r.
std::uint32_t reached(const Int8Task& task, int r, int first, __m256i sums) {
    const __m256 estimate = _mm256_fmadd_ps(
        _mm256_cvtepi32_ps(sums), _mm256_set1_ps(task.scale[r]),
        _mm256_mul_ps(_mm256_set1_ps(task.error[r]), _mm256_loadu_ps(task.slope + first)));
    return static_cast<std::uint32_t>(_mm256_movemask_ps(
        _mm256_cmp_ps(estimate, _mm256_loadu_ps(task.limit + first), _CMP_GE_OQ)));
}

// As in kernels_vnni.cpp: queries are stored plus 128, which the first sums take back.
template <int rows>
void run_rows(const Int8Task& task) {
    __m256i sums[rows][kVecs];
    for (int r = 0; r < rows; ++r)
        for (__m256i& sum : sums[r])
            sum = _mm256_set1_epi32(-128 * task.sums[r]);
    const std::uint8_t* panel = task.panel;
    for (std::int64_t k = 0; k < task.depth; k += 4, panel += kInt8Panel * 4)
        for (int r = 0; r < rows; ++r) {
            std::int32_t four;
            std::memcpy(&four, task.rows + r * task.depth + k, sizeof four);
            const __m256i bytes = _mm256_set1_epi32(four);
            for (int v = 0; v < kVecs; ++v)
                sums[r][v] = _mm256_dpbusd_avx_epi32(
                    sums[r][v],
                    _mm256_loadu_si256(reinterpret_cast<const __m256i*>(panel + v * kVecBytes)),
                    bytes);
        }
    for (int r = 0; r < rows; ++r) {
        task.found[r] = 0;
        for (int v = 0; v < kVecs; ++v)
            task.found[r] |= reached(task, r, 8 * v, sums[r][v]) << 8 * v;
    }
}

void nothing() {}

void run(const Int8Task& task) {
    switch (task.count) {
    case 1:
        return run_rows<1>(task);
    case 2:
        return run_rows<2>(task);
    default:
        return run_rows<kRows>(task);
    }
}

constexpr Int8Table kTable = {.rows = kRows, .begin = nothing, .end = nothing, .run = run};

} // namespace

const Int8Table* avxvnni_kernels() {
    return &kTable;
}
} // namespace clip::cpu
#else
namespace clip::cpu {
const Int8Table* avxvnni_kernels() {
    return nullptr;
}
} // namespace clip::cpu
#endif
