// SPDX-License-Identifier: MIT
// Pictures changed at random, so that a small data set tells a model more. The paper does none of
// this but a random square crop: with 400 million pictures no two epochs look alike anyway.
#pragma once

#include <cstdint>

#include "data/image.hpp"
#include "data/preprocess.hpp"

namespace clip::train {

/// What is behind a transparent picture.
enum class Background : std::uint8_t {
    /// What inference does: alpha is dropped. Pillow's resize has by then made black of what is
    /// wholly transparent, and has left translucent borders in their full colour.
    none,
    /// Drawn anew each time: of 16 pictures 3 on white, 3 nearly white, 3 on any one colour, 3 on
    /// a gradient of two, and 4 with alpha dropped. Inference composites nothing, so that without
    /// the last a model would meet for the first time there what such files become: an outline
    /// with stairs on black. Who shows a trained model pictures on another background composites
    /// them first.
    random,
};

/// What is done, in this order; by default nothing. An option's draws do not depend on the others:
/// turning one on leaves what the others do as it was.
struct AugmentOptions {
    /// Below 1, a crop of a random size and shape instead of the largest square: its area is that
    /// of the picture times a number uniform in [min_scale, 1], its aspect log-uniform in
    /// [3/4, 4/3]. Ten draws that do not fit into the picture give way to the largest crop with an
    /// aspect in that range. In [0.01, 1]. As torchvision's RandomResizedCrop.
    double min_scale = 1.0;
    /// Pictures with transparent pixels only: the crop's sides become a fraction uniform in
    /// [1 - zoom_out, 1] of the result's, at a random place. Around it is more of the picture, or
    /// background. In [0, 0.9].
    double zoom_out = 0.0;
    /// Degrees: what is cropped is turned about its centre by an angle uniform in
    /// [-rotate, rotate]. Corners are transparent where the picture has transparent pixels; others
    /// are mirrored at their edges. In [0, 180].
    double rotate = 0.0;
    /// Probability of a mirror image. Captions may say left and right, and letters suffer.
    double flip = 0.0;
    /// Factors of brightness, contrast (about the mean grey) and saturation, each uniform in
    /// [1 - color_jitter, 1 + color_jitter]. Backgrounds keep their colour. In [0, 1].
    double color_jitter = 0.0;
    /// Colours are turned about the grey axis by a fraction of the circle uniform in [-hue, hue].
    /// In [0, 0.5].
    double hue = 0.0;
    /// Probability of a picture without colour.
    double grayscale = 0.0;
    Background background = Background::none;
    /// Probability of one rectangle of PreprocessOptions::mean: area 2 to 20 % of the picture,
    /// aspect 1/3 to 3. Source: Zhong et al., Random erasing data augmentation (AAAI 2020).
    double erase = 0.0;

    /// Whether anything is on.
    bool any() const;
};

/// Errors: invalid_argument (a number outside its range).
void check_augment(const AugmentOptions& options);

/// What a picture's draws are a function of.
struct AugmentPlace {
    std::uint64_t seed = 0;
    std::uint32_t epoch = 0;
    std::uint64_t index = 0; ///< of the pair in its source, below 2^60
    std::uint32_t crop = 0;  ///< PreprocessOptions::place, for the square crop
};

/// As preprocess, with the picture changed: writes (3, size, size) float32 to `out`, each value
/// that of a colour in [0, 1] after (value - mean) / std. Of `preprocess` size, mean, std,
/// orientation and scale_grey16 are used. Palettes are resized smoothly here, in their colours.
/// Thread-safe; the same bytes on every machine.
/// Errors: as preprocess_u8, check_augment.
void augment(const Image& image, const PreprocessOptions& preprocess, const AugmentOptions& options,
             const AugmentPlace& place, float* out);

} // namespace clip::train
