// SPDX-License-Identifier: MIT
#include "model/modified_resnet.hpp"

#include <algorithm>
#include <utility>

#include "base/concat.hpp"
#include "ops/avg_pool.hpp"
#include "ops/conv2d.hpp"

namespace clip {

namespace {

// Bytes of the largest activation of the pictures that go through together.
constexpr std::int64_t kActivationBytes = std::int64_t{16} << 20;

/// (N, C, height, width) -> (N, height, width, C)
void channels_last(Backend& backend, ConstView x, FeatureMap& y) {
    const std::int64_t n = x.shape[0], channels = x.shape[1], places = x.shape[2] * x.shape[3];
    y.resize(Shape{n, x.shape[2], x.shape[3], channels});
    float* to = y.view().f32();
    const float* from = x.f32();
    backend.pool().parallel_for(
        static_cast<std::size_t>(n), 1, [&](std::size_t begin, std::size_t end) {
            for (auto i = static_cast<std::int64_t>(begin); i < static_cast<std::int64_t>(end); ++i)
                for (std::int64_t c = 0; c < channels; ++c)
                    for (std::int64_t p = 0; p < places; ++p)
                        to[(i * places + p) * channels + c] = from[(i * channels + c) * places + p];
        });
}

} // namespace

ModifiedResnet::ModifiedResnet(Backend& backend, const ParameterScope& scope,
                               const ModelConfig& config, DType storage)
    : image_size_(config.vision.image_size), penultimate_width_(config.vision.output_width()),
      pool_(backend, scope / "attnpool", static_cast<int>(config.vision.heads), storage) {
    for (int i = 0; i < 3; ++i)
        stem_[i] = prepare_conv_batch_norm(backend, scope, concat("conv", i + 1),
                                           concat("bn", i + 1), i == 0 ? 2 : 1, 1, storage);
    for (int stage = 0; stage < 4; ++stage) {
        const ParameterScope layer = scope / concat("layer", stage + 1);
        for (std::int64_t block = 0; block < config.vision.stages[static_cast<std::size_t>(stage)];
             ++block)
            blocks_.emplace_back(backend, layer / concat(block), stage > 0 && block == 0 ? 2 : 1,
                                 storage);
    }
}

std::int64_t ModifiedResnet::pictures_at_once() const {
    // The stem's maps at half the input's side are the largest: width / 2 channels, four bytes
    // each.
    const std::int64_t half = image_size_ / 2;
    const std::int64_t bytes = half * half * (penultimate_width_ / 32) * 4;
    return std::max<std::int64_t>(1, kActivationBytes / bytes);
}

void ModifiedResnet::forward(Backend& backend, ConstView pictures, MutView pooled) {
    const std::int64_t n = pictures.shape[0];
    channels_last(backend, pictures, x_);
    for (int i = 0; i < 3; ++i) {
        const std::int64_t side = i == 0 ? (x_.shape[1] + 1) / 2 : x_.shape[1];
        y_.resize(Shape{n, side, side, stem_[i]->weight_shape()[0]});
        ops::conv2d(backend, {.x = x_.view(),
                              .weights = stem_[i].get(),
                              .activation = Activation::relu,
                              .y = y_.view()});
        std::swap(x_, y_);
    }
    y_.resize(Shape{n, x_.shape[1] / 2, x_.shape[2] / 2, x_.shape[3]});
    ops::avg_pool(backend, {.x = x_.view(), .window = 2, .y = y_.view()});
    std::swap(x_, y_);
    for (const Bottleneck& block : blocks_) {
        block.forward(backend, x_, y_, scratch_);
        std::swap(x_, y_);
    }
    MutView places = x_.view();
    places.shape = Shape{n, x_.shape[1] * x_.shape[2], x_.shape[3]};
    pool_.forward(backend, places, pooled, pool_scratch_);
}

void ModifiedResnet::project(Backend& backend, ConstView pooled, MutView y) {
    pool_.project(backend, pooled, y);
}

} // namespace clip
