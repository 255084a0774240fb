// SPDX-License-Identifier: MIT
// Four neighbouring elements of a row, as float32: how kernels that work row by row read and write.
//
// Where rows begin at multiples of four elements (kAligned; fits_quads() says so on the host) a
// quad is one access of 16 bytes, or of 8 for 16-bit types. Elsewhere it is up to four accesses of
// an element each, and what lies behind the row is 0. Which thread holds which element does not
// depend on that, so that no result does.
#pragma once

#include <cstdint>

#include "backend/cuda/device_api.hpp"

namespace clip::cuda {

inline constexpr int kQuad = 4;

struct Quad {
    float at[kQuad];
};

/// Whether rows of `width` elements that begin there can be read in quads. Null pointers can.
template <typename... T>
bool fits_quads(std::int64_t width, const T*... rows) {
    return width % kQuad == 0 &&
           ((reinterpret_cast<std::uintptr_t>(rows) % (kQuad * sizeof(T)) == 0) && ...);
}

/// Elements [first, first + 4) of a row of `width` elements; `first` is below `width`.
template <bool kAligned, typename T>
CLIP_DEVICE Quad load_quad(Global<const T> row, std::int64_t first, std::int64_t width) {
    Quad quad{};
    if constexpr (kAligned) {
        const Vec<T, kQuad> values = load<kQuad>(row + first);
        for (int e = 0; e < kQuad; ++e)
            quad.at[e] = to_float(values.at[e]);
    } else {
        for (int e = 0; e < kQuad; ++e)
            if (first + e < width) {
                const T value = row[first + e];
                quad.at[e] = to_float(value);
            }
    }
    return quad;
}

/// The way back, rounded to T.
template <bool kAligned, typename T>
CLIP_DEVICE void store_quad(Global<T> row, std::int64_t first, std::int64_t width,
                            const Quad& quad) {
    if constexpr (!kAligned) {
        for (int e = 0; e < kQuad; ++e)
            if (first + e < width)
                row[first + e] = from_float<T>(quad.at[e]);
    } else if constexpr (sizeof(T) == 4) {
        store(row + first, Vec<T, kQuad>{{quad.at[0], quad.at[1], quad.at[2], quad.at[3]}});
    } else {
        const Vec<std::uint32_t, 2> pairs{
            {pack<T>(quad.at[0], quad.at[1]), pack<T>(quad.at[2], quad.at[3])}};
        store(Global<std::uint32_t>(reinterpret_cast<std::uint32_t*>((row + first).at)), pairs);
    }
}

/// The sum of a quad, in a tree.
CLIP_DEVICE float sum_of(const Quad& quad) {
    return (quad.at[0] + quad.at[1]) + (quad.at[2] + quad.at[3]);
}

} // namespace clip::cuda
