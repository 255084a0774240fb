// SPDX-License-Identifier: MIT
// Several neighbouring elements at once, as float32 in registers, whatever type memory has.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "backend/cuda/device_api.hpp"

namespace clip::cuda {

/// Elements of T that one access of 16 bytes moves.
template <typename T>
constexpr int kElementsOfAccess = 16 / static_cast<int>(sizeof(T));

/// How many elements one access moves where `width` of them are wanted.
template <typename T, int Width>
constexpr int kPieceOfAccess = Width < kElementsOfAccess<T> ? Width : kElementsOfAccess<T>;

/// `Width` elements (a power of two) from an address that is a multiple of their size or of 16.
template <int Width, typename T>
CLIP_DEVICE void load_floats(float (&to)[Width], Global<const T> from) {
    constexpr int kPiece = kPieceOfAccess<T, Width>;
    for (int i = 0; i < Width; i += kPiece) {
        const Vec<T, kPiece> piece = load<kPiece>(from + i);
        for (int j = 0; j < kPiece; ++j)
            to[i + j] = to_float(piece.at[j]);
    }
}

/// The way back, rounded to the nearest.
template <int Width, typename T>
CLIP_DEVICE void store_floats(Global<T> to, const float (&from)[Width]) {
    constexpr int kPiece = kPieceOfAccess<T, Width>;
    for (int i = 0; i < Width; i += kPiece) {
        Vec<T, kPiece> piece;
        for (int j = 0; j < kPiece; ++j)
            piece.at[j] = from_float<T>(from[i + j]);
        store(to + i, piece);
    }
}

/// Whether load_floats and store_floats of `width` elements may begin at any multiple of `width`
/// from each address: these are multiples of 16 bytes, and rows of `columns` elements are whole.
/// Null is no obstacle.
inline bool takes_vectors(int width, std::int64_t columns,
                          std::initializer_list<const void*> addresses) {
    for (const void* address : addresses)
        if (reinterpret_cast<std::uintptr_t>(address) % 16 != 0)
            return false;
    return columns % width == 0;
}

} // namespace clip::cuda
