// SPDX-License-Identifier: MIT
#include "model/modified_resnet.hpp"

#include <algorithm>
#include <utility>

#include "base/concat.hpp"
#include "ops/avg_pool.hpp"
#include "ops/channels_last.hpp"
#include "ops/conv2d.hpp"

namespace clip {

namespace {

// Bytes of the largest activation of the pictures that go through together.
constexpr std::int64_t kActivationBytes = std::int64_t{16} << 20;

} // namespace

ModifiedResnet::ModifiedResnet(Backend& backend, const ParameterScope& scope,
                               const ModelConfig& config, DType storage)
    : image_size_(config.vision.image_size), penultimate_width_(config.vision.output_width()),
      activation_bytes_(kActivationBytes * backend.batch_factor()),
      pool_(backend, scope / "attnpool", static_cast<int>(config.vision.heads), storage),
      x_(backend, storage), y_(backend, storage), scratch_(backend, storage),
      repeated_(backend, this) {
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
    return std::max<std::int64_t>(1, activation_bytes_ / bytes);
}

void ModifiedResnet::forward(Backend& backend, ConstView pictures, MutView pooled) {
    repeated_.run(pictures, pooled, [&] { compute(backend, pictures, pooled); });
}

void ModifiedResnet::compute(Backend& backend, ConstView pictures, MutView pooled) {
    const std::int64_t n = pictures.shape[0];
    // Each map has the same uses in every call, and so is large enough after the first.
    FeatureMap *x = &x_, *y = &y_;
    x->resize(Shape{n, pictures.shape[2], pictures.shape[3], pictures.shape[1]});
    ops::channels_last(backend, {.x = pictures, .y = x->view()});
    for (int i = 0; i < 3; ++i) {
        const std::int64_t side = i == 0 ? (x->shape[1] + 1) / 2 : x->shape[1];
        y->resize(Shape{n, side, side, stem_[i]->weight_shape()[0]});
        ops::conv2d(backend, {.x = x->view(),
                              .weights = stem_[i].get(),
                              .activation = Activation::relu,
                              .y = y->view()});
        std::swap(x, y);
    }
    y->resize(Shape{n, x->shape[1] / 2, x->shape[2] / 2, x->shape[3]});
    ops::avg_pool(backend, {.x = x->view(), .window = 2, .y = y->view()});
    std::swap(x, y);
    for (const Bottleneck& block : blocks_) {
        block.forward(backend, *x, *y, scratch_);
        std::swap(x, y);
    }
    const MutView places = part_of(x->view(), 0, Shape{n, x->shape[1] * x->shape[2], x->shape[3]});
    pool_.forward(backend, places, pooled, pool_scratch_);
}

void ModifiedResnet::project(Backend& backend, ConstView pooled, MutView y) {
    pool_.project(backend, pooled, y);
}

} // namespace clip
