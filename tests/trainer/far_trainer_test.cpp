// SPDX-License-Identifier: MIT
// Training on memory that the host cannot touch gives the reference's bits.
#include <doctest/doctest.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "base/concat.hpp"
#include "io/temp_folder.hpp"
#include "support/far_backend.hpp"
#include "trainer/drawn_pairs.hpp"
#include "trainer/thread_ranks.hpp"
#include "trainer/tiny_run.hpp"
#include "trainer/training_run.hpp"

using namespace clip;
using namespace clip::trainer;
using clip::test::FarBackend;
using clip::test::Pairs;
using clip::test::TinyOptions;
using clip::test::TinyRun;
using clip_test::DrawnPairs;
using clip_test::read_file;

namespace {

/// What a learner gives: gradients of two batches added up, losses, scores.
struct Given {
    std::vector<float> grads, weights, scores;
    std::vector<double> losses;
    bool operator==(const Given&) const = default;
};

Pairs some_pairs(std::int64_t side) {
    Pairs pairs(7, "pictures", side);
    pairs.texts[4] = pairs.texts[2]; // captions that match
    return pairs;
}

Given give(const TinyOptions& options, Backend& backend, Communicator& ranks, std::size_t slices,
           float loss_scale = 1) {
    TinyRun run(options, backend, ranks);
    const Pairs pairs = some_pairs(options.config.vision.image_size);
    LearnerBatch batch = pairs.of_rank(static_cast<std::size_t>(ranks.rank()),
                                       static_cast<std::size_t>(ranks.size()));
    batch.loss_scale = loss_scale;
    Given given;
    run.parameters().zero_grads();
    for (int i = 0; i < 2; ++i) {
        given.losses.push_back(run.learner().learn(batch, slices));
        run.learner().clip_parameters();
        run.learner().refresh();
    }
    given.grads = run.block(Block::grads);
    given.weights = run.block(Block::weights); // batch norms' running statistics have moved
    given.losses.push_back(run.learner().evaluate(pairs.batch()));
    given.scores.resize(7 * 3);
    run.learner().score(pairs.pictures(), std::span(pairs.texts).first(3),
                        {given.scores.data(), Shape{7, 3}, DType::f32, Device{}});
    return given;
}

const ObjectiveSettings kObjectives[] = {
    {Objective::contrastive, 0, false},  {Objective::contrastive, 0.1F, true},
    {Objective::siglip, 0, false},       {Objective::siglip, 0, true},
    {Objective::bag_of_words, 0, false}, {Objective::caption, 0, false}};

struct RunOf {
    RunResult result;
    std::vector<StepRecord> steps;
    std::vector<ValidationRecord> validations;
    std::string state, model;
};

Recipe small_recipe() {
    Recipe recipe;
    recipe.epochs = 2;
    recipe.batch_size = 4;
    recipe.learning_rate = 2e-3;
    recipe.warmup = 2;
    recipe.grad_clip = 0.5;
    recipe.average = 0.9;
    recipe.slices = 2;
    return recipe;
}

RunOf run(const ModelConfig& tiny, const Recipe& recipe, Backend& backend, const std::string& path,
          RunSettings settings = {}) {
    static const Tokenizer tokenizer = clip_test::tokenizer();
    ModelConfig config = tiny;
    config.text.vocab_size = tokenizer.vocab_size();
    config.text.context_length = 16;
    config.vision.activation = config.text.activation; // a checkpoint has one
    const DrawnPairs pairs(13), held_out(6);
    const std::unique_ptr<Communicator> alone = make_local_communicator();
    RunOf out;
    const train::SampleOptions sample;
    RunFolder folder(path, RunMode::resume);
    RunInputs inputs{.config = config,
                     .pairs = pairs,
                     .validation = &held_out,
                     .tokenizer = tokenizer,
                     .sample = sample,
                     .ranks = *alone,
                     .backend = backend,
                     .folder = &folder,
                     .settings = {{"data", "drawn"}},
                     .beside = {},
                     .init = {}};
    inputs.on_step = [&](const StepRecord& record) { out.steps.push_back(record); };
    inputs.on_validation = [&](const ValidationRecord& record) {
        out.validations.push_back(record);
    };
    out.result = trainer::train(recipe, settings, inputs);
    out.state = read_file(path + "/state");
    if (!out.result.model_id.empty())
        out.model = read_file(path + "/model/open_clip_model.safetensors");
    return out;
}

} // namespace

