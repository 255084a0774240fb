// SPDX-License-Identifier: MIT
#include "model/vision_tower.hpp"

#include "model/modified_resnet.hpp"
#include "model/vision_transformer.hpp"

namespace clip {

void RepeatedForward::run(const ConstView& pictures, const MutView& pooled,
                          const std::function<void()>& body) {
    const std::int64_t count = pictures.shape[0];
    if (count > most_) {
        backend_.forget(owner_); // what grows now has another address
        most_ = count;
        body();
        return;
    }
    const auto address = [](const void* data) { return reinterpret_cast<std::uintptr_t>(data); };
    backend_.repeat({.owner = owner_,
                     .parts = {address(pictures.data), address(pooled.data),
                               static_cast<std::uintptr_t>(count)}},
                    body);
}

std::unique_ptr<VisionTower> make_vision_tower(Backend& backend, const ParameterSource& parameters,
                                               const ModelConfig& config, DType storage) {
    const ParameterScope scope(parameters, "visual.");
    if (config.vision.vit)
        return std::make_unique<VisionTransformer>(backend, scope, config, storage);
    return std::make_unique<ModifiedResnet>(backend, scope, config, storage);
}

} // namespace clip
