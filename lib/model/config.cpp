// SPDX-License-Identifier: MIT
#include "model/config.hpp"

#include <string_view>

#include "base/concat.hpp"

namespace clip {

namespace {

/// Radford et al. 2021, tables 19 and 20.
struct Published {
    std::string_view name;
    std::int64_t embed_dim, image_size, width;
    std::int64_t layers, patch_size;    // ViT
    std::array<std::int64_t, 4> stages; // ResNet
    std::int64_t text_width;
};

constexpr std::array<Published, 9> kPublished{{
    {"RN50", 1024, 224, 64, 0, 0, {3, 4, 6, 3}, 512},
    {"RN101", 512, 224, 64, 0, 0, {3, 4, 23, 3}, 512},
    {"RN50x4", 640, 288, 80, 0, 0, {4, 6, 10, 6}, 640},
    {"RN50x16", 768, 384, 96, 0, 0, {6, 8, 18, 8}, 768},
    {"RN50x64", 1024, 448, 128, 0, 0, {3, 15, 36, 10}, 1024},
    {"ViT-B-32", 512, 224, 768, 12, 32, {}, 512},
    {"ViT-B-16", 512, 224, 768, 12, 16, {}, 512},
    {"ViT-L-14", 768, 224, 1024, 24, 14, {}, 768},
    {"ViT-L-14-336", 768, 336, 1024, 24, 14, {}, 768},
}};

constexpr std::int64_t kHeadWidth = 64;

bool matches(const Published& model, const ModelConfig& config) {
    const VisionConfig& vision = config.vision;
    const TextConfig& text = config.text;
    const bool same_tower = vision.vit ? vision.layers == model.layers &&
                                             vision.patch_size == model.patch_size &&
                                             vision.mlp_width == 4 * model.width
                                       : model.layers == 0 && vision.stages == model.stages;
    return same_tower && config.embed_dim == model.embed_dim &&
           vision.image_size == model.image_size && vision.width == model.width &&
           vision.heads * kHeadWidth == vision.output_width() && text.width == model.text_width &&
           text.heads * kHeadWidth == text.width && text.layers == 12 &&
           text.mlp_width == 4 * text.width && text.context_length == 77 &&
           text.vocab_size == 49408;
}

} // namespace

std::string ModelConfig::name() const {
    for (const Published& model : kPublished)
        if (matches(model, *this))
            return std::string(model.name);
    if (vision.vit)
        return concat("ViT-w", vision.width, "-l", vision.layers, "-p", vision.patch_size, "-i",
                      vision.image_size);
    return concat("RN-w", vision.width, "-l", vision.stages[0], ".", vision.stages[1], ".",
                  vision.stages[2], ".", vision.stages[3], "-i", vision.image_size);
}

} // namespace clip
