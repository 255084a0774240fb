// SPDX-License-Identifier: MIT
#include "trainer/tower_memory.hpp"

#include <algorithm>
#include <cmath>

#include "trainer/trained_transformer.hpp"
#include "trainer/trained_vit.hpp"
#include "trainer/vocabulary_softmax.hpp"

namespace clip::trainer {

namespace {

constexpr auto kSegment = static_cast<std::int64_t>(kBlocksOfSegment);

/// A stack of blocks over `rows` rows of `sequences` sequences.
struct Stack {
    const ArenaKind& arena;
    std::int64_t width, mlp_width, heads, layers;
    std::int64_t rows, sequences;
    bool pooled_last = true;

    std::int64_t results(bool last) const { return last ? sequences : rows; }
    std::int64_t qkv_width(bool last) const { return (last ? 2 : 3) * width; }

    /// TrainedBlock::compute()
    std::int64_t block(bool last) const {
        const std::int64_t q = results(last);
        std::int64_t sum = 2 * arena.bytes(rows) + arena.bytes_between(rows * width) +
                           arena.bytes_between(rows * qkv_width(last));
        if (last)
            sum += 2 * arena.bytes_between(q * width) + arena.bytes(q * width);
        return sum + 2 * arena.bytes_between(q * width) + arena.bytes(q * width) +
               arena.bytes(q * heads) + 2 * arena.bytes(q) + 2 * arena.bytes_between(q * mlp_width);
    }
    /// TrainedBlock::backward(), without what compute() takes
    std::int64_t block_backward(bool last) const {
        const std::int64_t q = results(last);
        return arena.bytes_between(rows * width) +
               arena.bytes_between(std::max(q * mlp_width, rows * qkv_width(last))) +
               (last ? 2 * arena.bytes_between(q * width) : 0);
    }
    bool is_last(std::int64_t block) const { return pooled_last && block + 1 == layers; }
    /// TrainedTransformer::keep() of blocks [first, end), with or without their last result.
    std::int64_t blocks(std::int64_t first, std::int64_t end) const {
        std::int64_t sum = (end - first - 1) * arena.bytes(rows * width);
        for (std::int64_t i = first; i < end; ++i)
            sum += block(is_last(i));
        return sum;
    }
    /// TrainedTransformer::backward()
    std::int64_t most(bool frugal) const {
        const std::int64_t step = frugal ? kSegment : layers;
        std::int64_t most = 0;
        for (std::int64_t first = 0; first < layers; first += step) {
            const std::int64_t end = std::min(first + step, layers);
            const std::int64_t again = frugal ? blocks(first, end) : 0;
            for (std::int64_t i = first; i < end; ++i)
                most = std::max(most, again + block_backward(is_last(i)));
        }
        return most;
    }

    /// Between forward and backward.
    std::int64_t kept(bool frugal) const {
        return frugal ? (layers - 1) / kSegment * arena.bytes(rows * width) : blocks(0, layers);
    }
    /// Of a forward that keeps nothing.
    std::int64_t passing() const {
        const std::int64_t block_bytes =
            layers > 1 ? std::max(block(false), block(true)) : block(true);
        return std::min<std::int64_t>(layers - 1, 2) * arena.bytes(rows * width) + block_bytes;
    }
};

/// Norm, pooled rows and their norm: what both towers keep around their blocks.
std::int64_t pooled_bytes(const ArenaKind& arena, std::int64_t sequences, std::int64_t width) {
    return 2 * arena.bytes(sequences * width) + 2 * arena.bytes(sequences);
}

std::int64_t tokens_of_text(const ModelConfig& config, double tokens_per_text) {
    return std::clamp<std::int64_t>(std::llround(tokens_per_text), 1, config.text.context_length);
}

void add_part(TowerMemory& memory, const Stack& stack, std::int64_t around, std::int64_t after,
              bool frugal) {
    const std::int64_t x = stack.arena.bytes(stack.rows * stack.width);
    const std::int64_t pooled = stack.arena.bytes(stack.sequences * stack.width);
    memory.kept += around + stack.kept(frugal);
    memory.backward =
        std::max(memory.backward, 2 * pooled + x + std::max(stack.most(frugal), after));
    memory.forward = std::max(memory.forward, around + stack.passing());
}

} // namespace

TowerMemory vision_memory(const ModelConfig& config, std::int64_t pictures, bool frugal,
                          const ArenaKind& arena) {
    if (!config.vision.vit)
        return resnet_memory(config, pictures, frugal, arena);
    const VisionConfig& vision = config.vision;
    const std::int64_t tokens = vision.positions();
    const std::int64_t step = pictures_of_part(tokens, kRowsOfPart * arena.batch_factor);
    TowerMemory memory;
    for (std::int64_t first = 0; first < pictures; first += step) {
        const std::int64_t n = std::min(step, pictures - first), rows = n * tokens;
        const Stack stack{arena, vision.width, vision.mlp_width, vision.heads, vision.layers, rows,
                          n};
        const std::int64_t x = arena.bytes(rows * vision.width);
        add_part(memory, stack,
                 2 * x + 2 * arena.bytes(rows) + pooled_bytes(arena, n, vision.width), x, frugal);
    }
    return memory;
}

TowerMemory text_memory(const ModelConfig& config, std::int64_t texts, double tokens_per_text,
                        bool frugal, const ArenaKind& arena) {
    const TextConfig& text = config.text;
    const std::int64_t tokens = tokens_of_text(config, tokens_per_text);
    const std::int64_t step = std::max<std::int64_t>(1, kRowsOfPart * arena.batch_factor / tokens);
    TowerMemory memory;
    for (std::int64_t first = 0; first < texts; first += step) {
        const std::int64_t n = std::min(step, texts - first), rows = n * tokens;
        const Stack stack{arena, text.width, text.mlp_width, text.heads, text.layers, rows, n};
        add_part(memory, stack, arena.bytes(rows * text.width) + pooled_bytes(arena, n, text.width),
                 0, frugal);
    }
    return memory;
}

std::int64_t logits_memory(const ModelConfig& config, std::int64_t rows, const ArenaKind& arena) {
    const std::int64_t step = kRowsOfLogits * std::min(arena.batch_factor, kMostRowsOfLogits);
    // On a device losses are there before they are on the host, in float64.
    const std::int64_t losses = arena.is_on_host() ? 0 : arena.bytes(2 * rows);
    return losses + arena.bytes(std::min(step, rows) * config.text.vocab_size);
}

std::int64_t caption_memory(const ModelConfig& config, std::int64_t texts, double tokens_per_text,
                            bool frugal, const ArenaKind& arena) {
    const TextConfig& text = config.text;
    const std::int64_t length = tokens_of_text(config, tokens_per_text);
    const std::int64_t step = std::max<std::int64_t>(1, kRowsOfPart * arena.batch_factor / length);
    // The first part is the largest, and each gives back what it took.
    const std::int64_t n = std::min(step, texts), rows = n * length, tokens = rows - n;
    const Stack stack{arena, text.width, text.mlp_width, text.heads, text.layers, rows, n, false};
    const std::int64_t x = arena.bytes(rows * text.width);
    const std::int64_t normed = arena.bytes(tokens * text.width);
    const std::int64_t around =
        arena.bytes(n * config.embed_dim) + 2 * x + 2 * normed + 2 * arena.bytes(tokens);
    const std::int64_t kept = stack.kept(frugal);
    const std::int64_t backward = std::max(stack.most(frugal), arena.bytes(n * text.width));
    return around + kept + normed +
           std::max(logits_memory(config, tokens, arena), normed + backward);
}

} // namespace clip::trainer
