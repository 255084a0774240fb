// SPDX-License-Identifier: MIT
// What a training run begins with: a model and a tokenizer.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "app/environment.hpp"
#include "app/reporter.hpp"
#include "app/train_options.hpp"
#include "base/thread_pool.hpp"
#include "data/tokenizer.hpp"
#include "model/checkpoint.hpp"
#include "model/config_writer.hpp"
#include "train/pair_source.hpp"

namespace clip::app {

struct TrainStart {
    ModelConfig config;
    std::optional<Checkpoint> checkpoint; ///< of --init
    std::optional<Tokenizer> tokenizer;
    TextFiles tokenizer_files;
};

/// The model of --arch or --init; its vocabulary may still be another.
/// Errors: those of architecture(), read_open_clip_config(), find_model() and open_checkpoint();
/// version_mismatch (--arch is not what --init is); unsupported (what open_clip's layout, in which
/// the run is kept, cannot say).
TrainStart start_model(const TrainOptions& options, const Environment& environment,
                       Reporter& reporter);

/// Finds the tokenizer: that of --tokenizer, or else beside --init, in $CLIP_VOCAB or in the data
/// folder. A new model gets its vocabulary; for that of --init another tokenizer has to have as
/// many ids, and there is a warning where they are others. Errors: not_found, those of
/// find_tokenizer().
void start_tokenizer(TrainStart& start, const TrainOptions& options, const Environment& environment,
                     Reporter& reporter);

/// Learns a vocabulary from the captions and puts its files into `folder`, which is made.
/// Errors: invalid_argument (no words), io_failure.
void learn_tokenizer(const std::string& folder, const TrainOptions& options,
                     const train::PairSource& pairs, ThreadPool& pool, Reporter& reporter);

/// Takes the tokenizer that learn_tokenizer() left in `folder`. Errors: as its reader.
void take_tokenizer(TrainStart& start, const std::string& folder);

/// What a run's state remembers of the model, the weights it began with, and the tokenizer.
std::map<std::string, std::string> start_settings(const TrainStart& start);

} // namespace clip::app
