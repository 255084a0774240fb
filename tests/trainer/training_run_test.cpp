// SPDX-License-Identifier: MIT
// Whole runs: what they leave, stopped and gone on with, and what ends them.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>

#include "io/temp_folder.hpp"
#include "trainer/drawn_pairs.hpp"
#include "trainer/initialize.hpp"
#include "trainer/thread_ranks.hpp"
#include "trainer/tiny_run.hpp"
#include "trainer/training_run.hpp"

using namespace clip;
using namespace clip::trainer;
using clip_test::DrawnPairs;
using clip_test::read_file;

namespace {

const Tokenizer& tokenizer() {
    static const Tokenizer made = clip_test::tokenizer();
    return made;
}

ModelConfig run_config(bool vit) {
    ModelConfig config = vit ? test::tiny_config() : test::tiny_resnet_config();
    config.text.vocab_size = tokenizer().vocab_size();
    config.text.context_length = 16;
    config.vision.activation = config.text.activation; // a checkpoint has one
    return config;
}

/// Three epochs of three batches each; one pair is left over in every epoch.
Recipe small_recipe(Objective objective = Objective::contrastive) {
    Recipe recipe;
    recipe.epochs = 3;
    recipe.batch_size = 4;
    recipe.learning_rate = 2e-3;
    recipe.warmup = 2;
    recipe.seed = 5;
    recipe.objective.objective = objective;
    return recipe;
}

/// A place for a run, and calls of train() that go on in it.
struct Place {
    explicit Place(const ModelConfig& model, std::uint64_t count = 13)
        : config(model), pairs(count), held_out(6) {}

    RunResult run(const Recipe& recipe, RunSettings settings = {}, std::size_t threads = 1) {
        const std::unique_ptr<Communicator> alone = make_local_communicator();
        RunFolder opened(path(), RunMode::resume);
        return run(recipe, settings, test::backend("automatic", threads), *alone, &opened);
    }
    RunResult run(const Recipe& recipe, const RunSettings& settings, Backend& backend,
                  Communicator& ranks, RunFolder* opened) {
        RunInputs inputs{.config = config,
                         .pairs = pairs,
                         .validation = validates ? &held_out : nullptr,
                         .tokenizer = tokenizer(),
                         .sample = sample,
                         .ranks = ranks,
                         .backend = backend,
                         .folder = opened,
                         .settings = {{"data", "drawn"}},
                         .beside = {},
                         .init = init,
                         .stop = &stop};
        if (ranks.rank() == 0) {
            inputs.on_step = [this](const StepRecord& record) { steps.push_back(record); };
            inputs.on_validation = [this](const ValidationRecord& record) {
                validations.push_back(record);
            };
        }
        return trainer::train(recipe, settings, inputs);
    }
    std::string path() const { return folder / "run"; }
    std::string state() const { return read_file(path() + "/state"); }
    std::string model() const { return read_file(path() + "/model/open_clip_model.safetensors"); }

    /// What RUN/state holds.
    Parameters load(const Recipe& recipe) const {
        Parameters parameters(config, extra_parameters(config, recipe.objective),
                              locked_prefixes(recipe));
        std::vector<float> average(recipe.average > 0 ? parameters.weights().size() : 0);
        auto settings = recipe_settings(recipe);
        settings["data"] = "drawn";
        const MutView mean{average.data(), Shape{std::ssize(average)}};
        RunFolder(path(), RunMode::follow)
            .load(parameters, average.empty() ? MutView{} : mean, settings);
        return parameters;
    }

