// SPDX-License-Identifier: MIT
// Int8 products with AMX tiles (16 rows of 64 bytes); CMakeLists.txt gives this file its flags.
#include "backend/cpu/int8_table.hpp"

#if defined(__AMX_INT8__) && defined(__AMX_TILE__) && defined(__AVX512F__) && defined(__AVX512DQ__)
#include "backend/cpu/int8_compare.hpp"

namespace clip::cpu {
namespace {

constexpr int kTileRows = 16;

// Tiles 0 to 3 are sums (row half, query half), 4 and 5 rows, 6 and 7 queries; all of full size.
struct alignas(64) TileShapes {
    std::uint8_t palette = 1;
    std::uint8_t start = 0;
    std::uint8_t reserved[14] = {};
    std::uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

// In static memory: g++ 12 thinks that only the first bytes of a configuration are read.
constexpr TileShapes kShapes;

void begin() {
    _tile_loadconfig(&kShapes);
}

void end() {
    _tile_release();
}

void run(const Int8Task& task) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    constexpr std::int64_t kPanelStep = kInt8Panel * 4;
    const std::int8_t* upper = task.rows;
    const std::int8_t* lower = task.rows + kTileRows * task.depth;
    const std::uint8_t* panel = task.panel;
    for (std::int64_t k = 0; k < task.depth; k += 64, panel += 16 * kPanelStep) {
        _tile_loadd(4, upper + k, task.depth);
        _tile_loadd(6, panel, kPanelStep);
        _tile_loadd(7, panel + 64, kPanelStep);
        _tile_loadd(5, lower + k, task.depth);
        _tile_dpbsud(0, 4, 6);
        _tile_dpbsud(1, 4, 7);
        _tile_dpbsud(2, 5, 6);
        _tile_dpbsud(3, 5, 7);
    }
    alignas(64) std::int32_t sums[2 * kTileRows][kInt8Panel];
    constexpr std::int64_t kSumsStep = sizeof sums[0];
    _tile_stored(0, &sums[0][0], kSumsStep);
    _tile_stored(1, &sums[0][16], kSumsStep);
    _tile_stored(2, &sums[kTileRows][0], kSumsStep);
    _tile_stored(3, &sums[kTileRows][16], kSumsStep);
    const Int8Limits first(task, 0), second(task, 16);
    for (int r = 0; r < task.count; ++r) {
        const __m512i shift = _mm512_set1_epi32(128 * task.sums[r]); // queries are stored plus 128
        const __m512i low = _mm512_sub_epi32(_mm512_load_si512(&sums[r][0]), shift);
        const __m512i high = _mm512_sub_epi32(_mm512_load_si512(&sums[r][16]), shift);
        task.found[r] = first.reached(task, r, low) | second.reached(task, r, high) << 16;
    }
}

constexpr Int8Table kTable = {.rows = 2 * kTileRows, .begin = begin, .end = end, .run = run};
static_assert(kTable.rows <= kInt8MostRows);

} // namespace

const Int8Table* amx_kernels() {
    return &kTable;
}
} // namespace clip::cpu
#else
namespace clip::cpu {
const Int8Table* amx_kernels() {
    return nullptr;
}
} // namespace clip::cpu
#endif
