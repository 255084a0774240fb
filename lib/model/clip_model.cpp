// SPDX-License-Identifier: MIT
#include "model/clip_model.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/concat.hpp"
#include "model/text_tower.hpp"
#include "model/vision_tower.hpp"
#include "ops/l2_normalize.hpp"
#include "tensor/staging.hpp"

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
    Tensor pooled;           // (N, penultimate width)
    Tensor pictures, result; // on a device: (N, 3, S, S), (N, dim)

    Memory& memory() const { return backend.memory(); }
    bool on_host() const { return memory().device().is_cpu(); }
    /// Room for `shape` in one of the tensors above.
    MutView room(Tensor& tensor, const Shape& shape) {
        reserve(tensor, shape.numel(), DType::f32, memory());
        return part_of(tensor.view(), 0, shape);
    }
    /// Where a tower writes what goes to `host` in the end.
    MutView result_for(float* host, const Shape& shape) {
        return on_host() ? MutView{host, shape, DType::f32, {}} : room(result, shape);
    }
    void bring(float* host, const MutView& from) {
        if (!on_host())
            memory().download(host, from.data, from.bytes());
    }
    /// part (n, 3, S, S) -> y (n, dim of the layer)
    void encode(VisionTower& tower, const ConstView& part, const MutView& y, Layer layer);
};

void ClipModel::Towers::encode(VisionTower& tower, const ConstView& part, const MutView& y,
                               Layer layer) {
    const std::int64_t n = part.shape[0];
    if (layer == Layer::penultimate) {
        tower.forward(backend, part, y);
    } else {
        const MutView rows = room(pooled, Shape{n, tower.penultimate_width()});
        tower.forward(backend, part, rows);
        tower.project(backend, rows, y);
    }
}

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
    const MutView results = towers_->result_for(out.data(), Shape{count, width});
    for (std::int64_t first = 0; first < count; first += at_once) {
        const std::int64_t n = std::min(at_once, count - first);
        ConstView part{pictures.data() + first * each, Shape{n, 3, side, side}, DType::f32, {}};
        if (!towers_->on_host()) {
            const MutView there = towers_->room(towers_->pictures, part.shape);
            towers_->memory().upload(there.data, part.data, part.bytes());
            part = there;
        }
        towers_->encode(tower, part, part_of(results, first * width, Shape{n, width}), layer);
    }
    towers_->bring(out.data(), results);
}

void ClipModel::encode_pictures(std::int64_t count, const PictureMaker& make, std::span<float> out,
                                Layer layer) {
    prepare_vision();
    VisionTower& tower = *towers_->vision;
    const std::int64_t side = config().vision.image_size;
    const std::int64_t width = dim(layer, false);
    expect(count * width == static_cast<std::int64_t>(out.size()), "one vector a picture");
    const std::int64_t at_once = tower.pictures_at_once();
    // Nothing waits for a device before the end: it computes one part while the host decodes the
    // next.
    const MutView results = towers_->result_for(out.data(), Shape{count, width});
    for (std::int64_t first = 0; first < count; first += at_once) {
        const std::int64_t n = std::min(at_once, count - first);
        const MutView part = towers_->room(towers_->pictures, Shape{n, 3, side, side});
        make(first, part);
        towers_->encode(tower, part, part_of(results, first * width, Shape{n, width}), layer);
    }
    towers_->bring(out.data(), results);
}

void ClipModel::encode_texts(std::span<const TokenizedText> texts, std::span<float> out,
                             Layer layer) {
    prepare_text();
    TextTower& tower = *towers_->text;
    const std::int64_t width = dim(layer, true);
    expect(texts.size() * static_cast<std::size_t>(width) == out.size(), "one vector a text");
    const std::size_t at_once =
        kTokensAtOnce * static_cast<std::size_t>(towers_->backend.batch_factor());
    std::vector<std::span<const std::int32_t>> together;
    std::size_t done = 0;
    while (done < texts.size()) {
        together.clear();
        std::size_t tokens = 0;
        while (done + together.size() < texts.size() && (together.empty() || tokens < at_once)) {
            together.push_back(tower.tokens_that_count(texts[done + together.size()].ids));
            tokens += together.back().size();
        }
        const auto n = static_cast<std::int64_t>(together.size());
        float* const to = out.data() + static_cast<std::int64_t>(done) * width;
        const MutView result = towers_->result_for(to, Shape{n, width});
        if (layer == Layer::penultimate) {
            tower.forward(towers_->backend, together, result);
        } else {
            const MutView pooled = towers_->room(towers_->pooled, Shape{n, tower.width()});
            tower.forward(towers_->backend, together, pooled);
            tower.project(towers_->backend, pooled, result);
        }
        towers_->bring(to, result);
        done += together.size();
    }
}

void normalize_rows(Backend& backend, std::span<float> x, std::int64_t dim) {
    const auto rows = static_cast<std::int64_t>(x.size()) / dim;
    const StagedOutput staged({x.data(), Shape{rows, dim}, DType::f32, {}}, backend.memory(), true);
    ops::l2_normalize(backend, {.x = staged.view(), .y = staged});
    staged.finish();
}

} // namespace clip
