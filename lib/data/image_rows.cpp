// SPDX-License-Identifier: MIT
#include "data/image_rows.hpp"

#include <algorithm>
#include <cstring>

namespace clip {

namespace {

/// Copies `count` pixels of `Size` bytes that lie `step` bytes apart.
template <std::size_t Size>
void gather(std::uint8_t* to, const std::uint8_t* from, std::ptrdiff_t step, int count) {
    for (int i = 0; i < count; ++i, to += Size, from += step)
        std::memcpy(to, from, Size);
}

void gather(std::uint8_t* to, const std::uint8_t* from, std::ptrdiff_t step, int count,
            std::size_t size) {
    switch (size) {
    case 1:
        return gather<1>(to, from, step, count);
    case 2:
        return gather<2>(to, from, step, count);
    case 3:
        return gather<3>(to, from, step, count);
    default:
        return gather<4>(to, from, step, count);
    }
}

} // namespace

OrientedRows::OrientedRows(const Image& image, int orientation)
    : image_(image), orientation_(orientation >= 1 && orientation <= 8 ? orientation : 1),
      swapped_(orientation_ >= 5) {}

const std::uint8_t* OrientedRows::pixel(int x, int y) const {
    if (swapped_)
        std::swap(x, y);
    // After the swap (x, y) runs along the stored axes; what is left is mirroring: 2, 3, 7 and 8
    // read columns backwards, 3, 4, 6 and 7 read rows backwards.
    if (orientation_ == 2 || orientation_ == 3 || orientation_ == 7 || orientation_ == 8)
        x = image_.width - 1 - x;
    if (orientation_ == 3 || orientation_ == 4 || orientation_ == 6 || orientation_ == 7)
        y = image_.height - 1 - y;
    return image_.row(y) + static_cast<std::size_t>(x) * pixel_size(image_.mode);
}

RowStrip OrientedRows::fetch(int y, int count) {
    if (orientation_ == 1)
        return {image_.row(y), image_.row_bytes()};
    std::uint8_t* writable = nullptr;
    return fetch_copy(y, count, writable);
}

RowStrip OrientedRows::fetch_copy(int y, int count, std::uint8_t*& writable) {
    const std::size_t size = pixel_size(image_.mode);
    const std::size_t stride = static_cast<std::size_t>(width()) * size;
    strip_.resize(stride * static_cast<std::size_t>(count) + PixelBuffer::kPadding);
    writable = strip_.data();
    if (orientation_ == 1) {
        std::memcpy(strip_.data(), image_.row(y), stride * static_cast<std::size_t>(count));
        return {strip_.data(), stride};
    }
    // Columns of the stored picture are taken in short pieces for all rows of the strip, so that
    // each cache line of it is read once.
    constexpr int kPiece = 64;
    const int columns = width();
    for (int x = 0; x < columns; x += kPiece) {
        const int piece = std::min(kPiece, columns - x);
        for (int r = 0; r < count; ++r) {
            const std::uint8_t* from = pixel(x, y + r);
            const std::ptrdiff_t step = piece > 1 ? pixel(x + 1, y + r) - from : 0;
            gather(strip_.data() + static_cast<std::size_t>(r) * stride +
                       static_cast<std::size_t>(x) * size,
                   from, step, piece, size);
        }
    }
    return {strip_.data(), stride};
}

} // namespace clip
