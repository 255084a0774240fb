// SPDX-License-Identifier: MIT
// The folder of a training run: RUN/state, RUN/model, RUN/log.jsonl, and models of earlier epochs.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "model/config.hpp"
#include "model/config_writer.hpp"
#include "trainer/parameters.hpp"
#include "trainer/run_state.hpp"

namespace clip::trainer {

enum class RunMode : std::uint8_t {
    fresh,     ///< refuses a folder that holds a run: more than a log (which is then set aside)
    resume,    ///< goes on, or begins where there is nothing yet
    overwrite, ///< begins anew; what an earlier run left goes when there is a new state and model
    follow,    ///< of the ranks that do not write: only load() may be called; nothing is locked
};

/// Only one process writes a run: the folder is locked while this lives, also in processes that are
/// forked meanwhile. Other files in it (notes, plots) are left alone.
class RunFolder {
  public:
    /// Makes the folder where there is none, which goes again with this if nothing is written into
    /// it; a link to a folder is followed.
    /// Errors: invalid_argument (it holds a run, or to resume a model without a state; no folder;
    /// something of a run's names that no run has written), io_failure (it cannot be made or
    /// written, another process is writing it), not_found (no folder above it).
    RunFolder(const std::string& path, RunMode mode);
    ~RunFolder();
    RunFolder(const RunFolder&) = delete;
    RunFolder& operator=(const RunFolder&) = delete;

    /// As it was given, without slashes at its end.
    const std::string& path() const;
    bool has_state() const;
    /// Reads RUN/state into `parameters` (weights, AdamW's means and squares, and `average` where
    /// that is not empty), and cuts log.jsonl behind the step it holds.
    /// After an error `parameters` and `average` are as they were.
    /// Errors: bad_format, truncated, shape_mismatch (a state of another model), version_mismatch
    /// (settings differ: the message names the first one and both values), not_found, io_failure.
    RunState load(Parameters& parameters, const MutView& average,
                  const std::map<std::string, std::string>& settings);
    /// Makes RUN/state that of now: complete and on the disk before the old one is gone.
    /// Errors: io_failure (the old one stays).
    void save(const RunState& state, const Parameters& parameters, const ConstView& average);

    /// Makes RUN/model the checkpoint of now (open_clip's layout, with `beside`: the tokenizer's
    /// files), float32, and with `keep` over 1 also RUN/models/step-N, of which the newest `keep`
    /// stay: links to the same files, no copies, where the file system has such. Where it cannot
    /// exchange folders (NFS), a kill may leave RUN without a model until it is opened again.
    /// `weights` is laid out as the weights of `parameters`. Returns the model's id.
    /// Errors: io_failure, bad_format (weights that are not finite), invalid_argument (files of
    /// others are in it); the old one stays.
    std::string write_model(const ModelConfig& config, const Parameters& parameters,
                            const ConstView& weights, const TextFiles& beside, std::uint64_t step,
                            std::uint64_t keep);

    /// Appends a line (without its end) to log.jsonl; a run that begins anew begins it anew, and
    /// a fresh one leaves what it finds there in log.jsonl.old. Over an earlier run, lines are held
    /// back until the first new state, which that run's log then makes room for, too.
    /// Errors: io_failure (and nothing of the line stays; state and model do not depend on it).
    void log(std::string_view line);

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace clip::trainer
