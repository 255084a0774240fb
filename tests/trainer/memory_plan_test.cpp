// SPDX-License-Identifier: MIT
// What --dry-run says of memory against what the arena has measured.
#include <doctest/doctest.h>

#include <algorithm>

#include "support/far_backend.hpp"
#include "trainer/memory_plan.hpp"
#include "trainer/tiny_run.hpp"
#include "trainer/tower_memory.hpp"
#include "trainer/trained_tower.hpp"

using namespace clip;
using namespace clip::trainer;
using clip::test::TinyOptions;
using clip::test::TinyRun;

namespace {

Communicator& alone() {
    static const std::unique_ptr<Communicator> local = make_local_communicator();
    return *local;
}

ModelConfig vit(std::int64_t layers, std::int64_t mlp_width) {
    ModelConfig config = test::tiny_config();
    config.vision.layers = config.text.layers = layers;
    config.vision.mlp_width = config.text.mlp_width = mlp_width;
    return config;
}

ModelConfig resnet(std::array<std::int64_t, 4> stages, std::int64_t width, std::int64_t side) {
    ModelConfig config = test::tiny_resnet_config();
    config.vision.stages = stages;
    config.vision.width = width;
    config.vision.image_size = side;
    return config;
}

/// Texts of equal length.
test::Pairs pairs_of(std::int64_t count, std::int64_t side, std::int32_t tokens) {
    test::Pairs pairs(count, "pictures", side);
    for (TokenizedText& text : pairs.texts) {
        std::vector<std::int32_t> ids;
        for (std::int32_t t = 2; t < tokens; ++t)
            ids.push_back(t);
        text = test::marked(ids);
    }
    return pairs;
}

/// What a tower takes from the arena, on top of something that is there already.
template <typename Forward, typename Backward>
TowerMemory measured(Arena& arena, const Forward& forward, const Backward& backward) {
    const std::int64_t below = arena.bytes();
    TowerMemory memory;
    forward(true);
    memory.kept = arena.bytes() - below;
    arena.reset_peak();
    backward();
    memory.backward = arena.peak_bytes() - memory.kept - below;
    REQUIRE(arena.bytes() == below);
    arena.reset_peak();
    forward(false);
    memory.forward = arena.peak_bytes() - below;
    REQUIRE(arena.bytes() == below);
    return memory;
}

void check_same(const TowerMemory& plan, const TowerMemory& measured) {
    CHECK(plan.kept == measured.kept);
    CHECK(plan.backward == measured.backward);
    CHECK(plan.forward == measured.forward);
}

/// A backend to run on, and what products are computed in.
struct On {
    Backend& backend = test::backend("automatic", 1);
    DType storage = DType::f32;

    ArenaKind arena() const {
        return {.between = backend.activation_dtype(storage),
                .batch_factor = backend.batch_factor(),
                .alignment = Arena::alignment(backend.device().is_cpu())};
    }
};

/// `count` numbers where the backend's tensors are.
Tensor features_on(const On& on, std::int64_t count, std::int64_t dim) {
    Tensor features(Shape{count, dim}, DType::f32, on.backend.memory());
    on.backend.memory().clear(features.view().data, features.bytes());
    return features;
}

void check_pictures(const ModelConfig& config, std::int64_t count, bool frugal, const On& on = {}) {
    CAPTURE(count);
    CAPTURE(frugal);
    CAPTURE(dtype_name(on.storage));
    TinyRun run({.config = config, .frugal = frugal, .locked = {}, .storage = on.storage},
                on.backend, alone());
    run.arena().take(Shape{3});
    const auto tower = make_trained_vision_tower(run.context(), config);
    const test::Pairs pairs(count, "pictures", config.vision.image_size);
    Tensor pictures(pairs.pictures().shape, DType::f32, on.backend.memory());
    on.backend.memory().upload(pictures.view().data, pairs.pixels.data(), pictures.bytes());
    Tensor features = features_on(on, count, config.embed_dim);
    check_same(vision_memory(config, count, frugal, on.arena()),
               measured(
                   run.arena(),
                   [&](bool keep) { tower->forward(pictures.view(), features.view(), keep); },
                   [&] { tower->backward(features.view()); }));
}

void check_texts(const ModelConfig& config, std::int64_t count, std::int32_t tokens, bool frugal,
                 const On& on = {}) {
    CAPTURE(count);
    CAPTURE(tokens);
    CAPTURE(frugal);
    CAPTURE(dtype_name(on.storage));
    TinyRun run({.config = config, .frugal = frugal, .locked = {}, .storage = on.storage},
                on.backend, alone());
    run.arena().take(Shape{3});
    const auto tower = make_trained_text_tower(run.context(), config);
    const test::Pairs pairs = pairs_of(count, 1, tokens);
    std::vector<std::span<const std::int32_t>> texts;
    for (const TokenizedText& text : pairs.texts)
        texts.emplace_back(text.ids);
    Tensor features = features_on(on, count, config.embed_dim);
    check_same(text_memory(config, count, tokens, frugal, on.arena()),
               measured(
                   run.arena(), [&](bool keep) { tower->forward(texts, features.view(), keep); },
                   [&] { tower->backward(features.view()); }));
}

/// What plan_training() adds for the loss.
std::uint64_t loss_bytes(std::uint64_t rows, std::uint64_t dim) {
    return 2 * 4 * (4 * rows * dim + 4 * rows);
}

} // namespace

