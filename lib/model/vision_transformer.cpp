// SPDX-License-Identifier: MIT
#include "model/vision_transformer.hpp"

#include <algorithm>

#include "base/concat.hpp"
#include "ops/linear.hpp"
#include "ops/patch_embedding.hpp"

namespace clip {

namespace {

// Rows that go through the linear layers together. Below this the packed weights are read from
// memory too often for the work done with them; above it activations leave the last-level cache.
constexpr std::int64_t kRowsAtOnce = 800;

std::unique_ptr<PreparedLinear> prepare_patches(Backend& backend, const ParameterScope& scope,
                                                DType storage) {
    const Parameter weight =
        scope.get("conv1.weight"); // (D, 3, P, P): its rows are patches already
    const std::int64_t width = weight.view.shape[0];
    ConstView rows = weight.view;
    rows.shape = Shape{width, weight.view.numel() / width};
    auto prepared = ops::prepare_linear(backend, {.weight = rows, .storage = storage});
    scope.release("conv1.weight");
    return prepared;
}

} // namespace

VisionTransformer::VisionTransformer(Backend& backend, const ParameterScope& scope,
                                     const ModelConfig& config, DType storage)
    : width_(config.vision.width), tokens_(config.vision.positions()),
      rows_at_once_(kRowsAtOnce * backend.batch_factor()),
      patch_(static_cast<int>(config.vision.patch_size)),
      patches_(prepare_patches(backend, scope, storage)),
      class_token_(keep_there(backend, scope, "class_embedding")),
      positions_(keep_there(backend, scope, "positional_embedding")),
      ln_pre_(backend, scope / "ln_pre", config.layer_norm_eps),
      ln_post_(backend, scope / "ln_post", config.layer_norm_eps), repeated_(backend, this) {
    const BlockSettings settings{.heads = static_cast<int>(config.vision.heads),
                                 .activation = config.vision.activation,
                                 .layer_norm_eps = config.layer_norm_eps,
                                 .causal = false,
                                 .storage = storage};
    const ParameterScope blocks = scope / "transformer" / "resblocks";
    blocks_.reserve(static_cast<std::size_t>(config.vision.layers));
    for (std::int64_t i = 0; i < config.vision.layers; ++i)
        blocks_.emplace_back(backend, blocks / concat(i), settings, i + 1 == config.vision.layers);
    projection_ = prepare_projection(backend, scope, "proj", storage);
}

std::int64_t VisionTransformer::pictures_at_once() const {
    return std::max<std::int64_t>(1, rows_at_once_ / tokens_);
}

void VisionTransformer::forward(Backend& backend, ConstView pictures, MutView pooled) {
    repeated_.run(pictures, pooled, [&] { compute(backend, pictures, pooled); });
}

void VisionTransformer::compute(Backend& backend, ConstView pictures, MutView pooled) {
    const std::int64_t n = pictures.shape[0], rows = n * tokens_;
    reserve(tokens_scratch_, rows * width_, DType::f32, backend.memory());
    const MutView x = first_rows(tokens_scratch_, rows, width_);
    MutView by_picture = x;
    by_picture.shape = Shape{n, tokens_, width_};
    ops::patch_embedding(backend, {.pictures = pictures,
                                   .patch = patch_,
                                   .projection = patches_.get(),
                                   .class_token = class_token_,
                                   .positions = positions_,
                                   .y = by_picture});
    ln_pre_.forward(backend, x, x);

    std::vector<std::int64_t> offsets(static_cast<std::size_t>(n) + 1);
    for (std::size_t i = 0; i < offsets.size(); ++i)
        offsets[i] = static_cast<std::int64_t>(i) * tokens_;
    const std::span<const std::int64_t> class_rows(offsets.data(), static_cast<std::size_t>(n));
    for (std::size_t i = 0; i + 1 < blocks_.size(); ++i)
        blocks_[i].forward(backend, x, offsets, scratch_);
    blocks_.back().forward_rows(backend, x, offsets, class_rows, pooled, scratch_);
    ln_post_.forward(backend, pooled, pooled);
}

void VisionTransformer::project(Backend& backend, ConstView pooled, MutView y) {
    ops::linear(backend, {.x = pooled, .weights = projection_.get(), .y = y});
}

} // namespace clip
