// SPDX-License-Identifier: MIT
// How much of the arena the towers take: the same sums that they make while they run, without
// running. tests/trainer/memory_plan_test.cpp compares the two.
#pragma once

#include <cstdint>

#include "model/config.hpp"

namespace clip::trainer {

/// Bytes of the arena for one slice of a batch.
struct TowerMemory {
    std::int64_t kept = 0;     ///< from forward() until backward()
    std::int64_t backward = 0; ///< on top of that, at the peak of backward()
    std::int64_t forward = 0;  ///< at the peak of a forward() that keeps nothing
};

/// Bytes that Arena::take() counts for so many floats.
constexpr std::int64_t arena_bytes_of(std::int64_t floats) {
    return (floats * 4 + 63) / 64 * 64;
}

TowerMemory vision_memory(const ModelConfig& config, std::int64_t pictures, bool frugal);
/// Texts of equal length.
TowerMemory text_memory(const ModelConfig& config, std::int64_t texts, double tokens_per_text,
                        bool frugal);
/// The peak of CaptionDecoder::learn() over texts of equal length.
std::int64_t caption_memory(const ModelConfig& config, std::int64_t texts, double tokens_per_text,
                            bool frugal);
/// VocabularySoftmax's, of so many rows.
std::int64_t logits_memory(const ModelConfig& config, std::int64_t rows);
/// ModifiedResnet's.
TowerMemory resnet_memory(const ModelConfig& config, std::int64_t pictures, bool frugal);

} // namespace clip::trainer
