// SPDX-License-Identifier: MIT
// Pictures of noise, as preprocess() of a backend takes them, and what the host makes of them.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "backend/op_args.hpp"
#include "base/random.hpp"
#include "data/preprocess.hpp"

namespace clip::test {

inline Image noise_picture(int width, int height) {
    Image image = make_image(width, height, PixelMode::rgb, "PPM");
    RandomStream random(1, static_cast<std::uint64_t>(width * 10'000 + height));
    std::uint32_t word = 0;
    for (std::size_t i = 0; i < image.pixels.size(); ++i, word >>= 8U) {
        if (i % 4 == 0)
            word = random.next();
        // Edges as well as noise: bicubic weights are negative, so that sums leave 0 to 255.
        const auto byte = static_cast<std::uint8_t>(word);
        const std::uint8_t edge = (byte & 2U) != 0 ? 0 : 255;
        image.pixels.data()[i] = (byte & 1U) != 0 ? byte : edge;
    }
    return image;
}

class SourcePictures {
  public:
    explicit SourcePictures(const PreprocessOptions& options) : options_(options) {}

    /// A picture that becomes y's `to`.
    void add(int width, int height, Crop crop, std::int64_t to) {
        options_.crop = crop;
        crops_.push_back(crop);
        images_.push_back(noise_picture(width, height));
        const Image& image = images_.back();
        auto plan = plan_preprocess(image, options_);
        REQUIRE(plan.has_value());
        plans_.push_back(std::move(*plan));
        sources_.push_back({.pixels = {image.pixels.data(), image.pixels.size()},
                            .height = height,
                            .width = width,
                            .across = axis_of(plans_.back().across),
                            .down = axis_of(plans_.back().down),
                            .to = to});
    }

    const std::vector<SourcePicture>& sources() const { return sources_; }
    std::int64_t each() const { return std::int64_t{3} * options_.size * options_.size; }
    Shape shape(std::int64_t count) const { return {count, 3, options_.size, options_.size}; }
    /// `y` must be of shape(count).
    PreprocessArgs args(const MutView& y) const {
        PreprocessArgs args{.pictures = sources_, .y = y};
        std::copy(options_.mean.begin(), options_.mean.end(), args.mean);
        std::copy(options_.std.begin(), options_.std.end(), args.std);
        return args;
    }
    /// What y holds if it began as `before`.
    std::vector<float> expected(std::vector<float> before) const {
        PreprocessOptions options = options_;
        for (std::size_t i = 0; i < images_.size(); ++i) {
            options.crop = crops_[i];
            preprocess(images_[i], options, before.data() + sources_[i].to * each());
        }
        return before;
    }

  private:
    static ResizeAxis axis_of(const Taps<std::int32_t>& taps) {
        return {taps.first, taps.count, taps.weight, static_cast<std::int64_t>(taps.stride)};
    }

    PreprocessOptions options_;
    std::vector<Image> images_;
    std::vector<Crop> crops_;
    std::vector<PreprocessPlan> plans_;
    std::vector<SourcePicture> sources_;
};

} // namespace clip::test