    clip_test::TempFolder folder;
    ModelConfig config;
    DrawnPairs pairs, held_out;
    train::SampleOptions sample;
    bool validates = false;
    std::function<void(std::string_view, std::int64_t, std::int64_t, float*)> init;
    std::atomic<bool> stop = false;
    std::vector<StepRecord> steps;
    std::vector<ValidationRecord> validations;
};

std::vector<float> elements(const Parameters& parameters, const std::string& name) {
    const ConstView view = parameters.weight(name);
    return {view.f32(), view.f32() + view.numel()};
}

/// The same records, but for the time they took.
void check_same_steps(const std::vector<StepRecord>& a, const std::vector<StepRecord>& b) {
    REQUIRE(a.size() == b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
        CHECK(a[i].step == b[i].step);
        CHECK(a[i].epoch == b[i].epoch);
        CHECK(a[i].loss == b[i].loss);
        CHECK(a[i].learning_rate == b[i].learning_rate);
        CHECK(a[i].logit_scale == b[i].logit_scale);
        CHECK(a[i].grad_norm == b[i].grad_norm);
        CHECK(a[i].samples == b[i].samples);
    }
}

/// An uninterrupted run, and one that stops after these steps of each session.
void check_resumes(const ModelConfig& config, const Recipe& recipe, bool validates) {
    Place whole(config), parts(config);
    whole.validates = parts.validates = validates;
    const RunResult result = whole.run(recipe, {.loader_threads = 2, .ahead = 3}, 2);
    CHECK(result.steps == 9);
    CHECK_FALSE(result.interrupted);
    std::uint64_t done = 0;
    for (const std::uint64_t stop_after : {1U, 1U, 2U, 3U}) { // mid-epoch, at its end, across one
        const RunResult part = parts.run(recipe, {.stop_after = stop_after});
        done += stop_after;
        CHECK(part.steps == done);
        CHECK(part.interrupted);
        CHECK(parts.state() != whole.state());
    }
    const RunResult last = parts.run(recipe, {.save_every = 1});
    CHECK(last.steps == 9);
    CHECK_FALSE(last.interrupted);
    CHECK(last.model_id == result.model_id);
    CHECK(parts.state() == whole.state());
    CHECK(parts.model() == whole.model());
    check_same_steps(parts.steps, whole.steps);
    REQUIRE(parts.validations.size() == whole.validations.size());
    CHECK(whole.validations.size() == (validates ? 3 : 0));
    for (std::size_t i = 0; i < whole.validations.size(); ++i) {
        CHECK(parts.validations[i].loss == whole.validations[i].loss);
        CHECK(parts.validations[i].accuracy == whole.validations[i].accuracy);
        CHECK(parts.validations[i].epoch == i);
        CHECK(parts.validations[i].step == 3 * (i + 1));
        CHECK(parts.validations[i].pairs == 6);
        CHECK(parts.validations[i].classes == 6);
    }
    // A finished run does nothing more; its model, if it is lost, is written again.
    const std::string state = parts.state(), model = parts.model();
    std::filesystem::remove_all(parts.path() + "/model");
    const RunResult again = parts.run(recipe);
    CHECK(again.steps == 9);
    CHECK_FALSE(again.interrupted);
    CHECK(again.model_id == result.model_id);
    CHECK(parts.state() == state);
    CHECK(parts.model() == model);
}

} // namespace

TEST_CASE("run: stopped and gone on with, it comes to the same weights") {
    for (const bool vit : {true, false})
        for (const bool validates : {false, true})
            for (const double average : {0.0, 0.9}) {
                CAPTURE(vit);
                CAPTURE(validates);
                CAPTURE(average);
                Recipe recipe = small_recipe();
                recipe.average = average;
                check_resumes(run_config(vit), recipe, validates);
            }
}

TEST_CASE("run: every objective and recipe goes on where it was") {
    for (const Objective objective :
         {Objective::siglip, Objective::bag_of_words, Objective::caption})
        check_resumes(run_config(true), small_recipe(objective), true);
    Recipe recipe = small_recipe();
    recipe.slices = 3;
    recipe.grad_clip = 0.5;
    recipe.lock_image = true;
    recipe.objective = {Objective::contrastive, 0.1F, true};
    check_resumes(run_config(false), recipe, true);
}

TEST_CASE("run: a validation changes nothing") {
    for (const bool vit : {true, false}) {
        Place with(run_config(vit)), without(run_config(vit));
        with.validates = true;
        Recipe recipe = small_recipe();
        recipe.average = 0.5;
        with.run(recipe);
        without.run(recipe);
        CHECK(with.state() == without.state());
        CHECK(with.model() == without.model());
        // Frugal runs have the same weights, too.
        Place frugal(run_config(vit));
        frugal.run(recipe, {.frugal = true});
        CHECK(frugal.state() == without.state());
    }
}

