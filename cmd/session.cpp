// SPDX-License-Identifier: MIT
#include "session.hpp"

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "app/model_path.hpp"
#include "backend/registry.hpp"
#include "base/concat.hpp"
#include "cli/declare.hpp"

#include <CLI/CLI.hpp>

namespace clip::cmd {

namespace fs = std::filesystem;

namespace {

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

std::string data_folder() {
    std::error_code unknown; // leaves the path empty
    return app::find_data_folder(fs::read_symlink("/proc/self/exe", unknown), CLIP_DATA_FOLDER);
}

/// Source: huggingface_hub's environment variables HF_HUB_CACHE, HF_HOME and XDG_CACHE_HOME.
std::string hub_folder() {
    if (const std::string hub = variable("HF_HUB_CACHE"); !hub.empty())
        return hub;
    if (const std::string home = variable("HF_HOME"); !home.empty())
        return fs::path(home) / "hub";
    if (const std::string cache = variable("XDG_CACHE_HOME"); !cache.empty())
        return fs::path(cache) / "huggingface" / "hub";
    if (const std::string home = variable("HOME"); !home.empty())
        return fs::path(home) / ".cache" / "huggingface" / "hub";
    return "";
}

} // namespace

app::Environment read_environment(const std::string& program) {
    app::Environment environment{.program = program + " " + kVersion,
                                 .vocabulary = variable("CLIP_VOCAB"),
                                 .data_folder = data_folder(),
                                 .hub_folder = hub_folder()};
    for (const app::LauncherVariables& names : app::kLauncherVariables)
        for (const char* name : {names.rank, names.size})
            if (const char* value = std::getenv(name); value != nullptr)
                environment.launcher.emplace(name, value);
    for (const char* name : app::kLocalSizeVariables)
        if (const char* value = std::getenv(name); value != nullptr)
            environment.launcher.emplace(name, value);
    return environment;
}

std::vector<std::string> version_lines() {
    std::vector<std::string> lines = {concat("compiler: ", CLIP_COMPILER),
                                      concat("libraries: ", CLIP_LIBRARIES)};
    for (const std::string& line : describe_backends())
        lines.push_back(concat("backend: ", line));
    return lines;
}

std::string device_of_process(const std::string& device) {
    if (device != "cuda")
        return device;
    for (const char* name : {"OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID"})
        if (const std::string rank = variable(name); !rank.empty())
            return concat("cuda:", rank);
    return device;
}

BackendOptions read_backend_options() {
    BackendOptions options{.cuda_plugin = variable("CLIP_CUDA_PLUGIN")};
    const auto refuse = [](const char* name, const std::string& got, const char* want) {
        fail(ErrorCode::invalid_argument, concat("read ", name, ": got '", got, "', want ", want));
    };
    if (const std::string gemm = variable("CLIP_CUDA_GEMM"); gemm == "cublaslt")
        options.cuda.gemm = CudaGemm::cublaslt;
    else if (!gemm.empty() && gemm != "own")
        refuse("CLIP_CUDA_GEMM", gemm, "own or cublaslt");
    if (const std::string tf32 = variable("CLIP_CUDA_TF32"); tf32 == "1")
        options.cuda.tf32 = true;
    else if (!tf32.empty() && tf32 != "0")
        refuse("CLIP_CUDA_TF32", tf32, "0 or 1");
    return options;
}

app::ModelSettings model_settings(const cli::CommonOptions& options) {
    return {.model = options.model,
            .threads = options.threads,
            .device = options.device,
            .precision = options.precision,
            .backend = read_backend_options()};
}

void add_decode_options(CLI::App& app, std::string& orientation, std::string& grey16,
                        std::int64_t& max_pixels) {
    cli::add_text(app, "--orientation", orientation, "exif|ignore",
                  "whether EXIF orientation is honoured",
                  "The reference ignores it: photographs taken upright then lie on their side.")
        ->group(cli::kInputGroup);
    cli::add_text(app, "--grey16", grey16, "clip|scale",
                  "how grey pictures of 16 bits become 8 bits",
                  "The reference clips all values over 255, which leaves most such pictures white. "
                  "With scale, the upper 8 bits are taken.")
        ->group(cli::kInputGroup);
    cli::add_number<std::int64_t>(app, "--max-pixels", max_pixels, "N",
                                  "refuse larger pictures; 0 is no limit",
                                  "A small file can hold a picture that fills all memory. The "
                                  "default is where Pillow gives up, too.",
                                  0)
        ->group(cli::kInputGroup);
}

void add_picture_options(CLI::App& app, app::PictureSettings& settings) {
    cli::add_text(app, "--crop", settings.crop, "center|none", "what is kept of a picture",
                  "With center, the shorter side is resized to the model's input and the middle is "
                  "kept, as in the reference. With none, the whole picture is squeezed into the "
                  "square.")
        ->group(cli::kInputGroup);
    add_decode_options(app, settings.orientation, settings.grey16, settings.max_pixels);
}

void add_label_options(CLI::App& app, app::ClassifierSettings& settings) {
    cli::add_comma_list(app, "-l,--label", settings.labels, "NAME", "a label to choose from",
                        "Commas separate several; a label with a comma in it goes to a --labels "
                        "file.")
        ->group(kLabelGroup);
    cli::add_text(app, "--labels", settings.label_file, "FILE", "labels, one a line",
                  "After a tab, the names that stand for the label in prompts, separated by '|'; "
                  "their vectors are averaged.")
        ->group(kLabelGroup);
    cli::add_list(
        app, "-t,--template", settings.templates, "TEXT", "a prompt, with {} for the name",
        "Several are encoded one by one and their vectors averaged. Without any: \"a photo "
        "of a {}.\"")
        ->group(kLabelGroup);
    cli::add_text(app, "--templates", settings.template_file, "FILE", "prompts, one a line")
        ->group(kLabelGroup);
    cli::add_text(app, "--classifier", settings.file, "FILE",
                  "labels as an embedding file, in place of the above",
                  "Written by --save-classifier, or by clip-embed --text from the labels. The text "
                  "tower is then not needed.")
        ->group(kLabelGroup);
}

void add_truth_option(CLI::App& app, std::string& source, const char* group) {
    cli::add_text(
        app, "--truth", source, "folder|FILE", "where the true labels are",
        "With folder, the name of the folder that the picture lies in; else a file with a "
        "path, a tab and a label in each line.")
        ->group(group);
}

void add_activation_option(CLI::App& app, std::string& activation) {
    cli::add_text(app, "--activation", activation, "quick-gelu|gelu",
                  "override the activation that the checkpoint says",
                  "For checkpoints that say nothing or the wrong thing. OpenAI's models, and their "
                  "fine-tuned descendants, need quick-gelu.")
        ->group(cli::kModelGroup);
}

void add_errors_option(CLI::App& app, std::string& path) {
    cli::add_text(app, "--errors", path, "FILE", "write a JSON line for each input that failed",
                  "Its keys are path or text (or input, such as list.jsonl:42, where neither is "
                  "known), position (from 1), code and reason.")
        ->group(cli::kOutputGroup);
}

void StandardReporter::error(std::string_view subject, std::string_view message) {
    context_.diagnostics.error(subject, message);
}

void StandardReporter::warning(std::string_view subject, std::string_view message) {
    context_.diagnostics.warning(subject, message);
}

void StandardReporter::note(std::string_view message) {
    context_.diagnostics.note(message);
}

void StandardReporter::detail(std::string_view message) {
    context_.diagnostics.detail(message);
}

void StandardReporter::summary(std::string_view text) {
    context_.diagnostics.block(text);
}

void StandardReporter::progress(std::uint64_t count, std::uint64_t known,
                                std::optional<std::uint64_t> total) {
    if (total)
        progress_.set_total(*total);
    progress_.skip(known);
    progress_.add(count - known);
}

void StandardReporter::progress_note(std::string_view text) {
    progress_.set_note(std::string(text));
}

void StandardReporter::progress_end() {
    progress_.finish();
}

} // namespace clip::cmd
