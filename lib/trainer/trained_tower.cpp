// SPDX-License-Identifier: MIT
#include "trainer/trained_tower.hpp"

#include <algorithm>

#include "trainer/picture_encoder.hpp"
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
        : encoder_(context, config) {}

    /// Steps do not change this tower's weights: what was packed stays.
    void refresh() override {}
    void forward(ConstView pictures, MutView features, bool) override {
        encoder_.encode(pictures, features);
    }
    void backward(ConstView) override {}

  private:
    PictureEncoder encoder_;
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