TEST_CASE("run: ranks come to what one comes to, and go on where they were") {
    for (const bool vit : {true, false}) {
        CAPTURE(vit);
        const Recipe recipe = small_recipe();
        Place one(run_config(vit)), whole(run_config(vit)), parts(run_config(vit));
        const auto play = [&](Place& place, std::size_t count, const RunSettings& settings) {
            RunFolder first(place.path(), RunMode::resume);
            test::play_ranks(count, [&](std::size_t rank, Communicator& ranks, Backend& backend) {
                if (rank == 0) {
                    place.run(recipe, settings, backend, ranks, &first);
                    return;
                }
                RunFolder other(place.path(), RunMode::follow);
                place.run(recipe, settings, backend, ranks, &other);
            });
        };
        play(one, 1, {});
        play(whole, 3, {});
        play(parts, 3, {.stop_after = 4});
        play(parts, 3, {});
        CHECK(parts.state() == whole.state());
        CHECK(parts.model() == whole.model());
        check_same_steps(parts.steps, whole.steps);
        REQUIRE(whole.steps.size() == 9);
        CHECK(std::fabs(whole.steps[0].loss - one.steps[0].loss) < 1e-4);
        CHECK(std::fabs(whole.steps[0].grad_norm / one.steps[0].grad_norm - 1) < 1e-4);
        // AdamW makes a whole step of a gradient that is nothing but rounding, of which batch norms
        // over four flat pictures have many.
        for (std::size_t i = 1; i < 9 && vit; ++i)
            CHECK(std::fabs(whole.steps[i].loss - one.steps[i].loss) < 1e-3);
    }
}

TEST_CASE("run: what a step says of itself") {
    Place place(run_config(true));
    Recipe recipe = small_recipe();
    recipe.learning_rate = 1e-3;
    recipe.warmup = 1;
    const RunResult result = place.run(recipe);
    CHECK(result.stats.pairs == 36);
    CHECK(result.stats.all_skipped() == 0);
    CHECK(!result.model_id.empty());
    REQUIRE(place.steps.size() == 9);
    for (std::uint64_t i = 0; i < 9; ++i) {
        const StepRecord& step = place.steps[i];
        CHECK(step.step == i + 1);
        CHECK(step.epoch == i / 3);
        CHECK(step.samples == 4 * (i + 1));
        CHECK(step.loss > 0);
        CHECK(step.loss < 10);
        CHECK(step.grad_norm > 0);
        CHECK(step.learning_rate > 0);
        CHECK(step.learning_rate <= 1e-3);
        CHECK(step.logit_scale == doctest::Approx(1 / 0.07).epsilon(0.02));
        CHECK(step.seconds > 0);
        CHECK(step.samples_per_second == doctest::Approx(4 / step.seconds));
        CHECK(step.waited >= 0);
        CHECK(step.waited <= step.seconds + 0.01);
    }
    CHECK(place.steps[0].learning_rate == 1e-3);
    CHECK(place.steps[8].learning_rate < 1e-4);
}

TEST_CASE("run: a set that has been learnt by heart is told apart") {
    Place place(run_config(true), 8);
    place.validates = true;
    Recipe recipe = small_recipe();
    recipe.epochs = 150;
    recipe.batch_size = 8;
    recipe.warmup = 5;
    recipe.learning_rate = 1e-2;
    place.run(recipe, {.validate_every = 149});
    REQUIRE(place.validations.size() == 2); // after 149 and, the last, after 150
    CHECK(place.steps.back().loss < 0.3 * place.steps.front().loss);
    CHECK(place.validations.back().accuracy.value_or(-1) == 1.0);
    CHECK(place.validations.back().loss < 0.3 * place.steps.front().loss);
    CHECK(place.validations.back().epoch == 149);
}

TEST_CASE("run: numbers that are none end it, and leave what there was") {
    for (const bool vit : {true, false}) {
        Place place(run_config(vit));
        Recipe recipe = small_recipe();
        recipe.warmup = 0;
        place.run(recipe, {.stop_after = 3});
        const std::string state = place.state(), model = place.model();
        const auto with_rate = [&](double rate) {
            // The same state under another recipe.
            auto settings = recipe_settings(recipe);
            settings["data"] = "drawn";
            Parameters parameters(place.config);
            RunFolder folder(place.path(), RunMode::resume);
            RunState now = folder.load(parameters, {}, settings);
            recipe.learning_rate = rate;
            now.settings = recipe_settings(recipe);
            now.settings["data"] = "drawn";
            folder.save(now, parameters, {});
            return read_file(place.path() + "/state");
        };
        // Step 4 leaves weights of 1e30, which step 5 notices.
        const std::string before = with_rate(1e30);
        const std::string message = clip_test::message_of([&] { place.run(recipe); });
        CHECK_MESSAGE(message.find("is not a number in step ") != std::string::npos, message);
        CHECK(clip_test::code_of([&] { place.run(recipe); }) == ErrorCode::bad_format);
        CHECK(place.state() == before);
        CHECK(place.model() == model);
        // Weights that are no numbers are not saved either.
        const std::string worse = with_rate(1e300);
        CHECK(clip_test::code_of([&] { place.run(recipe, {.save_every = 1}); }) ==
              ErrorCode::bad_format);
        CHECK(place.state() == worse);
        CHECK(place.model() == model);
        CHECK(with_rate(2e-3) == state);
        CHECK(place.run(recipe).steps == 9);
    }
}

