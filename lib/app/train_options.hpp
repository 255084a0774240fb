// SPDX-License-Identifier: MIT
// What a command line of clip-train says, and what it means for a run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "app/encoder.hpp"
#include "model/config.hpp"
#include "train/augment.hpp"
#include "trainer/training_run.hpp"

namespace clip::app {

struct TrainOptions {
    // Data.
    std::vector<std::string> data;
    std::vector<std::string> columns; ///< none, or two: pictures, captions
    std::vector<std::string> validation;
    std::string orientation = "exif"; ///< exif or ignore
    std::string grey16 = "clip";      ///< clip or scale
    std::int64_t max_pixels = DecodeOptions{}.max_pixels;
    std::size_t shuffle_buffer = 10000;
    std::size_t loader_threads = 0; ///< 0: as many as threads compute
    // Augmentation.
    train::AugmentOptions augment;
    std::string background = "none"; ///< none or random
    // The model it begins with.
    std::string arch; ///< a name, a description or a .json file; empty: ViT-B-32, or that of `init`
    std::string init; ///< a checkpoint; may be empty
    std::string tokenizer;           ///< a folder or file; may be empty
    std::size_t train_tokenizer = 0; ///< ids of a vocabulary learned from the data; 0: none
    bool lock_image = false;
    // Objective.
    std::string objective = "contrastive";
    std::string equal_captions = "apart"; ///< apart or together
    double label_smoothing = 0;
    // Recipe; what is absent is default_recipe()'s.
    std::optional<std::size_t> epochs, batch_size, warmup;
    std::optional<double> learning_rate, weight_decay, beta1, beta2, eps;
    double grad_clip = 0;
    double average = 0;
    std::size_t accumulate = 1;
    bool checkpoint_activations = false;
    std::size_t seed = 0;
    // The run.
    std::string output;
    bool resume = false;
    bool overwrite = false;
    std::size_t keep = 1;
    std::size_t save_every = 0;
    std::size_t stop_after = 0;
    bool dry_run = false;
    std::string format = "table"; ///< of --dry-run: table or json
    // The machine.
    std::size_t threads = 0;
    std::string device = "auto";
    std::string precision = "auto"; ///< of products on a GPU; the CPU has fp32 only
    BackendOptions backend;
};

/// What can be wrong before anything is opened. Errors: invalid_argument, unsupported.
void check_train_options(const TrainOptions& options);

/// Whether `device` can do what is asked for. Errors: unsupported, invalid_argument (another
/// precision).
void check_training_device(const TrainOptions& options, Device device);

/// The recipe of a run on `pairs` pairs. A batch that was not asked for is a power of
/// two that leaves a hundred steps an epoch, from 32 to the paper's, or all of the data.
/// Errors: invalid_argument (a batch larger than the data, more slices and ranks than rows).
trainer::Recipe train_recipe(const TrainOptions& options, const ModelConfig& config,
                             std::uint64_t pairs, int ranks);

trainer::RunSettings train_run_settings(const TrainOptions& options, std::size_t threads);

/// How pictures of training become what the tower is given. Errors: invalid_argument.
train::SampleOptions train_sample_options(const TrainOptions& options, const ModelConfig& config);

/// What a run's state remembers of how pictures are prepared; trainer::recipe_settings() has the
/// recipe.
std::map<std::string, std::string> picture_settings(const TrainOptions& options);

} // namespace clip::app
