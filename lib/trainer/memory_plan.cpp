// SPDX-License-Identifier: MIT
#include "trainer/memory_plan.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "backend/cuda/cuda_options.hpp"
#include "backend/cuda/workspace_plan.hpp"
#include "model/weights.hpp"
#include "trainer/learner.hpp"
#include "trainer/trained_transformer.hpp"
#include "trainer/trained_vit.hpp"
#include "trainer/vocabulary_softmax.hpp"

namespace clip::trainer {

namespace {

/// The most that a slice has in the arena. Pictures' activations lie below those of texts.
std::int64_t arena_bytes(const TowerMemory& pictures, const TowerMemory& texts) {
    return std::max({pictures.kept + texts.kept + texts.backward, pictures.kept + pictures.backward,
                     pictures.forward, texts.forward});
}

/// The same where captions are predicted from the features of `count` pictures, which lie below.
std::int64_t predictive_bytes(const ArenaKind& arena, const TowerMemory& pictures,
                              std::int64_t prediction, std::int64_t count, std::int64_t dim) {
    return 2 * arena.bytes(count * dim) + pictures.kept + std::max(prediction, pictures.backward);
}

/// Vectors and their gradients of both sides, for the loss.
std::int64_t loss_bytes(std::int64_t rows, std::int64_t all_rows, std::int64_t dim) {
    return 2 * 4 * (3 * rows * dim + all_rows * dim + 3 * rows + all_rows);
}

/// A step of `rows` rows of this rank, in slices of up to `of_slice`.
std::int64_t activation_bytes(const Recipe& recipe, bool frugal, const ModelConfig& config,
                              double tokens_per_text, std::int64_t rows, std::int64_t of_slice,
                              const ArenaKind& arena) {
    const TowerMemory pictures =
        recipe.lock_image ? TowerMemory{} : vision_memory(config, of_slice, frugal, arena);
    const std::int64_t dim = config.embed_dim;
    switch (recipe.objective.objective) {
    case Objective::bag_of_words:
        return predictive_bytes(arena, pictures, logits_memory(config, of_slice, arena), of_slice,
                                dim);
    case Objective::caption:
        return predictive_bytes(arena, pictures,
                                caption_memory(config, of_slice, tokens_per_text, frugal, arena),
                                of_slice, dim);
    case Objective::contrastive:
    case Objective::siglip:
        break;
    }
    const TowerMemory texts = text_memory(config, of_slice, tokens_per_text, frugal, arena);
    return arena_bytes(pictures, texts) +
           loss_bytes(rows, static_cast<std::int64_t>(recipe.batch_size), dim);
}

/// The most that a backward product of a stack of blocks takes from a GPU's workspace.
std::int64_t block_workspace(std::int64_t rows, std::int64_t width, std::int64_t mlp_width,
                             DType type) {
    using cuda::linear_backward_bytes;
    // What comes from the residual stream is float32.
    return std::max({linear_backward_bytes(rows, 3 * width, width, type, type, type),
                     linear_backward_bytes(rows, width, width, DType::f32, type, type),
                     linear_backward_bytes(rows, mlp_width, width, type, type, type),
                     linear_backward_bytes(rows, width, mlp_width, DType::f32, type, type)});
}

std::int64_t gpu_workspace(const Recipe& recipe, const ModelConfig& config, double tokens_per_text,
                           std::int64_t of_slice, const ArenaKind& arena) {
    const DType type = arena.between;
    const std::int64_t most = kRowsOfPart * arena.batch_factor;
    std::int64_t bytes = 0;
    const VisionConfig& vision = config.vision;
    if (vision.vit && !recipe.lock_image) {
        const std::int64_t tokens = vision.positions();
        const std::int64_t pictures = std::min(of_slice, pictures_of_part(tokens, most));
        bytes = std::max(
            block_workspace(pictures * tokens, vision.width, vision.mlp_width, type),
            cuda::patch_embedding_backward_bytes(pictures, vision.image_size / vision.patch_size,
                                                 vision.patch_size, vision.width, type));
    }
    if (recipe.objective.objective != Objective::bag_of_words) {
        const auto tokens = std::max<std::int64_t>(1, std::llround(tokens_per_text));
        const std::int64_t texts = std::min(of_slice, std::max<std::int64_t>(1, most / tokens));
        bytes = std::max(
            bytes, block_workspace(texts * tokens, config.text.width, config.text.mlp_width, type));
    }
    if (scores_are_likelihoods(recipe.objective.objective)) {
        const bool bag = recipe.objective.objective == Objective::bag_of_words;
        const std::int64_t rows =
            std::min(kRowsOfLogits * kMostRowsOfLogits,
                     bag ? of_slice : std::numeric_limits<std::int64_t>::max());
        bytes =
            std::max(bytes, cuda::linear_backward_bytes(rows, config.text.vocab_size,
                                                        bag ? config.embed_dim : config.text.width,
                                                        DType::f32, DType::f32, type));
    }
    return bytes;
}

} // namespace

ArenaKind planned_arena(Device device, DType precision) {
    if (device.is_cpu())
        return {};
    return {.between = precision,
            .batch_factor = kCudaBatchFactor,
            .alignment = Arena::alignment(false)};
}

TrainingPlan plan_training(const Recipe& recipe, const RunSettings& settings,
                           const ModelConfig& config, const PlannedData& data, Device device) {
    TrainingPlan plan;
    const ArenaKind arena = planned_arena(device, recipe.precision);
    plan.on_device = !device.is_cpu();
    const std::vector<std::string> locked = locked_prefixes(recipe);
    const auto is_locked = [&](const std::string& name) {
        return is_running_statistic(name) ||
               std::any_of(locked.begin(), locked.end(),
                           [&](const std::string& prefix) { return name.starts_with(prefix); });
    };
    std::uint64_t matrices = 0;
    const auto add = [&](const std::string& name, const Shape& shape) {
        const auto count = static_cast<std::uint64_t>(shape.numel());
        plan.parameters += count;
        plan.trained += is_locked(name) ? 0 : count;
        if (shape.rank() >= 2 && name != "token_embedding.weight" &&
            !name.ends_with("positional_embedding"))
            matrices += count;
    };
    for (const WeightSpec& spec : weight_specs(config))
        add(spec.name, spec.shape);
    for (const ExtraParameter& extra : extra_parameters(config, recipe.objective))
        add(extra.name, extra.shape);
    plan.steps_per_epoch = recipe.batch_size == 0 ? 0 : data.pairs / recipe.batch_size;
    plan.steps = plan.steps_per_epoch * recipe.epochs;
    plan.weight_bytes = 4 * plan.parameters * (recipe.average > 0 ? 2 : 1);
    plan.gradient_bytes = 4 * plan.trained;
    plan.optimizer_bytes = 8 * plan.trained;
    plan.packed_bytes = settings.frugal ? 0 : dtype_size(arena.between) * matrices;

    const auto rows =
        static_cast<std::int64_t>((recipe.batch_size + static_cast<std::uint64_t>(data.ranks) - 1) /
                                  static_cast<std::uint64_t>(data.ranks));
    const auto slices = static_cast<std::int64_t>(recipe.slices);
    const std::int64_t of_slice = (rows + slices - 1) / slices;
    plan.activation_bytes = static_cast<std::uint64_t>(activation_bytes(
        recipe, settings.frugal, config, data.tokens_per_text, rows, of_slice, arena));
    const std::int64_t side = config.vision.image_size, picture = 3 * side * side * 4;
    plan.input_bytes = static_cast<std::uint64_t>(rows * picture) * (settings.ahead + 1);
    if (plan.on_device) {
        plan.picture_bytes = static_cast<std::uint64_t>(of_slice * picture);
        plan.workspace_bytes = static_cast<std::uint64_t>(
            gpu_workspace(recipe, config, data.tokens_per_text, of_slice, arena));
    }
    return plan;
}

} // namespace clip::trainer
