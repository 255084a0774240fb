// SPDX-License-Identifier: MIT
// Architectures by name: those of the paper, and descriptions of others.
#pragma once

#include <string>
#include <string_view>

#include "model/config.hpp"

namespace clip {

/// The published architecture that `config` is, such as "ViT-B-32"; empty where it is none.
std::string_view published_name(const ModelConfig& config);

/// The configuration that a name stands for, with QuickGELU and a vocabulary of 49,408.
///
/// A published name: RN50, RN101, RN50x4, RN50x16, RN50x64, ViT-B-32, ViT-B-16, ViT-L-14,
/// ViT-L-14-336; also spelt as OpenAI does, "ViT-B/32" and "ViT-L/14@336px".
///
/// Or a description, of which ModelConfig::name() gives the first part:
///
///     ViT-w192-l12-p8-i64[-e128][+w128-l4-c32]
///     RN-w32-l1.1.1.1-i64[-e256][+w256-l4-c32]
///
/// Of the picture tower: width (a ResNet's: channels of its stem), layers (bottlenecks of each
/// stage), side of a patch, side of the picture; e is the width of the embeddings. After the plus
/// sign the text tower: width, layers, context. Parts of the text tower may be left out: its width
/// is then that of a published model in proportion (two thirds of a ViT's, eight times a ResNet's,
/// cut to a multiple of 64), its layers are as many as the ViT has, 12 at most (12 beside a
/// ResNet), and its context is 77. The embedding is as wide as the text tower. Heads are 64 wide.
///
/// Errors: invalid_argument (neither; sizes that do not go together).
ModelConfig architecture(std::string_view name);

/// In what two configurations differ, such as "vision width (64 and 128)", or nothing.
std::string config_difference(const ModelConfig& a, const ModelConfig& b);

} // namespace clip
