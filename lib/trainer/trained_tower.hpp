// SPDX-License-Identifier: MIT
// The towers as training sees them: from inputs to features, and from the features' gradients to
// those of the parameters.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "model/config.hpp"
#include "trainer/layers.hpp"

namespace clip::trainer {

/// The picture tower.
///
/// forward() with `keep` leaves what backward() needs in the context's arena, on top of what is
/// there. Whatever was taken after that must have been given back before backward() is called,
/// which gives its own back: towers that kept something go backward in the reverse order.
class TrainedVisionTower {
  public:
    virtual ~TrainedVisionTower() = default;
    /// To be called whenever weights have changed.
    virtual void refresh() = 0;
    /// pictures (N, 3, S, S), to be left as they are until backward() -> features (N, E), not
    /// normalised. `features` is the caller's memory, not taken from the arena after this began.
    virtual void forward(ConstView pictures, MutView features, bool keep) = 0;
    /// grad_features (N, E) of the pictures of the last forward(keep); adds gradients.
    virtual void backward(ConstView grad_features) = 0;
};

/// The text tower, with the same conventions.
class TrainedTextTower {
  public:
    virtual ~TrainedTextTower() = default;
    virtual void refresh() = 0;
    /// texts (N), each cut behind its end mark -> features (N, E)
    virtual void forward(std::span<const std::span<const std::int32_t>> texts, MutView features,
                         bool keep) = 0;
    virtual void backward(ConstView grad_features) = 0;
};

/// The tower that `config` describes, from the parameters below "visual.". Where those are not
/// trained (--lock-image) it computes what inference computes, keeps nothing, and its backward()
/// does nothing; its weights are read at the first forward() and must stay what they are then.
std::unique_ptr<TrainedVisionTower> make_trained_vision_tower(const TowerContext& context,
                                                              const ModelConfig& config);
std::unique_ptr<TrainedTextTower> make_trained_text_tower(const TowerContext& context,
                                                          const ModelConfig& config);

} // namespace clip::trainer
