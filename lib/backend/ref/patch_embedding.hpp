// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace clip::ref {

/// One patch of a picture as a row ordered (channel, row, column).
///
/// Shapes:  picture (3, side, side); row (3 * patch * patch); `index` counts patches row by row.
template <typename T>
void patch_row(T* row, const T* picture, std::int64_t side, std::int64_t patch,
               std::int64_t index) {
    const std::int64_t grid = side / patch;
    const std::int64_t top = index / grid * patch;
    const std::int64_t left = index % grid * patch;
    for (std::int64_t c = 0; c < 3; ++c)
        for (std::int64_t i = 0; i < patch; ++i)
            for (std::int64_t j = 0; j < patch; ++j)
                *row++ = picture[(c * side + top + i) * side + left + j];
}

/// One token of y = [class_token; patches W^T] + positions; token 0 is the class token.
///
/// Shapes:  y (width); picture (3, side, side); projection (width, 3 * patch * patch); class_token
///          (width); positions (G*G + 1, width); row (3 * patch * patch) is scratch.
template <typename T>
void patch_token(T* y, T* row, const T* picture, const T* projection, const T* class_token,
                 const T* positions, std::int64_t side, std::int64_t patch, std::int64_t width,
                 std::int64_t token) {
    const T* position = positions + token * width;
    if (token == 0) {
        for (std::int64_t d = 0; d < width; ++d)
            y[d] = class_token[d] + position[d];
        return;
    }
    const std::int64_t in = 3 * patch * patch;
    patch_row(row, picture, side, patch, token - 1);
    for (std::int64_t d = 0; d < width; ++d) {
        T sum = 0;
        for (std::int64_t i = 0; i < in; ++i)
            sum += row[i] * projection[d * in + i];
        y[d] = sum + position[d];
    }
}

} // namespace clip::ref
