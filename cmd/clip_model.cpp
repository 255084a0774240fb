// SPDX-License-Identifier: MIT
// clip-model: looks into checkpoints, tokens and pixels; writes checkpoints.
#include <functional>
#include <optional>

#include <CLI/CLI.hpp>

#include "app/model_convert.hpp"
#include "app/model_info.hpp"
#include "app/model_path.hpp"
#include "app/model_pixels.hpp"
#include "app/model_tokens.hpp"
#include "cli/declare.hpp"
#include "session.hpp"

namespace {

using namespace clip;

constexpr const char* kExamples = R"(Examples:
  clip-model info ViT-B-32.pt
  clip-model check ~/models/*
  clip-model tokens -m ViT-B-32.pt 'a photo of a dog' | jq -c .tokens
  clip-model pixels -m ViT-B-32.pt -o pixels.npy photo.jpg
  clip-model convert ViT-B-32.pt --layout hf -o clip-vit-base-patch32
  clip-model average zeroshot.pt finetuned.pt --weight 0.3 -o wise-ft
)";

struct InspectOptions {
    cli::CommonOptions common;
    std::vector<std::string> models;
    std::vector<std::string> texts;
    std::string model; ///< of convert
    std::string picture;
    std::string output;
    std::string format = "text";
    std::string activation;
    std::string vocabulary;
    bool null_separated = false;
    std::size_t size = 0;
    std::optional<double> weight;
    app::CheckpointOutput written;
    app::CheckpointOutput averaged{.folder = {}, .dtype = "f32"};
    app::PictureSettings pictures;
};

/// -o, --layout, --dtype, --overwrite and --activation.
void add_checkpoint_output(CLI::App& app, app::CheckpointOutput& output) {
    cli::add_text(app, "-o,--output", output.folder, "FOLDER", "folder to write",
                  "It appears under its name when it is complete, and only where nothing is there "
                  "yet.")
        ->required()
        ->group(cli::kOutputGroup);
    cli::add_text(app, "--layout", output.layout, "open_clip|hf", "whose files it consists of",
                  "With open_clip: open_clip_config.json and open_clip_model.safetensors. With hf, "
                  "those of a CLIPModel of transformers: config.json, preprocessor_config.json, "
                  "tokenizer_config.json and model.safetensors; ResNets have no such form. "
                  "Either way vocab.json and merges.txt (or a tokenizer.json) lie beside.")
        ->group(cli::kOutputGroup);
    cli::add_text(app, "--dtype", output.dtype, "stored|f32|f16|bf16", "how numbers are stored",
                  "With stored, each weight keeps its type, in an average that of the first model; "
                  "float64 becomes float32. "
                  "With f16 and bf16, normalisation (statistics too), embeddings and logit_scale "
                  "stay float32, as in the files that OpenAI published; all other weights are "
                  "rounded. What f16 cannot hold is an error.")
        ->group(cli::kOutputGroup);
    cli::add_switch(app, "--overwrite", output.overwrite, "replace FOLDER where it is there",
                    "The old one and the new one are exchanged in one step. A folder that holds "
                    "anything but files that this command writes is left alone.")
        ->group(cli::kOutputGroup);
    cmd::add_activation_option(app, output.activation);
}

void define(CLI::App& app, InspectOptions& options) {
    app.require_subcommand(1);
    CLI::App* info = app.add_subcommand("info", "show what a checkpoint is");
    cli::add_operands(*info, "MODEL", options.models, "checkpoints (default: as -m would choose)");
    cli::add_text(*info, "-f,--format", options.format, "text|json", "how it is written",
                  "With json, one object a model, on one line.")
        ->group(cli::kOutputGroup);
    cmd::add_activation_option(*info, options.activation);
    cli::add_model_option(*info, options.common.model);

    CLI::App* check = app.add_subcommand("check", "read every byte and name what is wrong");
    cli::add_operands(*check, "MODEL", options.models, "checkpoints (default: as -m would choose)");
    cli::add_model_option(*check, options.common.model);

    CLI::App* tokens = app.add_subcommand("tokens", "show the token ids of texts");
    cli::add_operands(*tokens, "TEXT", options.texts, "texts, or - for lines of standard input");
    cli::add_null_option(*tokens, options.null_separated);
    cli::add_text(*tokens, "--vocab", options.vocabulary, "FILE",
                  "tokenizer file or folder, in place of a model's",
                  "No model is then needed. It may be bpe_simple_vocab_16e6.txt.gz, a "
                  "tokenizer.json, or a folder with one of them or with vocab.json and merges.txt.")
        ->group(cli::kInputGroup);
    cli::add_model_option(*tokens, options.common.model);

    CLI::App* pixels = app.add_subcommand("pixels", "show what the picture tower is given");
    cli::add_operand(*pixels, "IMAGE", options.picture, "a picture");
    cmd::add_picture_options(*pixels, options.pictures);
    cli::add_number<std::size_t>(
        *pixels, "--size", options.size, "N", "side of the result, in place of a model's",
        "No model is then needed, and OpenAI's mean and standard deviation "
        "are used.",
        1, 4096)
        ->group(cli::kInputGroup);
    cli::add_text(*pixels, "-o,--output", options.output, "FILE",
                  "file to write, in NumPy's format; - is standard output",
                  "float32 of shape (3, N, N).")
        ->required()
        ->group(cli::kOutputGroup);
    cli::add_model_option(*pixels, options.common.model);

    CLI::App* convert = app.add_subcommand("convert", "write a checkpoint in another layout");
    cli::add_operand(*convert, "MODEL", options.model, "a checkpoint");
    add_checkpoint_output(*convert, options.written);

    CLI::App* average = app.add_subcommand("average", "write the average of checkpoints");
    cli::add_operands(*average, "MODEL", options.models, "two or more checkpoints");
    cli::add_number(*average, "--weight", options.weight, "W", "share of the second of two models",
                    "The first one has the rest, as in WiSE-FT. Without it, all count alike.", 0.0,
                    1.0)
        ->group(cli::kInputGroup);
    add_checkpoint_output(*average, options.averaged);
    cli::add_message_options(app, options.common);
}

/// Does something with each model of the operands, or with the one that -m, $CLIP_MODEL or the
/// installation means. One that cannot be used is named, and the rest goes on. Returns whether none
/// could be used.
bool for_each_model(const InspectOptions& options, const app::Environment& world,
                    app::Reporter& reporter, const std::function<void(const std::string&)>& body) {
    std::vector<std::string> names = options.models;
    if (names.empty())
        names.push_back(options.common.model);
    std::size_t failed = 0;
    for (const std::string& name : names) {
        try {
            body(app::find_model(name, world));
        } catch (const Error& error) {
            if (error.code() == ErrorCode::interrupted || names.size() == 1)
                throw;
            const std::string_view reason = error.what();
            const bool named = reason.starts_with(name + ": ");
            reporter.error(name, named ? reason.substr(name.size() + 2) : reason);
            ++failed;
        }
    }
    return failed == names.size();
}

void info(const InspectOptions& options, const std::string& path, cli::RunContext& context,
          app::Reporter& reporter) {
    const Checkpoint checkpoint =
        open_checkpoint(path, {app::parse_activation(options.activation)});
    for (const std::string& note : checkpoint.notes)
        reporter.warning("", note);
    app::print_model_info(checkpoint, options.format == "json", context.out);
}

void tokens(const InspectOptions& options, const app::Environment& world, cli::RunContext& context,
            app::Reporter& reporter) {
    const auto print = [&](const Tokenizer& tokenizer) {
        app::print_tokens(tokenizer, options.texts, options.null_separated, context.out, reporter);
    };
    if (!options.vocabulary.empty()) {
        const auto tokenizer = find_tokenizer({options.vocabulary}, 0);
        if (!tokenizer)
            fail(ErrorCode::not_found, options.vocabulary + ": no tokenizer's files are there");
        print(*tokenizer);
        return;
    }
    app::ModelSettings settings = cmd::model_settings(options.common);
    settings.threads = 1;
    settings.device = "cpu"; // for a tokenizer
    app::Machine machine(settings);
    app::ModelSession session(settings, world, machine, reporter);
    print(session.tokenizer());
}

void pixels(const InspectOptions& options, const app::Environment& world) {
    ModelConfig config;
    if (options.size != 0)
        config.vision.image_size = static_cast<std::int64_t>(options.size);
    else
        config = open_checkpoint(app::find_model(options.common.model, world)).config;
    app::write_pixels(options.picture, {.max_pixels = options.pictures.max_pixels},
                      app::preprocess_options(options.pictures, config), options.output);
}

int run(cli::RunContext& context, const InspectOptions& options) {
    cmd::StandardReporter reporter(context);
    const app::Environment world = cmd::read_environment("clip-model");
    bool nothing_done = false;
    if (context.command == "info")
        nothing_done = for_each_model(options, world, reporter, [&](const std::string& path) {
            info(options, path, context, reporter);
        });
    else if (context.command == "check")
        nothing_done = for_each_model(options, world, reporter, [&](const std::string& path) {
            app::check_model(path, context.out, reporter);
        });
    else if (context.command == "tokens")
        tokens(options, world, context, reporter);
    else if (context.command == "convert")
        app::convert_model(options.model, options.written, world, reporter);
    else if (context.command == "average")
        app::average_models(options.models, options.weight, options.averaged, world, reporter);
    else
        pixels(options, world);
    return nothing_done ? cli::kNothingDone : cli::kDone; // or kSomeFailed, by what was reported
}

} // namespace

int main(int argc, char** argv) {
    InspectOptions options;
    return cli::run_main(argc, argv,
                         {.name = "clip-model",
                          .summary = "look into checkpoints, convert and average them",
                          .version = cmd::kVersion,
                          .version_lines = cmd::version_lines,
                          .examples = kExamples,
                          .define = [&](CLI::App& app) { define(app, options); },
                          .run = [&](cli::RunContext& context) { return run(context, options); }});
}
