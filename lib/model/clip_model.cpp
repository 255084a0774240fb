// SPDX-License-Identifier: MIT
#include "model/clip_model.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/concat.hpp"
#include "model/text_tower.hpp"
#include "model/vision_tower.hpp"
#include "ops/l2_normalize.hpp"

namespace clip {

namespace {

// Tokens that go through the text tower together; see VisionTransformer's kRowsAtOnce.
constexpr std::size_t kTokensAtOnce = 800;

/// A checkpoint's weights, as layers ask for them.
class CheckpointParameters final : public ParameterSource {
  public:
    explicit CheckpointParameters(const Weights& weights) : weights_(weights) {}
    bool has(const std::string& name) const override { return weights_.has(name); }
    Parameter get(const std::string& name) const override {
        if (auto mapped = weights_.stored_view(name); mapped && is_usable_in_place(name, *mapped))
            return Parameter(*mapped);
        return Parameter(weights_.load_f32(name));
    }
    void release(const std::string& name) const override { weights_.release(name); }

  private:
    // The embedding op converts the rows that it reads, so that table may be of any type.
    static bool is_usable_in_place(const std::string& name, const ConstView& mapped) {
        if (name == "token_embedding.weight")
            return is_floating(mapped.dtype);
        return mapped.dtype == DType::f32 &&
               reinterpret_cast<std::uintptr_t>(mapped.data) % alignof(float) == 0;
    }
    const Weights& weights_;
};

} // namespace

struct ClipModel::Towers {
    Towers(Checkpoint opened, Backend& on, ModelOptions with)
        : checkpoint(std::move(opened)), backend(on), options(with),
          parameters(checkpoint.weights) {}

    Checkpoint checkpoint;
    Backend& backend;
    ModelOptions options;
    CheckpointParameters parameters;
    std::unique_ptr<VisionTower> vision;
    std::unique_ptr<TextTower> text;
    Tensor pooled; // (N, penultimate width)

    MutView pooled_rows(std::int64_t rows, std::int64_t width) {
        if (pooled.numel() < rows * width)
            pooled = Tensor(Shape{rows * width});
        return {pooled.as<float>(), Shape{rows, width}, DType::f32, Device{}};
    }
};

ClipModel::ClipModel(Checkpoint checkpoint, Backend& backend, ModelOptions options)
    : towers_(std::make_unique<Towers>(std::move(checkpoint), backend, options)) {}
ClipModel::~ClipModel() = default;

const Checkpoint& ClipModel::checkpoint() const {
    return towers_->checkpoint;
}

double ClipModel::logit_scale() const {
    return std::exp(double{checkpoint().logit_scale});
}

std::int64_t ClipModel::dim(Layer layer, bool text) const {
    if (layer == Layer::projected)
        return config().embed_dim;
    if (text)
        return config().text.width;
    return config().vision.output_width();
}

void ClipModel::prepare_vision() {
    if (!towers_->vision)
        towers_->vision = make_vision_tower(towers_->backend, towers_->parameters, config(),
                                            towers_->options.storage);
}

void ClipModel::prepare_text() {
    if (!towers_->text)
        towers_->text = std::make_unique<TextTower>(towers_->backend, towers_->parameters, config(),
                                                    towers_->options.storage);
}

void ClipModel::encode_pictures(std::span<const float> pictures, std::span<float> out,
                                Layer layer) {
    prepare_vision();
    VisionTower& tower = *towers_->vision;
    const std::int64_t side = config().vision.image_size, each = 3 * side * side;
    const std::int64_t width = dim(layer, false);
    const auto count = static_cast<std::int64_t>(pictures.size()) / each;
    expect(count * each == static_cast<std::int64_t>(pictures.size()),
           "whole pictures are encoded");
    expect(count * width == static_cast<std::int64_t>(out.size()), "one vector a picture");
    const std::int64_t at_once = tower.pictures_at_once();
    for (std::int64_t first = 0; first < count; first += at_once) {
        const std::int64_t n = std::min(at_once, count - first);
        const ConstView part{
            pictures.data() + first * each, Shape{n, 3, side, side}, DType::f32, {}};
        const MutView result{out.data() + first * width, Shape{n, width}, DType::f32, {}};
        if (layer == Layer::penultimate) {
            tower.forward(towers_->backend, part, result);
            continue;
        }
        const MutView pooled = towers_->pooled_rows(n, tower.penultimate_width());
        tower.forward(towers_->backend, part, pooled);
        tower.project(towers_->backend, pooled, result);
    }
}

void ClipModel::encode_texts(std::span<const TokenizedText> texts, std::span<float> out,
                             Layer layer) {
    prepare_text();
    TextTower& tower = *towers_->text;
    const std::int64_t width = dim(layer, true);
    expect(texts.size() * static_cast<std::size_t>(width) == out.size(), "one vector a text");
    std::vector<std::span<const std::int32_t>> together;
    std::size_t done = 0;
    while (done < texts.size()) {
        together.clear();
        std::size_t tokens = 0;
        while (done + together.size() < texts.size() &&
               (together.empty() || tokens < kTokensAtOnce)) {
            together.push_back(tower.tokens_that_count(texts[done + together.size()].ids));
            tokens += together.back().size();
        }
        const auto n = static_cast<std::int64_t>(together.size());
        const MutView result{
            out.data() + static_cast<std::int64_t>(done) * width, Shape{n, width}, DType::f32, {}};
        if (layer == Layer::penultimate) {
            tower.forward(towers_->backend, together, result);
        } else {
            const MutView pooled = towers_->pooled_rows(n, tower.width());
            tower.forward(towers_->backend, together, pooled);
            tower.project(towers_->backend, pooled, result);
        }
        done += together.size();
    }
}

void normalize_rows(Backend& backend, std::span<float> x, std::int64_t dim) {
    const auto rows = static_cast<std::int64_t>(x.size()) / dim;
    const MutView view{x.data(), Shape{rows, dim}, DType::f32, {}};
    ops::l2_normalize(backend, {.x = view, .y = view});
}

} // namespace clip
