// SPDX-License-Identifier: MIT
// A convolution as a product: the matrix (places, kernel height * kernel width * channels) of the
// windows that a kernel sees, of which no copy is made. Loaders for tile_loader.hpp find each chunk
// of it in the picture.
#pragma once

#include <cstdint>

#include "backend/cuda/device_api.hpp"
#include "backend/cuda/fast_divisor.hpp"
#include "backend/cuda/tile_loader.hpp"

namespace clip::cuda {

/// Pictures (N, height, width, channels) and the windows of them that belong to the places (N,
/// lines, columns). On either axis place p sees at tap t the pixel (p * step + origin + t) /
/// divide, which is 0 where it lies outside or between pixels.
///
///   forward          step = stride, origin = -padding, divide = 1
///   gradient by x    pictures are grad_y, places the pixels of x, the kernel is turned round: step
///   =
///                    1, origin = padding - (kernel extent - 1), divide = stride
struct Windows {
    std::int64_t places = 0; ///< of all pictures; below 2^31
    int width = 0;           ///< of the matrix
    int picture_height = 0, picture_width = 0, channels = 0;
    int kernel_width = 1;
    int step = 1, origin_y = 0, origin_x = 0;
    int stride = 1;                  ///< what `divide` divides by
    FastDivisor of_picture, of_line; ///< places
    FastDivisor of_tap, of_tap_line; ///< columns of the matrix; taps
    FastDivisor divide;
};

/// Where a place's window begins.
struct WindowLine {
    std::int64_t picture; ///< elements before the place's picture
    int top, left;        ///< of tap 0, in pixels / divide
};

/// A tap and channels of it.
struct WindowChunk {
    int row, column; ///< of the tap
    int channel;
    int count; ///< elements up to the matrix' end, at most a chunk's
};

/// No tap of a window that begins here lies in a picture.
constexpr int kNowhere = -(1 << 30);

CLIP_DEVICE WindowLine window_line(const Windows& windows, std::int64_t index) {
    if (index >= windows.places)
        return {0, kNowhere, kNowhere};
    const int place = static_cast<int>(index);
    const int picture = windows.of_picture.quotient(place);
    const int inside = windows.of_picture.remainder(place, picture);
    const int line = windows.of_line.quotient(inside);
    const int column = windows.of_line.remainder(inside, line);
    return {std::int64_t{picture} * windows.picture_height * windows.picture_width *
                windows.channels,
            line * windows.step + windows.origin_y, column * windows.step + windows.origin_x};
}

CLIP_DEVICE WindowChunk window_chunk(const Windows& windows, std::int64_t index, int most) {
    if (index >= windows.width)
        return {0, 0, 0, 0};
    const int at = static_cast<int>(index);
    const int tap = windows.of_tap.quotient(at);
    const int row = windows.of_tap_line.quotient(tap);
    return {row, windows.of_tap_line.remainder(tap, row), windows.of_tap.remainder(at, tap),
            min(most, windows.width - at)};
}

/// Elements before a tap's pixel, from the beginning of all pictures; -1 where there is none.
template <bool Divides>
CLIP_DEVICE std::int64_t window_pixel(const Windows& windows, const WindowLine& line, int tap_row,
                                      int tap_column) {
    int y = line.top + tap_row, x = line.left + tap_column;
    if (y < 0 || x < 0)
        return -1;
    if constexpr (Divides) {
        const int whole_y = windows.divide.quotient(y), whole_x = windows.divide.quotient(x);
        if (windows.divide.remainder(y, whole_y) != 0 || windows.divide.remainder(x, whole_x) != 0)
            return -1;
        y = whole_y;
        x = whole_x;
    }
    if (y >= windows.picture_height || x >= windows.picture_width)
        return -1;
    return line.picture + (std::int64_t{y} * windows.picture_width + x) * windows.channels;
}

/// Chunks by cp.async: channels are whole chunks and pictures are aligned to 16 bytes, so that a
/// chunk never leaves its tap.
template <typename T, bool KContiguous, bool Divides>
struct WindowLoader {
    using Element = T;
    static constexpr bool kContiguous = KContiguous;
    static constexpr bool kAsync = true;
    using Line = WindowLine;
    using Chunk = WindowChunk;

    Global<const T> at;
    Windows windows;

    CLIP_DEVICE Line line(std::int64_t index) const { return window_line(windows, index); }
    CLIP_DEVICE Chunk chunk(std::int64_t index) const {
        return window_chunk(windows, index, kChunkBytes / static_cast<int>(sizeof(T)));
    }
    CLIP_DEVICE Piece<T> piece(const Line& line, const Chunk& chunk) const {
        const std::int64_t pixel = window_pixel<Divides>(windows, line, chunk.row, chunk.column);
        if (pixel < 0 || chunk.count == 0)
            return {at, 0};
        return {at + (pixel + chunk.channel), kChunkBytes};
    }
};

/// The same for any channels and alignment, element by element: the first convolution, whose
/// pictures have three channels.
template <typename T, bool KContiguous, bool Divides>
struct WindowElementLoader {
    using Element = T;
    static constexpr bool kContiguous = KContiguous;
    static constexpr bool kAsync = false;
    static constexpr int kCount = kChunkBytes / static_cast<int>(sizeof(T));
    using Line = WindowLine;
    using Chunk = WindowChunk;

    Global<const T> at;
    Windows windows;

    CLIP_DEVICE Line line(std::int64_t index) const { return window_line(windows, index); }
    CLIP_DEVICE Chunk chunk(std::int64_t index) const {
        return window_chunk(windows, index, kCount);
    }
    CLIP_DEVICE Vec<T, kCount> fetch(const Line& line, const Chunk& chunk) const {
        Vec<T, kCount> values{};
        int row = chunk.row, column = chunk.column, channel = chunk.channel;
        CLIP_UNROLL
        for (int i = 0; i < kCount; ++i) {
            if (i < chunk.count) {
                const std::int64_t pixel = window_pixel<Divides>(windows, line, row, column);
                if (pixel >= 0) {
                    const T value = at[pixel + channel];
                    values.at[i] = value;
                }
            }
            if (++channel == windows.channels) {
                channel = 0;
                if (++column == windows.kernel_width) {
                    column = 0;
                    ++row;
                }
            }
        }
        return values;
    }
};

} // namespace clip::cuda