TEST_CASE("memory: a ViT takes from the arena what was worked out") {
    for (const ModelConfig& config : {vit(1, 32), vit(2, 32), vit(4, 80), vit(3, 24)})
        for (const std::int64_t count : {1, 7, 320, 321, 700}) // 320 pictures are a part
            for (const bool frugal : {false, true})
                check_pictures(config, count, frugal);
}

TEST_CASE("memory: a text tower takes from the arena what was worked out") {
    for (const ModelConfig& config : {vit(1, 32), vit(2, 32), vit(4, 80), vit(3, 24)})
        for (const std::int32_t tokens : {2, 7, 10})
            for (const std::int64_t count : {1, 5, 229, 500})
                for (const bool frugal : {false, true})
                    check_texts(config, count, tokens, frugal);
}

TEST_CASE("memory: on a device, in larger parts and with 16 bits between layers") {
    ThreadPool pool(1);
    for (const DType storage : {DType::f32, DType::f16, DType::bf16})
        for (const std::int64_t factor : {1, 3}) {
            CAPTURE(factor);
            test::FarBackend far(pool, storage);
            far.batch = factor;
            const On on{far, storage};
            for (const bool frugal : {false, true})
                for (const ModelConfig& config : {vit(1, 32), vit(4, 80)}) {
                    for (const std::int64_t count : {7, 321})
                        check_pictures(config, count, frugal, on);
                    check_texts(config, 229, 7, frugal, on);
                }
            check_pictures(resnet({1, 2, 1, 1}, 4, 64), 2, false, on);
            check_pictures(resnet({1, 2, 1, 1}, 4, 64), 2, true, on);
        }
}

TEST_CASE("memory: a ResNet takes from the arena what was worked out") {
    for (const ModelConfig& config :
         {resnet({1, 1, 1, 1}, 4, 32), resnet({1, 2, 1, 1}, 4, 64), resnet({2, 1, 3, 2}, 8, 64),
          resnet({3, 2, 2, 1}, 4, 96), resnet({1, 1, 1, 3}, 16, 64)})
        for (const std::int64_t count : {2, 5})
            for (const bool frugal : {false, true})
                check_pictures(config, count, frugal);
}

TEST_CASE("memory: a step takes what the plan says") {
    struct Case {
        ModelConfig config;
        std::uint64_t rows;
    };
    const Case cases[] = {
        {vit(2, 32), 9}, {vit(3, 80), 800}, {resnet({1, 2, 1, 1}, 4, 64), 7}, {vit(1, 32), 641}};
    for (const Case& each : cases)
        for (const bool lock : {false, true})
            for (const bool frugal : {false, true})
                for (const std::size_t slices : {1U, 2U, 3U}) {
                    CAPTURE(each.rows);
                    CAPTURE(lock);
                    CAPTURE(frugal);
                    CAPTURE(slices);
                    Recipe recipe;
                    recipe.batch_size = each.rows;
                    recipe.slices = slices;
                    recipe.lock_image = lock;
                    const TrainingPlan plan =
                        plan_training(recipe, {.frugal = frugal}, each.config,
                                      {.pairs = 5000, .tokens_per_text = 6, .ranks = 1});
                    TinyRun run({.config = each.config,
                                 .frugal = frugal,
                                 .locked = locked_prefixes(recipe)},
                                test::backend("automatic", 1), alone());
                    const test::Pairs pairs = pairs_of(static_cast<std::int64_t>(each.rows),
                                                       each.config.vision.image_size, 6);
                    run.learner().learn(pairs.batch(), slices);
                    const auto peak = static_cast<std::uint64_t>(run.arena().peak_bytes());
                    CHECK(plan.activation_bytes ==
                          peak + loss_bytes(each.rows,
                                            static_cast<std::uint64_t>(each.config.embed_dim)));
                    CHECK(plan.parameters ==
                          static_cast<std::uint64_t>(run.parameters().count(false)));
                    CHECK(plan.trained == static_cast<std::uint64_t>(run.parameters().count(true)));
                    CHECK(plan.weight_bytes == 4 * plan.parameters);
                    CHECK(plan.gradient_bytes == 4 * plan.trained);
                    CHECK(plan.optimizer_bytes == 8 * plan.trained);
                    CHECK(plan.steps_per_epoch == 5000 / each.rows);
                    CHECK(plan.steps == 32 * plan.steps_per_epoch);
                }
}

