// SPDX-License-Identifier: MIT
// Steps of training by the emulated device's kernels, against the CPU in float32.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "backend/cuda/cuda_backend.hpp"
#include "base/concat.hpp"
#include "trainer/memory_plan.hpp"
#include "trainer/tiny_run.hpp"
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

struct Gpu {
    explicit Gpu(DType compute) : backend(0, {.compute = compute}, pool) {}
    ThreadPool pool{1};
    cuda::CudaBackend backend;
};

/// More blocks than a segment of a frugal tower has, and an MLP that is no multiple of a tile.
const ModelConfig& four_blocks() {
    static const ModelConfig config = [] {
        ModelConfig made = test::tiny_config();
        made.vision.layers = made.text.layers = 4;
        made.vision.mlp_width = made.text.mlp_width = 72;
        return made;
    }();
    return config;
}

struct Learned {
    std::vector<float> grads;
    double loss = 0;
    std::int64_t peak = 0;
};

Learned learn(const TinyOptions& options, Backend& backend, std::size_t slices = 1) {
    TinyRun run(options, backend, alone());
    const test::Pairs pairs(7, "pictures", options.config.vision.image_size);
    LearnerBatch batch = pairs.batch();
    batch.loss_scale = backend.loss_scaling() ? 4096.0F : 1.0F;
    Learned learned;
    run.parameters().zero_grads();
    learned.loss = run.learner().learn(batch, slices);
    learned.grads = run.block(Block::grads);
    for (float& grad : learned.grads)
        grad /= batch.loss_scale;
    learned.peak = run.arena().peak_bytes();
    return learned;
}

/// |a - b| / |b|
double distance(const std::vector<float>& a, const std::vector<float>& b) {
    double apart = 0, length = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        apart += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
        length += double{b[i]} * b[i];
    }
    return std::sqrt(apart / length);
}

/// Gradients may be some roundings to 16 bits apart (2^-12 and 2^-9 at most, each): one for each
/// operand of the products on the way.
double bound(DType precision) {
    if (precision == DType::f32)
        return 1e-5;
    return 12 * (precision == DType::f16 ? 0x1p-12 : 0x1p-9);
}

} // namespace

TEST_CASE(
    "cuda training: loss and gradients are the CPU's in float32, by the precision's rounding") {
    for (const ModelConfig* config : {&four_blocks(), &test::tiny_resnet_config()}) {
        const Learned want = learn({{}, *config, false, {}}, test::backend("automatic", 1));
        for (const DType precision : {DType::f32, DType::f16, DType::bf16}) {
            CAPTURE(config->vision.vit);
            CAPTURE(dtype_name(precision));
            // Batch norms over the few places of this ResNet make much of little roundings.
            if (!config->vision.vit && precision != DType::f32)
                continue;
            Gpu gpu(precision);
            const Learned got = learn({{}, *config, false, {}, precision}, gpu.backend);
            CHECK(std::abs(got.loss - want.loss) < 1e-3);
            CHECK(distance(got.grads, want.grads) < bound(precision));
        }
    }
}

TEST_CASE("cuda training: captions are predicted by blocks of 16 bits, too") {
    const ObjectiveSettings caption{.objective = Objective::caption};
    const Learned want = learn({caption, four_blocks(), false, {}}, test::backend("automatic", 1));
    for (const DType precision : {DType::f16, DType::bf16}) {
        CAPTURE(dtype_name(precision));
        Gpu gpu(precision);
        const Learned got = learn({caption, four_blocks(), false, {}, precision}, gpu.backend);
        CHECK(std::abs(got.loss - want.loss) < 1e-3 * want.loss);
        CHECK(distance(got.grads, want.grads) < bound(precision));
        CHECK(learn({caption, four_blocks(), true, {}, precision}, gpu.backend).grads == got.grads);
    }
}

