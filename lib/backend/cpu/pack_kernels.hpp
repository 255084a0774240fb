// SPDX-License-Identifier: MIT
// Transposing copies: activations into (depth, rows), weights into (depth, panel). Included after
// tile_kernels.hpp.
#pragma once

#include "backend/cpu/kernel_table.hpp"

namespace clip::cpu {
namespace {

constexpr std::int64_t kPackSteps = 64; // one page run of each row at a time: 256 bytes

/// Elements [begin, end) of each row; to[(k - begin) * step + r] = rows[r][k].
void transpose_rows(float* to, std::int64_t step, const float* const* rows, int count,
                    std::int64_t begin, std::int64_t end) {
    for (int first = 0; first < count; first += kTranspose) {
        const int n = count - first < kTranspose ? count - first : kTranspose;
        if (n < kTranspose && first > 0) { // whole vectors would overwrite the rows before
            for (int r = first; r < count; ++r)
                for (std::int64_t k = begin; k < end; ++k)
                    to[(k - begin) * step + r] = rows[r][k];
            return;
        }
        const float* group[kTranspose];
        for (int r = 0; r < kTranspose; ++r)
            group[r] = rows[first + (r < n ? r : n - 1)];
        for (std::int64_t k = begin; k < end; k += kTranspose) {
            const int depth = end - k < kTranspose ? static_cast<int>(end - k) : kTranspose;
            transpose_block(to + (k - begin) * step + first, step, group, k, depth);
        }
    }
}

void pack_rows(float* to, std::int64_t step, const float* const* rows, int count,
               std::int64_t depth) {
    transpose_rows(to, step, rows, count, 0, depth);
}

void pack_columns(float* to, const float* from, std::int64_t step, const int* first, int tiles,
                  std::int64_t depth) {
    // Row by row, so that memory is read in order. A whole vector may be read where it ends inside
    // of the next row, and written where what it spills is written later.
    const int least = first[tiles] / tiles; // columns of a tile; others have one more
    for (std::int64_t k = 0; k < depth; ++k, from += step) {
        const bool whole = step >= kLanes && k + 1 < depth && (depth - k) * least >= kLanes;
        for (int t = 0; t < tiles; ++t) {
            const int count = first[t + 1] - first[t];
            float* out = to + first[t] * depth + k * count;
            if (whole)
                vec_store(out, vec_load(from + first[t]));
            else
                vec_store_first(out, vec_load_first(from + first[t], count), count);
        }
    }
}

template <Storage storage>
void pack_panel_as(void* to, const float* const* rows, const float* inverse_scale,
                   std::int64_t depth) {
    auto* out = static_cast<typename Stored<storage>::Type*>(to);
    float block[kPackSteps * kPanel];
    for (std::int64_t begin = 0; begin < depth; begin += kPackSteps) {
        const std::int64_t end = depth - begin < kPackSteps ? depth : begin + kPackSteps;
        if constexpr (storage == Storage::f32) {
            transpose_rows(out + begin * kPanel, kPanel, rows, kPanel, begin, end);
        } else {
            transpose_rows(block, kPanel, rows, kPanel, begin, end);
            for (std::int64_t k = begin; k < end; ++k)
                for (int v = 0; v < kPanel; v += kLanes) {
                    Vec x = vec_load(block + (k - begin) * kPanel + v);
                    if (inverse_scale != nullptr)
                        x = vec_mul(x, vec_load(inverse_scale + v));
                    Stored<storage>::store(out + k * kPanel + v, x);
                }
        }
    }
}

void pack_panel(void* to, Storage storage, const float* const* rows, const float* inverse_scale,
                std::int64_t depth) {
    switch (storage) {
    case Storage::f32:
        return pack_panel_as<Storage::f32>(to, rows, nullptr, depth);
    case Storage::bf16:
        return pack_panel_as<Storage::bf16>(to, rows, nullptr, depth);
    case Storage::f16:
        return pack_panel_as<Storage::f16>(to, rows, nullptr, depth);
    case Storage::i8:
        return pack_panel_as<Storage::i8>(to, rows, inverse_scale, depth);
    }
}

template <Storage storage>
void expand_as(float* to, const void* from, std::int64_t count) {
    const auto* p = static_cast<const typename Stored<storage>::Type*>(from);
    for (std::int64_t i = 0; i < count; i += kLanes)
        vec_store(to + i, Stored<storage>::load(p + i));
}

void expand_panel(float* to, const void* from, Storage storage, std::int64_t depth) {
    switch (storage) {
    case Storage::f32:
        return expand_as<Storage::f32>(to, from, depth * kPanel);
    case Storage::bf16:
        return expand_as<Storage::bf16>(to, from, depth * kPanel);
    case Storage::f16:
        return expand_as<Storage::f16>(to, from, depth * kPanel);
    case Storage::i8:
        return expand_as<Storage::i8>(to, from, depth * kPanel);
    }
}

float max_abs(const float* x, std::int64_t count) {
    Vec most = vec_set(0.0f);
    for (std::int64_t i = 0; i < count; i += kLanes) {
        const std::int64_t left = count - i;
        const Vec v =
            left >= kLanes ? vec_load(x + i) : vec_load_first(x + i, static_cast<int>(left));
        most = vec_max(vec_abs(v), most);
    }
    return tree_max(most);
}

} // namespace
} // namespace clip::cpu
