// SPDX-License-Identifier: MIT
#include "app/train_options.hpp"

#include <algorithm>
#include <bit>
#include <string_view>

#include "app/model_session.hpp"
#include "base/concat.hpp"
#include "base/error.hpp"

namespace clip::app {

namespace {

[[noreturn]] void reject(const std::string& why) {
    fail(ErrorCode::invalid_argument, why);
}

bool choose(std::string_view option, std::string_view value, std::string_view yes,
            std::string_view no) {
    if (value != yes && value != no)
        reject(concat(option, ": unknown value (got '", value, "', want ", yes, " or ", no, ")"));
    return value == yes;
}

void check_exclusions(const TrainOptions& options) {
    const auto exclude = [](bool one, bool other, const char* what) {
        if (one && other)
            reject(concat(what, " exclude each other"));
    };
    exclude(options.resume, options.overwrite, "--resume and --overwrite");
    exclude(options.train_tokenizer > 0, !options.tokenizer.empty(),
            "--train-tokenizer and --tokenizer");
    if (options.train_tokenizer > 0 && !options.init.empty())
        reject("--train-tokenizer: the model of --init has a vocabulary already");
    if (options.lock_image && options.init.empty())
        reject("--lock-image: a picture tower of random weights would stay random (want --init)");
}

/// As many as leave a hundred steps an epoch: the paper's where there are millions of pairs.
std::uint64_t default_batch(std::uint64_t most, std::uint64_t pairs) {
    constexpr std::uint64_t kSteps = 100, kLeast = 32;
    return std::min(pairs, std::clamp(std::bit_floor(pairs / kSteps), kLeast, most));
}

} // namespace

void check_train_options(const TrainOptions& options) {
    if (options.output.empty() && !options.dry_run)
        reject("--output: the folder of the run is wanted");
    if (options.data.empty())
        reject("no training data (want DATA: a table, a list, a folder or shards)");
    if (!options.columns.empty() && options.columns.size() != 2)
        reject(concat("--columns: the column of the pictures and that of the captions are wanted "
                      "(got ",
                      options.columns.size(), ")"));
    check_exclusions(options);
    check_training_device(options, parse_device(options.device));
    if (options.train_tokenizer > 0 && options.train_tokenizer < 514)
        reject(concat("--train-tokenizer: 512 bytes and two marks are in every vocabulary (got ",
                      options.train_tokenizer, ", want at least 514)"));
    const trainer::Objective objective = trainer::parse_objective(options.objective);
    const bool together = choose("--equal-captions", options.equal_captions, "together", "apart");
    if (together && objective != trainer::Objective::contrastive &&
        objective != trainer::Objective::siglip)
        reject(concat("--equal-captions: with --objective ", options.objective,
                      " no caption is a wrong answer for another"));
    if (options.label_smoothing > 0 && objective != trainer::Objective::contrastive)
        reject(concat("--label-smoothing: only --objective contrastive has it (got ",
                      options.objective, ")"));
    if (options.lock_image && objective == trainer::Objective::bag_of_words)
        reject("--lock-image: with --objective bag-of-words nothing of the model is left to train");
    choose("--background", options.background, "random", "none");
    train::check_augment(options.augment);
}

void check_training_device(const TrainOptions& options, Device device) {
    const DType compute = parse_precision(options.precision, device);
    if (device.is_cpu() && compute != DType::f32)
        fail(ErrorCode::unsupported,
             concat("--precision: training on the CPU computes in fp32 (got ", options.precision,
                    ")"));
}

trainer::Recipe train_recipe(const TrainOptions& options, const ModelConfig& config,
                             std::uint64_t pairs, int ranks) {
    trainer::Recipe recipe = trainer::default_recipe(config);
    if (options.epochs)
        recipe.epochs = static_cast<std::uint32_t>(*options.epochs);
    recipe.batch_size = options.batch_size.value_or(default_batch(recipe.batch_size, pairs));
    recipe.learning_rate = options.learning_rate.value_or(recipe.learning_rate);
    recipe.warmup = options.warmup.value_or(recipe.warmup);
    recipe.weight_decay = options.weight_decay.value_or(recipe.weight_decay);
    recipe.beta1 = options.beta1.value_or(recipe.beta1);
    recipe.beta2 = options.beta2.value_or(recipe.beta2);
    recipe.eps = options.eps.value_or(recipe.eps);
    recipe.grad_clip = options.grad_clip;
    recipe.seed = options.seed;
    recipe.objective.objective = trainer::parse_objective(options.objective);
    recipe.objective.label_smoothing = static_cast<float>(options.label_smoothing);
    recipe.objective.equal_captions_match = options.equal_captions == "together";
    recipe.lock_image = options.lock_image;
    recipe.slices = options.accumulate;
    recipe.shuffle_buffer = options.shuffle_buffer;
    recipe.average = options.average;
    if (recipe.batch_size > pairs)
        reject(
            concat("--batch-size: a batch is larger than the data (got ", recipe.batch_size,
                   pairs == 1 ? ", there is one pair)" : concat(", there are ", pairs, " pairs)")));
    if (recipe.batch_size < 2 && recipe.objective.objective == trainer::Objective::contrastive)
        reject("--batch-size: a batch of one pair has no wrong answers (got 1, want at least 2)");
    const std::uint64_t parts = recipe.slices * static_cast<std::uint64_t>(ranks);
    if (recipe.batch_size < parts)
        reject(concat("--batch-size: each of ", ranks, ranks == 1 ? " process" : " processes",
                      " and ", recipe.slices, recipe.slices == 1 ? " slice" : " slices",
                      " wants a pair of its own (got ", recipe.batch_size, ", want at least ",
                      parts, ")"));
    return recipe;
}

trainer::RunSettings train_run_settings(const TrainOptions& options, std::size_t threads) {
    trainer::RunSettings settings;
    settings.frugal = options.checkpoint_activations;
    settings.save_every = options.save_every;
    settings.keep = options.keep;
    settings.loader_threads = options.loader_threads > 0 ? options.loader_threads : threads;
    settings.stop_after = options.stop_after;
    return settings;
}

train::SampleOptions train_sample_options(const TrainOptions& options, const ModelConfig& config) {
    train::SampleOptions sample;
    sample.seed = options.seed;
    sample.context_length = static_cast<std::size_t>(config.text.context_length);
    sample.preprocess =
        preprocess_options({.orientation = options.orientation, .grey16 = options.grey16}, config);
    sample.decode.max_pixels = options.max_pixels;
    sample.augment = options.augment;
    sample.augment.background =
        options.background == "random" ? train::Background::random : train::Background::none;
    return sample;
}

std::map<std::string, std::string> picture_settings(const TrainOptions& options) {
    const train::AugmentOptions& augment = options.augment;
    // Spelt as the options are, so that a message about one names what is to be changed.
    return {{"orientation", options.orientation},
            {"grey16", options.grey16},
            {"max-pixels", concat(options.max_pixels)},
            {"crop-scale", concat(augment.min_scale)},
            {"zoom-out", concat(augment.zoom_out)},
            {"rotate", concat(augment.rotate)},
            {"flip", concat(augment.flip)},
            {"color-jitter", concat(augment.color_jitter)},
            {"hue", concat(augment.hue)},
            {"grayscale", concat(augment.grayscale)},
            {"erase", concat(augment.erase)},
            {"background", options.background}};
}

} // namespace clip::app