TEST_CASE("far: gradients of every objective and both towers are the reference's, to the bit") {
    ThreadPool pool(2);
    RefBackend ref(pool);
    const std::unique_ptr<Communicator> alone = make_local_communicator();
    for (const ObjectiveSettings& objective : kObjectives)
        for (const ModelConfig* config : {&test::tiny_config(), &test::tiny_resnet_config()})
            for (const bool frugal : {false, true})
                for (const std::size_t slices : {1, 3}) {
                    CAPTURE(objective_name(objective.objective));
                    CAPTURE(objective.equal_captions_match);
                    CAPTURE(config->vision.vit);
                    CAPTURE(frugal);
                    CAPTURE(slices);
                    const TinyOptions options{objective, *config, frugal, {}};
                    FarBackend far(pool);
                    const Given want = give(options, ref, *alone, slices);
                    CHECK(std::isfinite(want.losses[0]));
                    CHECK(give(options, far, *alone, slices) == want);
                    CHECK(far.memory().blocks() == 0);
                }
}

TEST_CASE("far: a locked picture tower, and ranks") {
    ThreadPool pool(1);
    RefBackend ref(pool);
    const TinyOptions locked{{}, test::tiny_config(), false, {"visual."}};
    const std::unique_ptr<Communicator> alone = make_local_communicator();
    FarBackend far(pool);
    CHECK(give(locked, far, *alone, 2) == give(locked, ref, *alone, 2));
    struct Case {
        ObjectiveSettings objective;
        const ModelConfig& config;
    };
    for (const Case& each : {Case{{Objective::contrastive, 0.1F, true}, test::tiny_config()},
                             Case{{Objective::contrastive, 0.1F, true}, test::tiny_resnet_config()},
                             Case{{Objective::bag_of_words, 0, false}, test::tiny_config()},
                             Case{{Objective::caption, 0, false}, test::tiny_config()}}) {
        const TinyOptions options{each.objective, each.config, false, {}};
        std::vector<Given> want(2), got(2);
        test::play_ranks(2, [&](std::size_t rank, Communicator& ranks, Backend& own) {
            want[rank] = give(options, own, ranks, 1);
        });
        test::play_ranks(2, [&](std::size_t rank, Communicator& ranks, Backend& own) {
            FarBackend there(own.pool());
            got[rank] = give(options, there, ranks, 1);
        });
        CHECK(got == want);
    }
}

TEST_CASE("far: the loss's scale multiplies gradients and nothing else") {
    ThreadPool pool(1);
    RefBackend ref(pool);
    const std::unique_ptr<Communicator> alone = make_local_communicator();
    for (const ObjectiveSettings& objective : kObjectives) {
        const TinyOptions options{objective, test::tiny_config(), false, {}};
        Given plain = give(options, ref, *alone, 1);
        const Given scaled = give(options, ref, *alone, 1, 1024);
        for (float& grad : plain.grads)
            grad *= 1024;
        CHECK(scaled == plain);
    }
}

TEST_CASE("far: a run, its state and its model are the reference's, also when it goes on") {
    ThreadPool pool(2);
    RefBackend ref(pool);
    struct Case {
        Objective objective;
        const ModelConfig& config;
    };
    for (const Case& each : {Case{Objective::contrastive, test::tiny_config()},
                             Case{Objective::contrastive, test::tiny_resnet_config()},
                             Case{Objective::bag_of_words, test::tiny_config()},
                             Case{Objective::caption, test::tiny_config()}}) {
        CAPTURE(objective_name(each.objective));
        clip_test::TempFolder folder;
        Recipe recipe = small_recipe();
        recipe.lock_image = false;
        recipe.objective.objective = each.objective;
        const ModelConfig* config = &each.config;
        FarBackend far(pool);
        const RunOf want = run(*config, recipe, ref, folder / "ref");
        const RunOf got = run(*config, recipe, far, folder / "far");
        CHECK(got.state == want.state);
        CHECK(got.model == want.model);
        CHECK(got.result.model_id == want.result.model_id);
        REQUIRE(got.validations.size() == want.validations.size());
        for (std::size_t i = 0; i < got.validations.size(); ++i) {
            CHECK(got.validations[i].loss == want.validations[i].loss);
            CHECK(got.validations[i].accuracy == want.validations[i].accuracy);
        }
        // Stopped on the host, gone on with on the device.
        (void)run(*config, recipe, ref, folder / "both", {.stop_after = 2});
        CHECK(run(*config, recipe, far, folder / "both").state == want.state);
        CHECK(far.memory().blocks() == 0);
    }
}

