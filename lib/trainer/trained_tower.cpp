// SPDX-License-Identifier: MIT
#include "trainer/trained_tower.hpp"

#include <algorithm>

#include "model/vision_tower.hpp"
#include "trainer/trained_resnet.hpp"
#include "trainer/trained_text.hpp"
#include "trainer/trained_vit.hpp"

namespace clip::trainer {

namespace {

/// The tower of inference: weights that are not trained are packed once, batch norms are folded
/// into convolutions.
class LockedVisionTower final : public TrainedVisionTower {
  public:
    LockedVisionTower(const TowerContext& context, const ModelConfig& config)
        : context_(context), config_(config) {}

    /// Steps do not change this tower's weights: what was packed stays.
    void refresh() override {}

    void forward(ConstView pictures, MutView features, bool) override {
        if (!tower_)
            tower_ = make_vision_tower(context_.backend, ParametersSource(context_.parameters),
                                       config_, DType::f32);
        Arena& arena = context_.arena;
        const std::int64_t n = pictures.shape[0], side = pictures.shape[2];
        const std::int64_t step = std::min(n, tower_->pictures_at_once());
        const Arena::Mark mark = arena.mark();
        const MutView pooled = arena.take(Shape{step, tower_->penultimate_width()});
        for (std::int64_t first = 0; first < n; first += step) {
            const std::int64_t count = std::min(step, n - first);
            ConstView part = pictures;
            part.data = pictures.f32() + first * 3 * side * side;
            part.shape = Shape{count, 3, side, side};
            MutView y = features;
            y.data = features.f32() + first * features.shape[1];
            y.shape = Shape{count, features.shape[1]};
            MutView rows = pooled;
            rows.shape = Shape{count, pooled.shape[1]};
            tower_->forward(context_.backend, part, rows);
            tower_->project(context_.backend, rows, y);
        }
        arena.rewind(mark);
    }

    void backward(ConstView) override {}

  private:
    const TowerContext& context_;
    ModelConfig config_;
    std::unique_ptr<VisionTower> tower_;
};

} // namespace

std::unique_ptr<TrainedVisionTower> make_trained_vision_tower(const TowerContext& context,
                                                              const ModelConfig& config) {
    const auto& all = context.parameters.all();
    const bool locked = std::none_of(all.begin(), all.end(), [](const ParameterInfo& info) {
        return info.trained && info.name.starts_with("visual.");
    });
    if (locked)
        return std::make_unique<LockedVisionTower>(context, config);
    if (config.vision.vit)
        return std::make_unique<TrainedVit>(context, config);
    return std::make_unique<TrainedResnet>(context, config);
}

std::unique_ptr<TrainedTextTower> make_trained_text_tower(const TowerContext& context,
                                                          const ModelConfig& config) {
    return std::make_unique<TrainedText>(context, config);
}

} // namespace clip::trainer
