// SPDX-License-Identifier: MIT
// The folder of a training run: RUN/state, RUN/model, RUN/log.jsonl, and models of earlier epochs.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "model/config.hpp"
#include "model/config_writer.hpp"
#include "trainer/parameters.hpp"

namespace clip::trainer {

/// Where a run stands after a step.
struct RunState {
    std::uint64_t step = 0;    ///< finished
    std::uint32_t epoch = 0;   ///< of the next batch
    std::uint64_t batch = 0;   ///< of the next batch, in its epoch
    std::uint64_t samples = 0; ///< seen
    /// Everything that decides the weights (recipe, data, model): a resumed run must have the same.
    std::map<std::string, std::string> settings;
};

enum class RunMode : std::uint8_t {
    fresh,     ///< refuses a folder that holds a run
    resume,    ///< goes on, or begins where there is nothing yet
    overwrite, ///< takes away what an earlier run left, and only that
};

/// Only one process writes a run: the folder is locked while this lives.
class RunFolder {
  public:
    /// Errors: invalid_argument (it holds a run, or files that are no run's), io_failure (it cannot
    /// be made or written, another process is writing it), not_found (no folder above it).
    RunFolder(const std::string& path, RunMode mode);
    ~RunFolder();
    RunFolder(const RunFolder&) = delete;
    RunFolder& operator=(const RunFolder&) = delete;

    const std::string& path() const;
    bool has_state() const;
    /// Reads RUN/state into `parameters` (weights, AdamW's means and squares, and `average` where
    /// that is not empty), and cuts log.jsonl behind the step it holds.
    /// Errors: bad_format, truncated, shape_mismatch (a state of another model), version_mismatch
    /// (settings differ: the message names the first one and both values), io_failure.
    RunState load(Parameters& parameters, std::span<float> average,
                  const std::map<std::string, std::string>& settings);
    /// Makes RUN/state that of now: complete and on the disk before the old one is gone.
    /// Errors: io_failure (the old one stays).
    void save(const RunState& state, const Parameters& parameters, std::span<const float> average);

    /// Makes RUN/model the checkpoint of now (open_clip's layout, with `beside`: the tokenizer's
    /// files) and, with keep over 1, also RUN/models/step-N, of which the newest `keep` stay.
    /// `weights` is laid out as Parameters::weights(). Returns the model's id.
    /// Errors: io_failure, bad_format (weights that are not finite); the old one stays.
    std::string write_model(const ModelConfig& config, const Parameters& parameters,
                            std::span<const float> weights, const TextFiles& beside,
                            std::uint64_t step, std::uint64_t keep);

    /// Appends a line (without its end) to log.jsonl. Errors: io_failure.
    void log(std::string_view line);

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace clip::trainer
