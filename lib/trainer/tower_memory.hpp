// SPDX-License-Identifier: MIT
// How much of the arena the towers take: the same sums that they make while they run, without
// running. tests/trainer/memory_plan_test.cpp compares the two.
#pragma once

#include <cstdint>

#include "model/config.hpp"
#include "tensor/arena.hpp"

namespace clip::trainer {

/// Bytes of the arena for one slice of a batch.
struct TowerMemory {
    std::int64_t kept = 0;     ///< from forward() until backward()
    std::int64_t backward = 0; ///< on top of that, at the peak of backward()
    std::int64_t forward = 0;  ///< at the peak of a forward() that keeps nothing
};

/// What a backend decides of the arena's bytes. As it is made, the CPU's.
struct ArenaKind {
    DType between = DType::f32;                      ///< TowerContext::between()
    std::int64_t batch_factor = 1;                   ///< Backend::batch_factor()
    std::int64_t alignment = Arena::alignment(true); ///< in the memory that it lies in

    bool is_on_host() const { return alignment == Arena::alignment(true); }
    /// What Arena::take() counts for so many elements.
    std::int64_t bytes(std::int64_t elements, DType dtype = DType::f32) const {
        const std::int64_t all = elements * static_cast<std::int64_t>(dtype_size(dtype));
        return (all + alignment - 1) / alignment * alignment;
    }
    /// The same of what ops inside of a block hand one another.
    std::int64_t bytes_between(std::int64_t elements) const { return bytes(elements, between); }
};

TowerMemory vision_memory(const ModelConfig& config, std::int64_t pictures, bool frugal,
                          const ArenaKind& arena = {});
/// Texts of equal length.
TowerMemory text_memory(const ModelConfig& config, std::int64_t texts, double tokens_per_text,
                        bool frugal, const ArenaKind& arena = {});
/// The peak of CaptionDecoder::learn() over texts of equal length.
std::int64_t caption_memory(const ModelConfig& config, std::int64_t texts, double tokens_per_text,
                            bool frugal, const ArenaKind& arena = {});
/// VocabularySoftmax's, of so many rows.
std::int64_t logits_memory(const ModelConfig& config, std::int64_t rows,
                           const ArenaKind& arena = {});
/// ModifiedResnet's.
TowerMemory resnet_memory(const ModelConfig& config, std::int64_t pictures, bool frugal,
                          const ArenaKind& arena = {});

} // namespace clip::trainer
