// SPDX-License-Identifier: MIT
// clip-train: pairs of pictures and captions in, a model out.
#include <CLI/CLI.hpp>

#include "app/train.hpp"
#include "cli/declare.hpp"
#include "session.hpp"

namespace {

using namespace clip;

constexpr const char* kExamples = R"(Examples:
  clip-train -o run --train-tokenizer 8192 --arch ViT-w256-l8-p16-i128 \
      --epochs 30 -b 512 pairs.tsv
  clip-train -o run --init openai/clip-vit-base-patch32 --lr 1e-5 --epochs 3 \
      -b 256 --val held-out.csv pairs.csv
  clip-train -o run -b 4096 --accumulate 32 --dry-run shards/*.tar
  mpirun -n 4 clip-train --resume -o run -b 4096 shards/*.tar
  clip-classify -m run/model -l dog,cat photo.jpg
)";

constexpr const char* kAugmentGroup = "Augmentation";
constexpr const char* kObjectiveGroup = "Objective";
constexpr const char* kRecipeGroup = "Recipe";

constexpr std::size_t kMostSteps = std::size_t{1} << 40;

void define_data(CLI::App& app, app::TrainOptions& options) {
    cli::add_operands(app, "DATA", options.data,
                      "a .csv, .tsv or .jsonl, a folder, or .tar shards");
    cli::add_comma_list(app, "--columns", options.columns, "A,B",
                        "columns of pictures and captions in tables",
                        "By their names in the header, or by numbers from 1. Without it, the "
                        "header's usual names are known, such as filepath and caption.")
        ->group(cli::kInputGroup);
    cli::add_list(app, "--val", options.validation, "DATA",
                  "held-out pairs to measure after each epoch",
                  "The mean loss, and how often a picture's own caption is the best of all "
                  "different ones. Training does not depend on it.")
        ->group(cli::kInputGroup);
    cmd::add_decode_options(app, options.orientation, options.grey16, options.max_pixels);
    cli::add_number<std::size_t>(app, "--shuffle-buffer", options.shuffle_buffer, "N",
                                 "pairs of shards that are shuffled together",
                                 "Shards come in a drawn order, and what comes next is drawn from "
                                 "so many of their pairs; only places are kept. Lists and folders "
                                 "are shuffled whole.",
                                 1, kMostSteps)
        ->group(cli::kInputGroup);
}

void define_augmentation(CLI::App& app, train::AugmentOptions& augment, std::string& background) {
    const auto add = [&app](const char* name, double& target, const char* brief,
                            const char* details, double least, double most) {
        cli::add_number<double>(app, name, target, "X", brief, details, least, most)
            ->group(kAugmentGroup);
    };
    add("--crop-scale", augment.min_scale, "smallest share of a picture that a crop keeps",
        "Below 1, crops have a random size, from this share of the picture's area on, and a random "
        "shape. At 1, as in the paper, a crop is the largest square at a random place.",
        0.01, 1);
    add("--zoom-out", augment.zoom_out, "shrink what is on a transparent ground by up to X",
        "Pictures with transparent pixels only: their sides become 1 - X to 1 of the crop's, at a "
        "random place.",
        0, 0.9);
    add("--rotate", augment.rotate, "turn by up to X degrees, either way", "", 0, 180);
    add("--flip", augment.flip, "probability of a mirror image",
        "Captions may say left and right, and letters suffer.", 0, 1);
    add("--color-jitter", augment.color_jitter,
        "change brightness, contrast, saturation by up to X",
        "Each is multiplied by a number from 1 - X to 1 + X.", 0, 1);
    add("--hue", augment.hue, "turn colours by up to X of the circle", "", 0, 0.5);
    add("--grayscale", augment.grayscale, "probability of a picture without colour", "", 0, 1);
    cli::add_text(app, "--background", background, "none|random",
                  "what is put behind transparent pictures",
                  "With random, white, nearly white, a colour or a gradient, drawn anew each time; "
                  "sometimes nothing, which is what other commands do: transparent parts are "
                  "black to them.")
        ->group(kAugmentGroup);
    add("--erase", augment.erase, "probability that a rectangle is blanked", "", 0, 1);
}

void define_model(CLI::App& app, app::TrainOptions& options) {
    cli::add_text(app, "--arch", options.arch, "NAME|FILE", "what is trained (default: ViT-B-32)",
                  "One of the paper's nine models, a description such as "
                  "ViT-w192-l12-p8-i64+w128-l4-c32, or a configuration of open_clip, in .json.")
        ->group(cli::kModelGroup);
    cli::add_text(app, "--init", options.init, "CHECKPOINT", "begin with the weights of a model",
                  "A folder, a file or a model's name, as for -m of the other commands. It says "
                  "the architecture, and its tokenizer is used.")
        ->group(cli::kModelGroup);
    cli::add_switch(app, "--lock-image", options.lock_image, "leave the picture tower as it is")
        ->group(cli::kModelGroup);
    cli::add_text(app, "--tokenizer", options.tokenizer, "FILE",
                  "tokenizer files, or the folder that they are in",
                  "Without it, what lies beside --init, in $CLIP_VOCAB or in the data folder. For "
                  "the model of --init it has to have as many ids, and should have the same.")
        ->group(cli::kModelGroup);
    cli::add_number<std::size_t>(app, "--train-tokenizer", options.train_tokenizer, "SIZE",
                                 "learn a vocabulary of SIZE ids from the captions", "", 0,
                                 std::size_t{1} << 24)
        ->group(cli::kModelGroup);
}

void define_objective(CLI::App& app, app::TrainOptions& options) {
    cli::add_text(app, "--objective", options.objective, "contrastive|bag-of-words|caption|siglip",
                  "what the model learns to predict")
        ->group(kObjectiveGroup);
    cli::add_text(app, "--equal-captions", options.equal_captions, "apart|together",
                  "whether rows of one caption belong together",
                  "As in the paper, the caption of another picture is a wrong answer even where it "
                  "has the same words. With together it is a right one.")
        ->group(kObjectiveGroup);
    cli::add_number<double>(app, "--label-smoothing", options.label_smoothing, "X",
                            "share of the weight that goes to all answers alike",
                            "For the contrastive objective.", 0, 0.999)
        ->group(kObjectiveGroup);
}

void define_recipe(CLI::App& app, app::TrainOptions& options) {
    const auto number = [&app](const char* name, std::optional<double>& target, const char* brief,
                               double least, double most) {
        cli::add_number<double>(app, name, target, "X", brief, "", least, most)
            ->group(kRecipeGroup);
    };
    cli::add_number<std::size_t>(app, "--epochs", options.epochs, "N",
                                 "how often all pairs are seen (default: 32)",
                                 "The learning rate falls to 0 at their end; therefore a resumed "
                                 "run cannot have more.",
                                 1, 1000000)
        ->group(kRecipeGroup);
    cli::add_number<std::size_t>(
        app, "-b,--batch-size", options.batch_size, "N",
        "pairs of a step, over all processes (default: chosen)",
        "The side of the matrix of similarities. It is split over processes and slices, and the "
        "model does not depend on how. The default leaves a hundred steps an epoch: a power of 2 "
        "from 32 to the paper's 32768.",
        1, std::size_t{1} << 24)
        ->group(kRecipeGroup);
    number("--lr", options.learning_rate, "learning rate at its highest (default: 5e-4)", 0, 1e30);
    cli::add_number<std::size_t>(app, "--warmup", options.warmup, "STEPS",
                                 "steps until the highest rate (default: 2000)",
                                 "At most a fifth of the run.", 0, kMostSteps)
        ->group(kRecipeGroup);
    number("--weight-decay", options.weight_decay, "decay of matrices (default: 0.2)", 0, 1000);
    number("--beta1", options.beta1, "decay of the mean of gradients (default: 0.9)", 0,
           0.999999999);
    number("--beta2", options.beta2, "decay of that of squares (default: 0.98; ResNets 0.999)", 0,
           0.999999999);
    number("--eps", options.eps, "epsilon of AdamW (default: 1e-6; ResNets 1e-8)", 0, 1);
    cli::add_number<double>(app, "--grad-clip", options.grad_clip, "X",
                            "largest norm of the gradient; 0 is no limit", "", 0)
        ->group(kRecipeGroup);
    cli::add_number<double>(app, "--average", options.average, "DECAY",
                            "keep a running mean of the weights; 0 is none",
                            "DECAY of the old mean stays at each step, such as 0.9995. The mean is "
                            "what RUN/model gets and what --val measures.",
                            0, 0.999999999)
        ->group(kRecipeGroup);
    cli::add_number<std::size_t>(app, "--accumulate", options.accumulate, "K",
                                 "compute a batch in K slices", "Less memory, the same gradients.",
                                 1, 65536)
        ->group(kRecipeGroup);
    cli::add_switch(app, "--checkpoint-activations", options.checkpoint_activations,
                    "compute activations twice rather than keep them",
                    "Much less memory, about a third more time, the same weights.")
        ->group(kRecipeGroup);
    cli::add_number<std::size_t>(app, "--seed", options.seed, "N", "of all that is drawn at random")
        ->group(kRecipeGroup);
}

void define_run(CLI::App& app, app::TrainOptions& options) {
    cli::add_text(app, "-o,--output", options.output, "FOLDER", "the folder of the run",
                  "It must be given, but for --dry-run.")
        ->group(cli::kOutputGroup);
    cli::add_switch(app, "--resume", options.resume, "go on with a run that was interrupted",
                    "To the weights of a run that was not. Where there is nothing yet, the run "
                    "begins at the beginning. All options are given again as they were; those that "
                    "decide the weights are compared, and a difference is refused.")
        ->group(cli::kOutputGroup);
    cli::add_switch(app, "--overwrite", options.overwrite, "begin anew where a run is already",
                    "What the earlier run left goes when there is something new in its place: its "
                    "state and its log with the first state, its models with the first model.")
        ->group(cli::kOutputGroup);
    cli::add_number<std::size_t>(
        app, "--keep", options.keep, "N", "models of how many epochs to keep",
        "RUN/model is the newest; with 2 or more, RUN/models/step-N too.", 1, 1000000)
        ->group(cli::kOutputGroup);
    cli::add_number<std::size_t>(app, "--save-every", options.save_every, "STEPS",
                                 "steps between states (default: an epoch)", "", 0, kMostSteps)
        ->group(cli::kOutputGroup);
    cli::add_number<std::size_t>(app, "--stop-after", options.stop_after, "STEPS",
                                 "stop after so many steps, to be resumed", "", 0, kMostSteps)
        ->group(cli::kOutputGroup);
    cli::add_switch(app, "--dry-run", options.dry_run, "show steps and memory, and touch nothing")
        ->group(cli::kOutputGroup);
    cli::add_text(app, "-f,--format", options.format, "table|json", "format of --dry-run")
        ->group(cli::kOutputGroup);
}

void define(CLI::App& app, app::TrainOptions& options, cli::CommonOptions& common) {
    define_data(app, options);
    define_augmentation(app, options.augment, options.background);
    define_run(app, options);
    define_objective(app, options);
    define_recipe(app, options);
    define_model(app, options);
    cli::add_compute_options(app, common);
    cli::add_number<std::size_t>(app, "--loader-threads", options.loader_threads, "N",
                                 "threads that prepare pictures (default: those of -j)", "", 0,
                                 4096)
        ->group(cli::kModelGroup);
    cli::add_text(app, "--precision", options.precision, "fp32|bf16|fp16|auto",
                  "how a GPU multiplies matrices",
                  "With auto, fp16, with a loss that is scaled so that small gradients are kept. "
                  "Weights and sums are float32 with each of them. The CPU computes in fp32 only.")
        ->group(cli::kModelGroup);
    cli::add_message_options(app, common);
}

int run(cli::RunContext& context, app::TrainOptions& options, const cli::CommonOptions& common) {
    options.threads = common.threads;
    options.device = cmd::device_of_process(common.device);
    options.backend = cmd::read_backend_options();
    cmd::StandardReporter reporter(context);
    const app::TrainSummary summary =
        app::run_training(options, cmd::read_environment("clip-train"), reporter);
    return summary.nothing_done ? cli::kNothingDone : cmd::exit_status(summary);
}

} // namespace

int main(int argc, char** argv) {
    app::TrainOptions options;
    cli::CommonOptions common;
    return cli::run_main(
        argc, argv,
        {.name = "clip-train",
         .summary = "train a model on pairs of pictures and captions",
         .version = cmd::kVersion,
         .version_lines = cmd::version_lines,
         .examples = kExamples,
         .define = [&](CLI::App& app) { define(app, options, common); },
         .run = [&](cli::RunContext& context) { return run(context, options, common); }});
}
