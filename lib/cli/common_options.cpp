// SPDX-License-Identifier: MIT
#include "cli/common_options.hpp"

#include "cli/declare.hpp"

#include <CLI/CLI.hpp>

namespace clip::cli {
namespace {

// More threads than any machine has are a slip of the finger, and would fail late.
constexpr std::size_t kMostThreads = 4096;
constexpr std::size_t kMostBatch = 65536;

void add_threads_option(CLI::App& app, CommonOptions& options) {
    add_number<std::size_t>(
        app, "-j,--threads", options.threads, "N", "threads to compute with (default: all cores)",
        "0 stands for all cores. The output does not depend on it.", 0, kMostThreads)
        ->group(kModelGroup);
}

void add_device_option(CLI::App& app, CommonOptions& options) {
    add_text(app, "--device", options.device, "auto|cpu|cuda[:N]", "where to compute",
             "With auto, a CUDA device is used where the build and the machine have one.")
        ->group(kModelGroup);
}

} // namespace

void add_model_option(CLI::App& app, std::string& model) {
    add_text(
        app, "-m,--model", model, "MODEL", "checkpoint: a folder, a file or a model's name",
        "Without it, the value of the environment variable CLIP_MODEL; without that, the model "
        "that is installed with the toolkit.")
        ->envname("CLIP_MODEL")
        ->group(kModelGroup);
}

void add_message_options(CLI::App& app, CommonOptions& options) {
    add_switch(app, "--quiet", options.quiet, "no progress bar and no notes",
               "Inputs that fail are still named.")
        ->group(kMessageGroup);
    add_switch(app, "--progress", options.progress, "report progress even where no terminal is",
               "Without it, a progress bar is shown where standard error is a terminal. Where it "
               "is not one, a plain line is written every few seconds.")
        ->group(kMessageGroup);
    add_switch(app, "--verbose", options.verbose, "say what was chosen, and why")
        ->group(kMessageGroup);
}

void add_compute_options(CLI::App& app, CommonOptions& options) {
    add_threads_option(app, options);
    add_device_option(app, options);
}

void add_machine_options(CLI::App& app, CommonOptions& options) {
    add_model_option(app, options.model);
    add_threads_option(app, options);
    add_number<std::size_t>(app, "-b,--batch-size", options.batch_size, "N",
                            "inputs computed together (default: chosen)",
                            "Memory grows with it; the output does not depend on it. 0 stands for "
                            "the default.",
                            0, kMostBatch)
        ->group(kModelGroup);
    add_device_option(app, options);
    add_text(
        app, "--precision", options.precision, "fp32|bf16|fp16|int8|auto",
        "how the weights of matrix products are kept",
        "With auto, float32 on the CPU and float16 on a GPU. The others take less memory and are "
        "less exact; sums are float32 with each of them. GPUs have no int8.")
        ->group(kModelGroup);
}

void add_common_options(CLI::App& app, CommonOptions& options) {
    add_machine_options(app, options);
    add_message_options(app, options);
}

void add_null_option(CLI::App& app, bool& null_separated) {
    add_switch(app, "-0,--null", null_separated,
               "inputs on standard input end in NUL, not in a line break",
               "As written by find -print0. Without it, each line of standard input is one input.")
        ->group(kInputGroup);
}

void add_input_options(CLI::App& app, InputOptions& options, const std::string& operand_brief) {
    add_operands(app, "INPUT", options.operands, operand_brief);
    add_null_option(app, options.null_separated);
    add_switch(
        app, "-r,--recursive", options.recursive, "walk folders and take the pictures in them",
        "Folders are walked in sorted order; files that are not pictures are passed over. It "
        "holds for folders that a list names, too.")
        ->group(kInputGroup);
}

void add_output_option(CLI::App& app, std::string& output) {
    add_text(app, "-o,--output", output, "FILE", "write to FILE (default: standard output)",
             "FILE is replaced only when its new content is complete. A single dash is standard "
             "output.")
        ->group(kOutputGroup);
}

} // namespace clip::cli