TEST_CASE("cuda training: activations that are computed again are the same bits, also in slices") {
    for (const DType precision : {DType::f16, DType::bf16}) {
        CAPTURE(dtype_name(precision));
        Gpu gpu(precision);
        const Learned kept = learn({{}, four_blocks(), false, {}, precision}, gpu.backend);
        const Learned again = learn({{}, four_blocks(), true, {}, precision}, gpu.backend);
        CHECK(again.grads == kept.grads);
        CHECK(again.loss == kept.loss);
        const Learned sliced = learn({{}, four_blocks(), false, {}, precision}, gpu.backend, 3);
        CHECK(sliced.loss == kept.loss);
        CHECK(distance(sliced.grads, kept.grads) < 1e-5);
        CHECK(learn({{}, four_blocks(), true, {}, precision}, gpu.backend, 3).grads ==
              sliced.grads);
    }
}

TEST_CASE("cuda training: the plan of a GPU is what its arena takes") {
    struct Kind {
        Objective objective;
        DType precision;
    };
    for (const auto [objective, precision] :
         {Kind{Objective::contrastive, DType::f32}, Kind{Objective::contrastive, DType::f16},
          Kind{Objective::contrastive, DType::bf16}, Kind{Objective::siglip, DType::f16},
          Kind{Objective::bag_of_words, DType::f16}, Kind{Objective::caption, DType::f32},
          Kind{Objective::caption, DType::bf16}})
        for (const bool frugal : {false, true}) {
            CAPTURE(objective_name(objective));
            CAPTURE(dtype_name(precision));
            CAPTURE(frugal);
            Gpu gpu(precision);
            const ModelConfig& config = four_blocks();
            Recipe recipe;
            recipe.batch_size = 8;
            recipe.precision = precision;
            recipe.objective.objective = objective;
            const TrainingPlan plan = plan_training(
                recipe, {.frugal = frugal}, config,
                {.pairs = 100, .tokens_per_text = 7, .ranks = 1}, gpu.backend.device());
            CHECK(plan.on_device);
            test::Pairs pairs(8);
            for (TokenizedText& text : pairs.texts)
                text = test::marked({1, 2, 3, 4, 5});
            TinyRun run({.objective = recipe.objective,
                         .config = config,
                         .frugal = frugal,
                         .locked = {},
                         .storage = precision},
                        gpu.backend, alone());
            run.learner().learn(pairs.batch(), 1);
            const auto loss = static_cast<std::uint64_t>(
                scores_are_likelihoods(objective) ? 0 : 2 * 4 * (4 * 8 * config.embed_dim + 4 * 8));
            CHECK(plan.activation_bytes ==
                  static_cast<std::uint64_t>(run.arena().peak_bytes()) + loss);
            CHECK(plan.picture_bytes == 8 * 3 * 8 * 8 * 4);
            CHECK(plan.total() == plan.weight_bytes + plan.gradient_bytes + plan.optimizer_bytes +
                                      plan.packed_bytes + plan.activation_bytes +
                                      plan.picture_bytes + plan.workspace_bytes);
        }
}

TEST_CASE("cuda training: the workspace that is planned is what backward products take") {
    ModelConfig config = four_blocks();
    config.vision.width = 64; // the widest of all, so that no other op takes more
    config.vision.mlp_width = 256;
    for (const DType precision : {DType::f32, DType::f16}) {
        CAPTURE(dtype_name(precision));
        Gpu gpu(precision);
        Recipe recipe;
        recipe.batch_size = 70;
        recipe.precision = precision;
        const TrainingPlan plan =
            plan_training(recipe, {}, config, {.pairs = 100, .tokens_per_text = 7, .ranks = 1},
                          gpu.backend.device());
        TinyRun run({.config = config, .locked = {}, .storage = precision}, gpu.backend, alone());
        const auto tower = make_trained_vision_tower(run.context(), config);
        const test::Pairs pairs(70);
        Tensor pictures(pairs.pictures().shape, DType::f32, gpu.backend.memory());
        gpu.backend.memory().upload(pictures.view().data, pairs.pixels.data(), pictures.bytes());
        Tensor features(Shape{70, config.embed_dim}, DType::f32, gpu.backend.memory());
        tower->forward(pictures.view(), features.view(), true);
        tower->backward(features.view());
        CHECK(plan.workspace_bytes == gpu.backend.context().workspace().peak_bytes());
    }
}
