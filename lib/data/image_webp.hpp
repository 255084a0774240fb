// SPDX-License-Identifier: MIT
// The first frame of an animated WebP, which OpenCV refuses, as a still one, which it reads.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace clip {

struct WebpFrame {
    std::vector<std::uint8_t> file; ///< a WebP of this frame alone
    int left = 0, top = 0;          ///< where it lies in the picture
    int width = 0, height = 0;
    bool alpha = false; ///< whether the picture, not the frame alone, has alpha
};

/// The first frame, or nothing where the file is not animated.
/// Errors: truncated (no whole frame).
std::optional<WebpFrame> first_webp_frame(std::span<const std::uint8_t> bytes);

} // namespace clip