TEST_CASE("memory: a step of a predictive objective takes what the plan says") {
    ModelConfig wordy = vit(2, 32); // more logits than anything else
    wordy.text.vocab_size = 3000;
    for (const Objective objective : {Objective::bag_of_words, Objective::caption})
        for (const ModelConfig& config :
             {vit(2, 32), vit(3, 80), wordy, resnet({1, 2, 1, 1}, 4, 64)})
            for (const bool frugal : {false, true})
                for (const std::size_t slices : {1U, 2U}) {
                    const std::uint64_t rows = config.vision.vit ? 700 : 7;
                    CAPTURE(objective_name(objective));
                    CAPTURE(frugal);
                    CAPTURE(slices);
                    Recipe recipe;
                    recipe.batch_size = rows;
                    recipe.slices = slices;
                    recipe.objective.objective = objective;
                    const TrainingPlan plan =
                        plan_training(recipe, {.frugal = frugal}, config,
                                      {.pairs = 5000, .tokens_per_text = 6, .ranks = 1});
                    TinyRun run({.objective = recipe.objective,
                                 .config = config,
                                 .frugal = frugal,
                                 .locked = {}},
                                test::backend("automatic", 1), alone());
                    run.learner().learn(
                        pairs_of(static_cast<std::int64_t>(rows), config.vision.image_size, 6)
                            .batch(),
                        slices);
                    CHECK(plan.activation_bytes ==
                          static_cast<std::uint64_t>(run.arena().peak_bytes()));
                }
}

TEST_CASE("memory: parameters of every objective are counted") {
    for (const Objective objective :
         {Objective::contrastive, Objective::bag_of_words, Objective::caption, Objective::siglip})
        for (const bool lock : {false, true}) {
            CAPTURE(objective_name(objective));
            Recipe recipe;
            recipe.objective.objective = objective;
            recipe.lock_image = lock;
            recipe.average = 0.99;
            const ModelConfig config = test::tiny_config();
            const TrainingPlan plan = plan_training(recipe, {}, config, {.pairs = 100000});
            const Parameters parameters(config, extra_parameters(config, recipe.objective),
                                        locked_prefixes(recipe));
            CHECK(plan.parameters == static_cast<std::uint64_t>(parameters.count(false)));
            CHECK(plan.trained == static_cast<std::uint64_t>(parameters.count(true)));
            CHECK(plan.weight_bytes == 8 * plan.parameters);
            CHECK(plan.total() == plan.weight_bytes + plan.gradient_bytes + plan.optimizer_bytes +
                                      plan.packed_bytes + plan.activation_bytes + plan.input_bytes);
        }
}

TEST_CASE("memory: more ranks have fewer rows each, and frugal runs keep no packed weights") {
    const ModelConfig config = test::tiny_config();
    Recipe recipe;
    recipe.batch_size = 1000;
    const RunSettings settings{.ahead = 3};
    const TrainingPlan one = plan_training(recipe, settings, config, {.pairs = 4000});
    const TrainingPlan three = plan_training(recipe, settings, config, {.pairs = 4000, .ranks = 3});
    CHECK(one.input_bytes == std::uint64_t{4} * 1000 * 3 * 8 * 8 * 4);
    CHECK(three.input_bytes == std::uint64_t{4} * 334 * 3 * 8 * 8 * 4);
    CHECK(three.activation_bytes < one.activation_bytes / 2);
    CHECK(one.packed_bytes > 0);
    CHECK(one.packed_bytes < one.weight_bytes);
    CHECK(plan_training(recipe, {.frugal = true}, config, {.pairs = 4000}).packed_bytes == 0);
}
