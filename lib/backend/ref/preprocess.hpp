// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "backend/op_args.hpp"

namespace clip::ref {

/// A sum of bytes times weights of 22 fraction bits, rounded and clipped to a byte.
inline std::uint8_t resized_byte(std::int32_t sum) {
    return static_cast<std::uint8_t>(std::clamp((sum + (1 << 21)) >> 22, 0, 255));
}

/// Sum over an output's inputs, which are `step` bytes apart; `from` is input 0.
inline std::uint8_t resized(const ResizeAxis& axis, std::int64_t output, const std::uint8_t* from,
                            std::int64_t step) {
    const auto at = static_cast<std::size_t>(output);
    std::int32_t sum = 0;
    for (std::int32_t t = 0; t < axis.count[at]; ++t)
        sum += from[(axis.first[at] + t) * step] *
               axis.weight[static_cast<std::size_t>(output * axis.stride + t)];
    return resized_byte(sum);
}

/// See PreprocessArgs: one picture -> y (3, S, S); all sums are exact, so that only the two
/// divisions round.
inline void preprocess(float* y, const SourcePicture& picture, const float* mean,
                       const float* std) {
    const ResizeAxis &across = picture.across, &down = picture.down;
    const auto side = static_cast<std::int64_t>(across.first.size());
    std::int64_t begin = down.first[0], end = 0;
    for (std::int64_t i = 0; i < side; ++i) {
        const auto at = static_cast<std::size_t>(i);
        begin = std::min<std::int64_t>(begin, down.first[at]);
        end = std::max<std::int64_t>(end, down.first[at] + down.count[at]);
    }
    // Rows of the picture that anything is taken from, resized along x: (end - begin, S, 3).
    std::vector<std::uint8_t> rows(static_cast<std::size_t>((end - begin) * side * 3));
    for (std::int64_t line = begin; line < end; ++line)
        for (std::int64_t i = 0; i < side; ++i)
            for (std::int64_t c = 0; c < 3; ++c)
                rows[static_cast<std::size_t>(((line - begin) * side + i) * 3 + c)] =
                    resized(across, i, picture.pixels.data() + line * picture.width * 3 + c, 3);
    for (std::int64_t c = 0; c < 3; ++c)
        for (std::int64_t line = 0; line < side; ++line)
            for (std::int64_t i = 0; i < side; ++i) {
                const std::uint8_t* column = rows.data() + i * 3 + c;
                const std::uint8_t value = resized(down, line, column - begin * side * 3, side * 3);
                *y++ = (static_cast<float>(value) / 255.0F - mean[c]) / std[c];
            }
}

} // namespace clip::ref