TEST_CASE("run: a state of another recipe is refused") {
    Place place(run_config(true));
    place.run(small_recipe(), {.stop_after = 2});
    const std::string state = place.state();
    const auto refused = [&](const std::string& what, const Recipe& recipe) {
        CAPTURE(what);
        CHECK(clip_test::code_of([&] { place.run(recipe); }) == ErrorCode::version_mismatch);
        CHECK(clip_test::message_of([&] { place.run(recipe); }).find(what) != std::string::npos);
        CHECK(place.state() == state);
    };
    Recipe recipe = small_recipe();
    recipe.batch_size = 5;
    refused("batch-size", recipe);
    recipe = small_recipe();
    recipe.learning_rate = std::nextafter(recipe.learning_rate, 1.0);
    refused("lr", recipe);
    recipe = small_recipe();
    recipe.slices = 2;
    refused("accumulate", recipe);
    recipe = small_recipe();
    recipe.objective.equal_captions_match = true;
    refused("equal-captions", recipe);
    CHECK(place.run(small_recipe()).steps == 9);
}

TEST_CASE("run: the stop flag ends it behind a step, with a state") {
    Place place(run_config(true)), whole(run_config(true));
    place.stop = true;
    for (std::uint64_t step = 1; step <= 4; ++step) {
        const RunResult result = place.run(small_recipe());
        CHECK(result.steps == step);
        CHECK(result.interrupted);
    }
    place.stop = false;
    CHECK(place.run(small_recipe()).steps == 9);
    whole.run(small_recipe());
    CHECK(place.state() == whole.state());
}

TEST_CASE("run: a locked picture tower stays what it was, all else changes") {
    for (const bool vit : {true, false}) {
        Place place(run_config(vit));
        Recipe recipe = small_recipe();
        recipe.lock_image = true;
        place.run(recipe);
        const Parameters after = place.load(recipe);
        Parameters before(place.config);
        initialize_model(before, place.config, recipe.seed);
        for (const ParameterInfo& info : after.all()) {
            CAPTURE(info.name);
            CHECK((elements(after, info.name) == elements(before, info.name)) ==
                  info.name.starts_with("visual."));
        }
    }
}

TEST_CASE("run: it begins with the weights that it is given") {
    for (const bool vit : {true, false}) {
        Place place(run_config(vit));
        place.init = [](std::string_view name, std::int64_t first, std::int64_t count, float* out) {
            const auto values = test::hashed(name, first + count);
            for (std::int64_t i = 0; i < count; ++i)
                out[i] = static_cast<float>(1 + values[static_cast<std::size_t>(first + i)]);
        };
        Recipe recipe = small_recipe();
        recipe.learning_rate = 0; // nothing but running statistics moves
        place.run(recipe);
        const Parameters after = place.load(recipe);
        for (const ParameterInfo& info : after.all()) {
            CAPTURE(info.name);
            std::vector<float> wanted(static_cast<std::size_t>(info.shape.numel()));
            place.init(info.name, 0, info.shape.numel(), wanted.data());
            CHECK((elements(after, info.name) == wanted) == !is_running_statistic(info.name));
        }
        // They are not asked for again where a state is gone on with.
        place.init = [](std::string_view, std::int64_t, std::int64_t, float*) { FAIL("asked"); };
        CHECK(place.run(recipe).steps == 9);
    }
}

TEST_CASE("run: the average is what the model gets, and it follows the weights") {
    Place place(run_config(true)), plain(run_config(true));
    Recipe recipe = small_recipe();
    plain.run(recipe);
    recipe.average = 0.9;
    place.run(recipe);
    check_same_steps(place.steps, plain.steps); // it does not act back
    CHECK(place.model() != plain.model());
    const Parameters averaged = place.load(recipe), last = plain.load(small_recipe());
    for (const ParameterInfo& info : last.all())
        CHECK(elements(averaged, info.name) == elements(last, info.name));
}
