// SPDX-License-Identifier: MIT
// Pillow's bicubic resize, computed only where a crop keeps it.
#pragma once

#include <cstdint>
#include <vector>

#include "data/image_rows.hpp"
#include "data/resize_taps.hpp"

namespace clip {

/// The part of a resized picture that is wanted.
struct ResizeWindow {
    AxisWindow x;
    AxisWindow y;
};

/// Which 8-bit kernels: the fastest, or those of every CPU (tests compare the two).
enum class KernelChoice : std::uint8_t { fastest, portable };

/// Resizes samples of 8 bits, 1 to 4 a pixel. `premultiply` says that the last channel is alpha:
/// the others are multiplied by it first and divided by it afterwards.
/// Gives (window.y.count, window.x.count, channels).
std::vector<std::uint8_t> resize_bytes(OrientedRows& rows, int channels, bool premultiply,
                                       const ResizeWindow& window,
                                       KernelChoice choice = KernelChoice::fastest);

/// Resizes grey of 16 bits as Pillow does its 32-bit mode I: in double, rounded after each pass.
/// Gives (window.y.count, window.x.count); values may lie outside 16 bits.
std::vector<std::int32_t> resize_grey16(OrientedRows& rows, const ResizeWindow& window);

/// For outputs of the window the inputs that Pillow's nearest picks.
std::vector<int> nearest_inputs(const AxisWindow& window);

} // namespace clip
