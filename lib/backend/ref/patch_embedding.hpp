// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

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

/// Adds to row `d` of the projection's gradient: grad_projection (width, 3 * patch * patch).
///
/// Shapes:  grad_y (count, G*G + 1, width); pictures (count, 3, side, side); row (3 * patch *
///          patch) is scratch.
/// Numerics: each element is one chain of sums in the order of the pictures and their patches.
template <typename T>
void patch_grad_projection(T* grad_projection, T* row, const T* grad_y, const T* pictures,
                           std::int64_t count, std::int64_t side, std::int64_t patch,
                           std::int64_t width, std::int64_t d) {
    const std::int64_t in = 3 * patch * patch;
    const std::int64_t patches = (side / patch) * (side / patch);
    std::vector<T> sums(static_cast<std::size_t>(in));
    for (std::int64_t n = 0; n < count; ++n)
        for (std::int64_t p = 0; p < patches; ++p) {
            patch_row(row, pictures + n * 3 * side * side, side, patch, p);
            const T g = grad_y[(n * (patches + 1) + p + 1) * width + d];
            for (std::int64_t i = 0; i < in; ++i)
                sums[static_cast<std::size_t>(i)] += g * row[i];
        }
    for (std::int64_t i = 0; i < in; ++i)
        grad_projection[d * in + i] += sums[static_cast<std::size_t>(i)];
}

} // namespace clip::ref
