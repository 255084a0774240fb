// SPDX-License-Identifier: MIT
// A model with everything that it needs to run: threads, backend, towers, tokenizer.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/environment.hpp"
#include "app/reporter.hpp"
#include "backend/registry.hpp"
#include "base/thread_pool.hpp"
#include "data/tokenizer.hpp"
#include "model/clip_model.hpp"

namespace clip::app {

/// What a command line says about the model and the machine.
struct ModelSettings {
    std::string model;              ///< empty: the installed one
    std::size_t threads = 0;        ///< 0: all cores
    std::string device = "auto";    ///< auto, cpu, cuda or cuda:N
    std::string precision = "auto"; ///< fp32, bf16, fp16, int8 or auto
    std::string activation;         ///< empty: as the checkpoint says; else quick-gelu or gelu
    BackendOptions backend;
};

/// How weights are kept for a --precision; auto is fp32 on the CPU and fp16 on a GPU.
/// Errors: invalid_argument; unsupported (int8 on a GPU).
DType parse_precision(const std::string& text, Device device);

/// The activation of a name, none for an empty one. Errors: invalid_argument.
std::optional<Activation> parse_activation(const std::string& text);

/// Where the tokenizer of a checkpoint is looked for, best first: beside it, $CLIP_VOCAB, the data
/// folder.
std::vector<std::string> tokenizer_places(const Checkpoint& checkpoint,
                                          const Environment& environment);

/// The threads and the backends of a run. Used by one thread at a time.
class Machine {
  public:
    /// Errors: invalid_argument, unsupported (no such device here), and those of its start.
    explicit Machine(const ModelSettings& settings);

    ThreadPool& pool() { return pool_; }
    /// What computes the towers. With auto, a GPU is started when this is called first: a run
    /// without a model needs none. Errors: as above.
    Backend& backend();
    /// The CPU, for vectors that are on the host: the same backend where the towers run on it.
    Backend& host_backend();
    /// Why backend() is not the GPU that there is; empty where it is as it should be.
    const std::string& passed_over() const { return passed_over_; }

  private:
    std::string device_, passed_over_;
    BackendOptions options_;
    ThreadPool pool_;
    std::unique_ptr<Backend> backend_, host_backend_;
};

/// An open checkpoint. Weights are prepared and the tokenizer is read when they are first used.
class ModelSession {
  public:
    /// Opens the model and tells the reporter what the checkpoint's reader had to say.
    /// Errors: those of find_model and open_checkpoint. All arguments must outlive this.
    ModelSession(const ModelSettings& settings, const Environment& environment, Machine& machine,
                 Reporter& reporter);

    ClipModel& model() { return *model_; }
    ThreadPool& pool() { return machine_.pool(); }
    Backend& backend() { return machine_.backend(); }
    Backend& host_backend() { return machine_.host_backend(); }
    /// Looked for beside the checkpoint, then in $CLIP_VOCAB, then in the data folder.
    /// Errors: not_found, and those of reading its files; invalid_argument (more tokens than the
    /// model's vocabulary has).
    const Tokenizer& tokenizer();

  private:
    const Environment& environment_;
    Machine& machine_;
    Reporter& reporter_;
    std::unique_ptr<ClipModel> model_;
    std::optional<Tokenizer> tokenizer_;
};

} // namespace clip::app
