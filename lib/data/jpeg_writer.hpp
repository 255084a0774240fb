// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

namespace clip {

/// A JPEG file (baseline, colour at half the resolution) of `rgb`, (height, width, 3), by
/// libjpeg-turbo. `quality` is libjpeg's, 1 to 100.
/// Errors: invalid_argument (sides outside [1, 65500]); out_of_memory, io_failure (libjpeg gave
/// up).
std::vector<std::uint8_t> encode_jpeg(int width, int height, const std::uint8_t* rgb, int quality);

} // namespace clip
