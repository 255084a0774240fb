// SPDX-License-Identifier: MIT
#include "app/train_plan.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "app/json_object.hpp"
#include "base/concat.hpp"
#include "io/utf8.hpp"

namespace clip::app {

namespace {

constexpr std::uint64_t kCaptions = 1000;
constexpr std::size_t kColumn = 20;

/// Rough: learned merges make about four tokens of three words.
std::size_t guessed_tokens(std::string_view text) {
    std::size_t words = 0;
    bool inside = false;
    for (const char c : text) {
        const bool blank = c == ' ' || c == '\t' || c == '\n' || c == '\r';
        words += !blank && !inside ? 1 : 0;
        inside = !blank;
    }
    return words * 4 / 3 + 2;
}

std::string size_text(std::uint64_t bytes) {
    constexpr std::array<const char*, 4> kUnits = {"B", "KiB", "MiB", "GiB"};
    auto value = static_cast<double>(bytes);
    std::size_t unit = 0;
    for (; value >= 1000 && unit + 1 < kUnits.size(); ++unit)
        value /= 1024;
    const double scale = value < 10 ? 100 : value < 100 ? 10 : 1;
    return concat(std::round(value * scale) / scale, " ", kUnits[unit]);
}

/// As --precision has it.
std::string_view precision_name(DType dtype) {
    return dtype == DType::f16 ? "fp16" : dtype == DType::bf16 ? "bf16" : "fp32";
}

std::string row(std::string_view name, const std::string& value) {
    std::string line(name);
    line.resize(std::max(kColumn, line.size() + 1), ' ');
    return line + value + "\n";
}

} // namespace

double mean_tokens(const train::PairSource& pairs, const Tokenizer* tokenizer,
                   std::size_t context_length) {
    const std::uint64_t count = std::min(pairs.size(), kCaptions);
    std::uint64_t read = 0, tokens = 0;
    std::vector<std::string> captions;
    for (std::uint64_t i = 0; i < count; ++i) {
        try {
            pairs.read_captions(i * pairs.size() / count, captions);
        } catch (const Error&) {
            continue; // it will be named when it is trained on
        }
        if (captions.empty() || !io::is_valid_utf8(captions[0]))
            continue;
        const std::size_t length =
            tokenizer != nullptr
                ? tokenizer->encode_for_model(captions[0], context_length).ids.size()
                : guessed_tokens(captions[0]);
        tokens += std::min(length, context_length);
        ++read;
    }
    return read == 0 ? static_cast<double>(context_length)
                     : static_cast<double>(tokens) / static_cast<double>(read);
}

std::string plan_table(const PlannedRun& run) {
    const trainer::TrainingPlan& plan = run.plan;
    const trainer::Recipe& recipe = run.recipe;
    const int ranks = run.data.ranks;
    const char* whose = ranks > 1 ? ", of each process" : "";
    const std::string where = plan.on_device ? ", on the GPU" : "";
    const bool vit = run.start.config.vision.vit; // what a ResNet takes is known in part
    return row("model", run.start.config.name()) +
           row("begins with",
               run.start.checkpoint ? run.start.checkpoint->id() : "random weights") +
           row("vocabulary", concat(run.start.config.text.vocab_size)) +
           row("parameters", concat(plan.parameters, ", ", plan.trained, " trained")) +
           row("objective", std::string(trainer::objective_name(recipe.objective.objective))) +
           row("pairs", concat(run.data.pairs)) +
           row("tokens a caption", concat(std::round(run.data.tokens_per_text * 10) / 10)) +
           row("batch",
               concat(recipe.batch_size, " in ", ranks, ranks == 1 ? " process, " : " processes, ",
                      recipe.slices, recipe.slices == 1 ? " slice" : " slices")) +
           row("epochs", concat(recipe.epochs)) +
           row("steps", concat(plan.steps, ", ", plan.steps_per_epoch, " an epoch")) +
           row("threads", concat(run.threads)) +
           row("memory", concat(size_text(plan.total()), where, whose)) +
           row("  weights", size_text(plan.weight_bytes)) +
           row("  gradients", size_text(plan.gradient_bytes)) +
           row("  optimizer", size_text(plan.optimizer_bytes)) +
           row("  packed weights", size_text(plan.packed_bytes)) +
           row("  activations",
               concat(size_text(plan.activation_bytes),
                      plan.on_device ? concat(", ", precision_name(recipe.precision),
                                              vit ? " inside of blocks" : " inside of text blocks")
                                     : "")) +
           (plan.on_device ? row("  pictures", size_text(plan.picture_bytes)) +
                                 row("  workspace", concat(vit ? "about " : "at least ",
                                                           size_text(plan.workspace_bytes))) +
                                 row("host memory", size_text(plan.input_bytes)) +
                                 row("  pictures ahead", size_text(plan.input_bytes))
                           : row("  pictures ahead", size_text(plan.input_bytes)));
}

std::string plan_json(const PlannedRun& run) {
    const trainer::TrainingPlan& plan = run.plan;
    const trainer::Recipe& recipe = run.recipe;
    const std::string bytes =
        JsonObject()
            .count("total", plan.total())
            .count("weights", plan.weight_bytes)
            .count("gradients", plan.gradient_bytes)
            .count("optimizer", plan.optimizer_bytes)
            .count("packed_weights", plan.packed_bytes)
            .count("activations", plan.activation_bytes)
            .count("inputs", plan.on_device ? plan.picture_bytes : plan.input_bytes)
            .count("workspace", plan.workspace_bytes)
            .str();
    const std::string host =
        JsonObject().count("inputs", plan.on_device ? plan.input_bytes : 0).str();
    JsonObject object;
    object.text("model", run.start.config.name());
    if (run.start.checkpoint)
        object.text("init", run.start.checkpoint->id());
    else
        object.null("init");
    object.count("vocabulary", static_cast<std::uint64_t>(run.start.config.text.vocab_size))
        .count("parameters", plan.parameters)
        .count("trained", plan.trained)
        .text("objective", trainer::objective_name(recipe.objective.objective))
        .count("pairs", run.data.pairs)
        .number("tokens_per_caption", run.data.tokens_per_text)
        .count("batch_size", recipe.batch_size)
        .count("processes", static_cast<std::uint64_t>(run.data.ranks))
        .count("slices", recipe.slices)
        .count("epochs", recipe.epochs)
        .count("steps_per_epoch", plan.steps_per_epoch)
        .count("steps", plan.steps)
        .count("threads", run.threads)
        .text("device", run.device.is_cpu() ? "cpu" : "cuda")
        .text("precision", precision_name(recipe.precision))
        .raw("bytes", bytes);
    if (plan.on_device)
        object.raw("host_bytes", host);
    return object.str() + "\n";
}

} // namespace clip::app
