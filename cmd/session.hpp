// SPDX-License-Identifier: MIT
// What the commands share: the environment, the reporter on standard error, and how the options
// that several of them have are bound to app's settings.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/classifier_source.hpp"
#include "app/encoder.hpp"
#include "app/environment.hpp"
#include "app/model_session.hpp"
#include "app/reporter.hpp"
#include "cli/common_options.hpp"
#include "cli/progress.hpp"
#include "cli/run_main.hpp"

namespace clip::cmd {

inline constexpr const char* kVersion = CLIP_VERSION;

/// Everything that app may know of the process's environment. `program` is "clip-embed".
app::Environment read_environment(const std::string& program);

/// Further lines of --version.
std::vector<std::string> version_lines();

/// "cuda" of one of several processes on a machine: the GPU with its number among them, as MPI's
/// and Slurm's launchers tell it. Anything else as it is.
std::string device_of_process(const std::string& device);

/// CLIP_CUDA_PLUGIN, CLIP_CUDA_GEMM and CLIP_CUDA_TF32. Errors: invalid_argument.
BackendOptions read_backend_options();

app::ModelSettings model_settings(const cli::CommonOptions& options);

/// --orientation, --grey16 and --max-pixels.
void add_decode_options(CLI::App& app, std::string& orientation, std::string& grey16,
                        std::int64_t& max_pixels);

/// These and --crop.
void add_picture_options(CLI::App& app, app::PictureSettings& settings);

/// The heading of the options of labels.
inline constexpr const char* kLabelGroup = "Labels";
/// --label, --labels, --template, --templates and --classifier.
void add_label_options(CLI::App& app, app::ClassifierSettings& settings);

/// --truth, under the heading `group`.
void add_truth_option(CLI::App& app, std::string& source, const char* group);

/// --activation, under the model's heading.
void add_activation_option(CLI::App& app, std::string& activation);

/// --errors.
void add_errors_option(CLI::App& app, std::string& path);

/// Puts what the shared options say into a command's own.
template <typename Options>
void take_shared_options(Options& options, const cli::CommonOptions& common,
                         const cli::InputOptions& input) {
    options.inputs = input.operands;
    options.null_separated = input.null_separated;
    options.recursive = input.recursive;
    options.batch_size = common.batch_size;
    std::string activation = std::move(options.model.activation);
    options.model = model_settings(common);
    options.model.activation = std::move(activation);
}

/// The exit status of a finished run.
template <typename Summary>
int exit_status(const Summary& summary) {
    if (summary.interrupted)
        return cli::kInterrupted;
    return summary.failed > 0 ? cli::kSomeFailed : cli::kDone;
}

/// app's reporter on cli's messages and progress bar.
class StandardReporter : public app::Reporter {
  public:
    explicit StandardReporter(cli::RunContext& context)
        : context_(context), progress_(context.diagnostics, context.progress) {}

    void error(std::string_view subject, std::string_view message) override;
    void warning(std::string_view subject, std::string_view message) override;
    void note(std::string_view message) override;
    void detail(std::string_view message) override;
    void summary(std::string_view text) override;
    void progress(std::uint64_t count, std::uint64_t known,
                  std::optional<std::uint64_t> total) override;
    void progress_note(std::string_view text) override;
    void progress_end() override;
    const std::atomic<bool>& stop() const override { return context_.stop; }

  private:
    cli::RunContext& context_;
    cli::Progress progress_;
};

} // namespace clip::cmd
