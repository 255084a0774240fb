// SPDX-License-Identifier: MIT
// One training run, from its first or its last finished step to the end.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/thread_pool.hpp"
#include "communicator/communicator.hpp"
#include "data/tokenizer.hpp"
#include "model/config.hpp"
#include "train/batch_loader.hpp"
#include "train/pair_source.hpp"
#include "trainer/recipe.hpp"
#include "trainer/run_folder.hpp"

namespace clip::trainer {

/// What does not change the weights.
struct RunSettings {
    bool frugal = false;          ///< --checkpoint-activations
    std::uint64_t save_every = 0; ///< steps between states; 0: at the end of each epoch
    std::uint64_t keep = 1;       ///< models kept of earlier epochs, the newest included
    std::size_t loader_threads = 1;
    std::size_t ahead = 2;
    std::uint64_t validate_every = 1; ///< epochs
    std::uint64_t stop_after = 0; ///< ends, with a state, after so many steps of the run; 0: never
};

/// One step, as RUN/log.jsonl has it.
struct StepRecord {
    std::uint64_t step = 0; ///< from 1
    std::uint32_t epoch = 0;
    double loss = 0, learning_rate = 0, logit_scale = 0;
    double grad_norm = 0;  ///< 0 where the step was left out, see loss_scale
    double loss_scale = 0; ///< what gradients of this step were multiplied by; 0: they were not
    double samples_per_second = 0, seconds = 0, waited = 0; ///< of this step
    std::uint64_t samples = 0;                              ///< seen since the run began
    std::uint64_t skipped = 0;   ///< pairs that could not be used, of this rank, so far
    std::uint64_t truncated = 0; ///< captions that were too long, of this rank, so far
};

/// What validation found after an epoch.
struct ValidationRecord {
    std::uint64_t step = 0, samples = 0;
    std::uint32_t epoch = 0;
    double loss = 0;
    std::uint64_t pairs = 0;
    /// Zero-shot over the distinct captions of the data: how many pictures' best caption is their
    /// own. Empty where there are too many captions for the objective.
    std::optional<double> accuracy;
    std::uint64_t classes = 0;
};

struct RunResult {
    std::uint64_t steps = 0; ///< finished, earlier sessions' included
    bool interrupted = false;
    train::LoaderStats stats; ///< of this rank since it was started
    std::string model_id;     ///< of RUN/model; empty where none was written
};

/// What a run works with; all must outlive it.
struct RunInputs {
    const ModelConfig& config;
    const train::PairSource& pairs;
    const train::PairSource* validation = nullptr;
    const Tokenizer& tokenizer;
    train::SampleOptions sample; ///< picture options; seed and context are set here
    Communicator& ranks;
    Backend& backend;
    /// Of every rank; ranks other than 0 read a state, and write nothing. null: nothing is written.
    RunFolder* folder = nullptr;
    /// What else decides the weights, for RunState::settings: the data, the tokenizer.
    std::map<std::string, std::string> settings;
    TextFiles beside; ///< the tokenizer's files, for RUN/model
    /// Begins with these weights instead of random ones (--init). May be empty.
    std::function<void(std::string_view weight, std::int64_t first, std::int64_t count, float* out)>
        init;
    std::function<void(const train::Skip&)> on_skip;
    std::function<void(const StepRecord&)> on_step;
    std::function<void(const ValidationRecord&)> on_validation;
    const std::atomic<bool>* stop = nullptr;
};

/// Trains. Where `folder` has a state the run goes on after its last step, to the same weights, bit
/// for bit, as a run that was never interrupted on this machine with as many ranks.
///
/// Errors: invalid_argument, bad_format (data; a loss or gradient that is not a number: nothing is
/// saved of that step, the last state stays), version_mismatch (a state of another recipe),
/// io_failure (writing), out_of_memory, device_failure, those of a thread of the loader. Where the
/// folder has a state and the cause may pass, the message says so.
RunResult train(const Recipe& recipe, const RunSettings& settings, const RunInputs& inputs);

/// Memory and steps of a run, without running it: what --dry-run prints.
struct TrainingPlan {
    std::uint64_t parameters = 0, trained = 0;
    std::uint64_t steps_per_epoch = 0, steps = 0;
    std::uint64_t weight_bytes = 0, gradient_bytes = 0, optimizer_bytes = 0;
    std::uint64_t packed_bytes = 0;     ///< weights as kernels want them
    std::uint64_t activation_bytes = 0; ///< at the peak of a step
    std::uint64_t input_bytes = 0;      ///< batches that are made ahead, on the host
    bool on_device = false;             ///< all but input_bytes is a GPU's memory
    std::uint64_t picture_bytes = 0;    ///< there: pictures of a slice
    std::uint64_t workspace_bytes = 0;  ///< there: what ops need in passing; see plan_training()
    /// Of the memory that is named by on_device.
    std::uint64_t total() const {
        return weight_bytes + gradient_bytes + optimizer_bytes + packed_bytes + activation_bytes +
               (on_device ? picture_bytes + workspace_bytes : input_bytes);
    }
};

} // namespace clip::trainer
