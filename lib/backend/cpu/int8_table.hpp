// SPDX-License-Identifier: MIT
// Products of int8 rows with packed queries, compared with limits on the way: what screening uses
// where the CPU has int8 dot products. Plain data only, as in kernel_table.hpp.
#pragma once

#include <cstdint>

namespace clip::cpu {

constexpr int kInt8Panel = 32;          ///< queries of a packed panel
constexpr int kInt8MostRows = 32;       ///< of a tile
constexpr std::int64_t kInt8Depth = 64; ///< rows are padded to a multiple of this

/// Some rows with one panel of queries. Row r and query q are reported where
///     scale[r] * (rows[r] . queries[q]) + error[r] * slope[q] >= limit[q].
struct Int8Task {
    std::int64_t depth = 0;             ///< bytes of a row, a multiple of kInt8Depth
    const std::int8_t* rows = nullptr;  ///< (count, depth); AMX reads all kInt8MostRows of them
    int count = 0;                      ///< at most the table's `rows`
    const std::int32_t* sums = nullptr; ///< (count): of a row's bytes
    const float* scale = nullptr;       ///< (count)
    const float* error = nullptr;       ///< (count)
    /// (depth / 4, kInt8Panel, 4): the bytes of a query plus 128.
    const std::uint8_t* panel = nullptr;
    const float* slope = nullptr;   ///< (kInt8Panel)
    const float* limit = nullptr;   ///< (kInt8Panel)
    std::uint32_t* found = nullptr; ///< (count): bit q for query q
};

struct Int8Table {
    int rows; ///< of a tile
    /// Around all tasks of a thread.
    void (*begin)();
    void (*end)();
    void (*run)(const Int8Task& task);
};

/// Null where this build has no such kernels. None of them checks the CPU.
const Int8Table* avxvnni_kernels();
const Int8Table* vnni_kernels();
const Int8Table* amx_kernels();

} // namespace clip::cpu
