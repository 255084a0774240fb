// SPDX-License-Identifier: MIT
// What a CLIP model is, apart from its weights. Knows nothing of files.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "base/activation.hpp"

namespace clip {

/// The picture tower: a ViT (Dosovitskiy et al. 2021) or CLIP's own ResNet.
struct VisionConfig {
    bool vit = true;
    std::int64_t image_size = 224; ///< pixels a side of the square input
    std::int64_t width = 768;      ///< ViT: D; ResNet: channels of the stem
    std::int64_t heads = 12;       ///< ViT: heads a block; ResNet: heads of the attention pool
    std::int64_t layers = 12;      ///< ViT: blocks
    std::int64_t patch_size = 32;  ///< ViT: pixels a side of a patch
    std::int64_t mlp_width = 3072; ///< ViT: M
    std::array<std::int64_t, 4> stages{};           ///< ResNet: bottlenecks a stage
    Activation activation = Activation::quick_gelu; ///< ViT: of the MLP

    /// Patches (ViT) or positions of the last feature map (ResNet) a side.
    std::int64_t grid() const { return vit ? image_size / patch_size : image_size / 32; }
    /// Rows of the position embedding: the grid and the class token or mean token.
    std::int64_t positions() const { return grid() * grid() + 1; }
    /// Width of the penultimate vector: D, or 32 times the width of a ResNet.
    std::int64_t output_width() const { return vit ? width : width * 32; }
};

/// The text tower: a causal transformer.
struct TextConfig {
    std::int64_t context_length = 77; ///< tokens, the two marks included
    std::int64_t vocab_size = 49408;
    std::int64_t width = 512;
    std::int64_t heads = 8;
    std::int64_t layers = 12;
    std::int64_t mlp_width = 2048;
    Activation activation = Activation::quick_gelu;
};

struct ModelConfig {
    std::int64_t embed_dim = 512; ///< E
    VisionConfig vision;
    TextConfig text;
    float layer_norm_eps = 1e-5F;

    /// Where the activation was read from, such as "config.json", or "assumed: ...".
    std::string activation_source;
    bool activation_assumed = false;

    /// Per channel, of pixels in 0..1.
    std::array<float, 3> mean{0.48145466F, 0.4578275F, 0.40821073F};
    std::array<float, 3> std{0.26862954F, 0.26130258F, 0.27577711F};

    /// "ViT-B-32", "RN50x4", "ViT-L-14-336", ... for the nine published architectures, else a
    /// description such as "ViT-w64-l2-p8-i32" or "RN-w16-l1.2.1.1-i64". Letters, digits, '-', '.'.
    std::string name() const;
};

} // namespace clip
