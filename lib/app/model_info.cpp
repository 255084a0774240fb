// SPDX-License-Identifier: MIT
#include "app/model_info.hpp"

#include <cmath>
#include <map>
#include <utility>
#include <vector>

#include "base/concat.hpp"
#include "io/json_text.hpp"
#include "io/path_escape.hpp"

namespace clip::app {

namespace {

/// One line of the report: strings are quoted in JSON, everything else stands as it is.
struct Line {
    std::string key;
    std::string value;
    bool is_text = false;
};

std::string list(const std::array<float, 3>& values) {
    return concat("[", values[0], ",", values[1], ",", values[2], "]");
}

/// "f16 152, f32 150": how many tensors of each stored element type.
std::string stored_types(const Weights& weights) {
    std::map<std::string_view, int> counts;
    for (const Weights::Entry& entry : weights.entries())
        ++counts[dtype_name(weights.stored_dtype(entry.name))];
    std::string out;
    for (const auto& [name, count] : counts)
        out += concat(out.empty() ? "" : ", ", name, " ", count);
    return out;
}

std::vector<Line> describe(const Checkpoint& checkpoint) {
    const ModelConfig& config = checkpoint.config;
    const VisionConfig& vision = config.vision;
    const TextConfig& text = config.text;
    std::int64_t parameters = 0;
    for (const Weights::Entry& entry : checkpoint.weights.entries())
        parameters += entry.shape.numel();

    std::vector<Line> lines;
    const auto add_text = [&](const char* key, std::string value) {
        lines.push_back({key, std::move(value), true});
    };
    const auto add = [&](const char* key, auto value) { lines.push_back({key, concat(value)}); };
    add_text("model", checkpoint.id());
    add_text("path", io::path_to_utf8(checkpoint.path));
    add_text("layout", checkpoint.layout);
    add("parameters", parameters);
    add_text("stored", stored_types(checkpoint.weights));
    add("embed_dim", config.embed_dim);
    add_text("activation", std::string(activation_name(vision.activation)));
    if (text.activation != vision.activation)
        add_text("text_activation", std::string(activation_name(text.activation)));
    add_text("activation_source", config.activation_source);
    add("logit_scale", static_cast<float>(std::exp(double{checkpoint.logit_scale})));
    add("image_size", vision.image_size);
    add_text("vision", vision.vit ? "vit" : "resnet");
    add("vision_width", vision.width);
    add("vision_heads", vision.heads);
    if (vision.vit) {
        add("vision_layers", vision.layers);
        add("patch_size", vision.patch_size);
        add("vision_mlp_width", vision.mlp_width);
    } else {
        const auto& s = vision.stages;
        lines.push_back({"vision_layers", concat("[", s[0], ",", s[1], ",", s[2], ",", s[3], "]")});
    }
    add("context_length", text.context_length);
    add("vocab_size", text.vocab_size);
    add("text_width", text.width);
    add("text_heads", text.heads);
    add("text_layers", text.layers);
    add("text_mlp_width", text.mlp_width);
    lines.push_back({"mean", list(config.mean)});
    lines.push_back({"std", list(config.std)});
    return lines;
}

} // namespace

void print_model_info(const Checkpoint& checkpoint, bool json, std::ostream& out) {
    const std::vector<Line> lines = describe(checkpoint);
    std::string text;
    for (const Line& line : lines) {
        if (json) {
            text += text.empty() ? '{' : ',';
            io::append_json_string(text, line.key);
            text += ':';
            if (line.is_text)
                io::append_json_string(text, line.value);
            else
                text += line.value;
        } else {
            text += line.key + std::string(20 - line.key.size(), ' ') + line.value + "\n";
        }
    }
    out << text << (json ? "}\n" : "");
}

void check_model(const std::string& path, std::ostream& out, Reporter& reporter) {
    const CheckReport report = check_checkpoint(path);
    for (const std::string& problem : report.problems) {
        // Most name the file inside the folder already.
        const bool named = problem.starts_with(path + ": ");
        reporter.error(path, named ? problem.substr(path.size() + 2) : problem);
    }
    if (report.problems.empty())
        out << concat(path, ": sound: ", report.tensors, " tensors, ", report.parameters,
                      " parameters, ", report.bytes, " bytes\n");
}

} // namespace clip::app
