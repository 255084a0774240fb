// SPDX-License-Identifier: MIT
// The options that several commands share, declared once so that they are spelt and explained alike
// everywhere.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace CLI {
class App;
} // namespace CLI

namespace clip::cli {

/// Headings of the help text, in the order in which commands should declare them.
inline constexpr const char* kInputGroup = "Input";
inline constexpr const char* kOutputGroup = "Output";
inline constexpr const char* kModelGroup = "Model and machine";
inline constexpr const char* kMessageGroup = "Messages";

/// -m, -j, -b, --device, --precision.
struct CommonOptions {
    std::string model;              ///< empty: the model installed with the toolkit
    std::size_t threads = 0;        ///< 0: all cores
    std::size_t batch_size = 0;     ///< 0: chosen
    std::string device = "auto";    ///< auto, cpu, cuda or cuda:N
    std::string precision = "auto"; ///< fp32, bf16, fp16, int8 or auto
    bool quiet = false;             ///< no progress bar and no notes
    bool progress = false;          ///< a progress report even where no terminal is
    bool verbose = false;           ///< what was chosen, and why
};

/// -m, -j, -b, --device and --precision, for subcommands: messages are options of the command.
void add_machine_options(CLI::App& app, CommonOptions& options);
/// Only -j and --device, for commands that compute without a model.
void add_compute_options(CLI::App& app, CommonOptions& options);
/// All of the above, and those of messages.
void add_common_options(CLI::App& app, CommonOptions& options);
/// Only --quiet, --progress and --verbose, for commands that run no model.
void add_message_options(CLI::App& app, CommonOptions& options);
/// Only -m/--model; $CLIP_MODEL holds where it is not given.
void add_model_option(CLI::App& app, std::string& model);

/// Operands and how they are read.
struct InputOptions {
    std::vector<std::string> operands; ///< none: standard input; "-" among them is it too
    bool null_separated = false; ///< -0: NUL and not a line break ends a name on standard input
    bool recursive = false;      ///< -r: walk folders
};

/// Only -0/--null, for commands with operands of their own.
void add_null_option(CLI::App& app, bool& null_separated);

/// [INPUT]..., -0/--null and -r/--recursive.
void add_input_options(CLI::App& app, InputOptions& options, const std::string& operand_brief);

/// -o/--output; "-" and nothing are standard output.
void add_output_option(CLI::App& app, std::string& output);

} // namespace clip::cli