TEST_CASE("far: a scaled loss gives the same weights, and steps that overflow are left out") {
    ThreadPool pool(1);
    clip_test::TempFolder folder;
    Recipe recipe = small_recipe();
    recipe.precision = DType::f16;
    FarBackend plain(pool, DType::f16), scaled(pool, DType::f16), overflowing(pool, DType::f16);
    scaled.scales_loss = overflowing.scales_loss = true;
    // Gradients of 16 bits are another number where they vanish without a scale.
    plain.keeps_float32 = scaled.keeps_float32 = true;
    const RunOf want = run(test::tiny_config(), recipe, plain, folder / "plain");
    const RunOf got = run(test::tiny_config(), recipe, scaled, folder / "scaled");
    CHECK(got.model == want.model);
    REQUIRE(got.steps.size() == want.steps.size());
    CHECK(got.steps[0].grad_norm == want.steps[0].grad_norm);
    CHECK(got.steps[0].loss_scale == 65536);
    CHECK(want.steps[0].loss_scale == 0);

    overflowing.overflows = 2;
    const RunOf odd =
        run(test::tiny_config(), recipe, overflowing, folder / "odd", {.stop_after = 3});
    CHECK(odd.steps[0].grad_norm == 0);
    CHECK(odd.steps[0].logit_scale == odd.steps[1].logit_scale);
    CHECK(odd.steps[1].loss_scale == 32768);
    CHECK(odd.steps[2].loss_scale == 16384);
    CHECK(odd.steps[2].grad_norm > 0);
    CHECK(odd.steps[2].logit_scale != odd.steps[1].logit_scale);
    // The scale is in the state.
    CHECK(run(test::tiny_config(), recipe, overflowing, folder / "odd").steps[0].loss_scale ==
          16384);

    // Where nothing helps the run ends.
    overflowing.overflows = 100;
    recipe.epochs = 20;
    test::check_error(
        ErrorCode::bad_format,
        [&] { (void)run(test::tiny_config(), recipe, overflowing, folder / "never"); },
        "it overflows always");
}

TEST_CASE("far: a precision that the backend lacks is refused") {
    ThreadPool pool(1);
    RefBackend ref(pool);
    clip_test::TempFolder folder;
    Recipe recipe = small_recipe();
    recipe.precision = DType::bf16;
    test::check_error(
        ErrorCode::unsupported,
        [&] { (void)run(test::tiny_config(), recipe, ref, folder / "run"); }, "bf16 on the CPU");
}

TEST_CASE("far: a run with activations of 16 bits goes on to the same bytes, frugal or not") {
    ThreadPool pool(1);
    for (const DType precision : {DType::f16, DType::bf16}) {
        CAPTURE(dtype_name(precision));
        clip_test::TempFolder folder;
        Recipe recipe = small_recipe();
        recipe.precision = precision;
        FarBackend far(pool, precision);
        far.scales_loss = precision == DType::f16;
        const RunOf want = run(test::tiny_config(), recipe, far, folder / "whole");
        CHECK(want.result.model_id.size() > 0);
        (void)run(test::tiny_config(), recipe, far, folder / "both", {.stop_after = 3});
        CHECK(run(test::tiny_config(), recipe, far, folder / "both", {.frugal = true}).state ==
              want.state);
        // It is not what float32 gives, and near it.
        FarBackend plain(pool, precision);
        plain.keeps_float32 = true;
        const RunOf wide = run(test::tiny_config(), recipe, plain, folder / "wide");
        CHECK(want.model != wide.model);
        CHECK(std::abs(want.steps[0].loss - wide.steps[0].loss) < 0x1p-9 * wide.steps[0].loss);
        CHECK(far.memory().blocks() == 0);
    }
}
