// SPDX-License-Identifier: MIT
#include "model/vision_tower.hpp"

#include "model/modified_resnet.hpp"
#include "model/vision_transformer.hpp"

namespace clip {

std::unique_ptr<VisionTower> make_vision_tower(Backend& backend, const ParameterSource& parameters,
                                               const ModelConfig& config, DType storage) {
    const ParameterScope scope(parameters, "visual.");
    if (config.vision.vit)
        return std::make_unique<VisionTransformer>(backend, scope, config, storage);
    return std::make_unique<ModifiedResnet>(backend, scope, config, storage);
}

} // namespace clip
