// SPDX-License-Identifier: MIT
// The geometry of an augmentation: from a decoded picture to n x n pixels with alpha.
#pragma once

#include <vector>

#include "train/augment_plan.hpp"

namespace clip::train {

/// A picture whose pixels can be averaged: palettes in their colours and grey of 16 bits as 8.
/// `scale_grey16` as in PreprocessOptions.
class SmoothPicture {
  public:
    /// `image` must outlive this.
    SmoothPicture(const Image& image, bool scale_grey16);
    SmoothPicture(const SmoothPicture&) = delete;
    SmoothPicture& operator=(const SmoothPicture&) = delete;

    const Image& image() const { return *image_; }
    bool has_alpha() const {
        return image_->mode == PixelMode::rgba || image_->mode == PixelMode::grey_alpha;
    }
    /// Whether any pixel is not opaque.
    bool transparent() const { return transparent_; }

  private:
    Image changed_;
    const Image* image_;
    bool transparent_ = false;
};

/// What the plan's canvas shows of the picture, mirrored and turned: (n, n, 4), red, green and blue
/// in [0, alpha], alpha in [0, 1]. Antialiased where it shrinks.
std::vector<float> draw_layer(const SmoothPicture& picture, int orientation,
                              const AugmentPlan& plan, int n);

} // namespace clip::train
