// SPDX-License-Identifier: MIT
// From a decoded picture to what an image tower is given, with Pillow's arithmetic to the bit.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "data/image.hpp"
#include "data/resize_taps.hpp"

namespace clip {

enum class Crop : std::uint8_t {
    center, ///< the shorter side becomes n, the middle n x n is kept
    none,   ///< the whole picture is squashed to n x n; its aspect is lost
    placed, ///< as center, but what is kept lies where PreprocessOptions::place says
};

enum class Orientation : std::uint8_t {
    exif,   ///< turn and mirror the picture as its EXIF tag says, first
    ignore, ///< as stored, which is what the reference does
};

struct PreprocessOptions {
    int size = 224; ///< n, the side of the tower's input
    std::array<float, 3> mean{0.48145466F, 0.4578275F, 0.40821073F};
    std::array<float, 3> std{0.26862954F, 0.26130258F, 0.27577711F};
    Crop crop = Crop::center;
    /// For Crop::placed: 0 is the first of all places of the crop along the longer side, and 2^32
    /// would be one behind the last; a uniformly random word makes each as likely as the others.
    std::uint32_t place = 0;
    Orientation orientation = Orientation::exif;
    /// Grey of 16 bits: false clips values over 255 as Pillow (and so the reference) does, which
    /// leaves most such pictures white; true takes the upper 8 bits before the resize.
    bool scale_grey16 = false;
};

/// The (size, size, 3) RGB bytes before they are normalised.
///
/// The shorter side becomes n and the longer one floor(n * long / short); the resize is an
/// antialiased bicubic (a = -0.5) in the picture's own mode, first along rows, then along columns,
/// rounded to 8 bits after each; palettes and 1-bit pictures go by nearest; alpha is premultiplied
/// and divided out again. The crop begins at round-half-even((side - n) / 2). Only what the crop
/// keeps is computed.
/// Errors: invalid_argument (a size outside [1, 4096], a picture without pixels).
std::vector<std::uint8_t> preprocess_u8(const Image& image, const PreprocessOptions& options);

/// What preprocess() does to a picture, as weights for each axis.
struct PreprocessPlan {
    Taps<std::int32_t> across, down; ///< of `size` outputs each
};

/// The plan, for where a device does the work: of an RGB picture that is not to be turned. Nothing
/// for others, or where a side is so long that its weights are many. Errors: as preprocess_u8.
std::optional<PreprocessPlan> plan_preprocess(const Image& image, const PreprocessOptions& options);

/// Writes (3, size, size) float32 to `out`: (value / 255 - mean) / std, each step rounded to
/// float32. Pure: the same picture and options give the same bytes on every machine.
/// Errors: as preprocess_u8.
void preprocess(const Image& image, const PreprocessOptions& options, float* out);

} // namespace clip
