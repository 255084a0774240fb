// SPDX-License-Identifier: MIT
// What is done to one picture: all that is random in an augmentation, as plain numbers.
#pragma once

#include <array>

#include "train/augment.hpp"

namespace clip::train {

/// A rectangle, in pixels of the oriented picture or as fractions of a side.
struct Box {
    double x = 0.0, y = 0.0, width = 0.0, height = 0.0;
};

using Rgb = std::array<float, 3>; ///< each in [0, 1]

struct AugmentPlan {
    Box crop;           ///< inside the picture
    Box canvas;         ///< what the result shows: the crop, or more
    double angle = 0.0; ///< radians
    bool flip = false;
    double brightness = 1.0, contrast = 1.0, saturation = 1.0;
    double hue = 0.0;       ///< radians
    bool composite = false; ///< false: alpha is dropped
    /// The background runs from one colour to the other, corner to corner along this direction.
    Rgb from{}, to{};
    double direction_x = 1.0, direction_y = 0.0;
    bool erase = false;
    Box erased; ///< fractions of the result's sides
};

/// `width` and `height` are those of the oriented picture; `transparent` says whether any of its
/// pixels is.
AugmentPlan draw_plan(const AugmentOptions& options, const AugmentPlace& place, int width,
                      int height, bool transparent);

/// sin x and cos x for x in [-pi, pi], to 1e-15 or so, from IEEE operations alone: the C library's
/// differ between processors.
double exact_sin(double x);
double exact_cos(double x);

} // namespace clip::train
