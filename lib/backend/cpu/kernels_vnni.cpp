// SPDX-License-Identifier: MIT
// Int8 products with AVX-512 VNNI; CMakeLists.txt gives this file its flags.
#include "backend/cpu/int8_table.hpp"

#if defined(__AVX512VNNI__) && defined(__AVX512BW__) && defined(__AVX512DQ__)
#include <cstring>

#include "backend/cpu/int8_compare.hpp"

namespace clip::cpu {
namespace {

constexpr int kRows = 14; // 14 x 2 sums and 2 vectors of queries of 32 registers

// vpdpbusd multiplies unsigned by signed bytes: queries are stored plus 128, and sums begin at
// minus 128 times the row's sum.
template <int rows>
void run_rows(const Int8Task& task) {
    __m512i sums[rows][2];
    for (int r = 0; r < rows; ++r)
        sums[r][0] = sums[r][1] = _mm512_set1_epi32(-128 * task.sums[r]);
    const std::uint8_t* panel = task.panel;
    for (std::int64_t k = 0; k < task.depth; k += 4, panel += kInt8Panel * 4) {
        const __m512i low = _mm512_loadu_si512(panel);
        const __m512i high = _mm512_loadu_si512(panel + 64);
        for (int r = 0; r < rows; ++r) {
            std::int32_t four;
            std::memcpy(&four, task.rows + r * task.depth + k, sizeof four);
            const __m512i bytes = _mm512_set1_epi32(four);
            sums[r][0] = _mm512_dpbusd_epi32(sums[r][0], low, bytes);
            sums[r][1] = _mm512_dpbusd_epi32(sums[r][1], high, bytes);
        }
    }
    const Int8Limits first(task, 0), second(task, 16);
    for (int r = 0; r < rows; ++r)
        task.found[r] = first.reached(task, r, sums[r][0]) | second.reached(task, r, sums[r][1])
                                                                 << 16;
}

template <int rows>
void dispatch(const Int8Task& task) {
    if (task.count == rows)
        return run_rows<rows>(task);
    if constexpr (rows > 1)
        dispatch<rows - 1>(task);
}

void nothing() {}

void run(const Int8Task& task) {
    dispatch<kRows>(task);
}

constexpr Int8Table kTable = {.rows = kRows, .begin = nothing, .end = nothing, .run = run};

} // namespace

const Int8Table* vnni_kernels() {
    return &kTable;
}
} // namespace clip::cpu
#else
namespace clip::cpu {
const Int8Table* vnni_kernels() {
    return nullptr;
}
} // namespace clip::cpu
#endif
