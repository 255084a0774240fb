// SPDX-License-Identifier: MIT
#include "model/checkpoint.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>

#include "base/concat.hpp"
#include "model/activation_source.hpp"
#include "model/checkpoint_files.hpp"
#include "model/config_files.hpp"
#include "model/digest.hpp"
#include "model/weight_names.hpp"

namespace clip {

namespace {

/// Takes `said`, the configuration of a file, after holding each of its sizes against `seen`, what
/// the weights' shapes say.
void check_sizes(const ModelConfig& said, const ModelConfig& seen, const std::string& config_path) {
    const auto same = [&](const char* what, std::int64_t config, std::int64_t weights) {
        if (config != weights)
            fail(ErrorCode::shape_mismatch, concat(config_path, ": ", what, " is ", config,
                                                   ", but the weights have ", weights));
    };
    if (said.vision.vit != seen.vision.vit)
        fail(ErrorCode::shape_mismatch,
             concat(config_path, ": the picture tower is a ", said.vision.vit ? "ViT" : "ResNet",
                    ", but the weights are of a ", seen.vision.vit ? "ViT" : "ResNet"));
    same("the embedding width", said.embed_dim, seen.embed_dim);
    same("the vision width", said.vision.width, seen.vision.width);
    same("the number of vision layers", said.vision.layers, seen.vision.layers);
    same("the patch size", said.vision.patch_size, seen.vision.patch_size);
    same("the vision MLP width", said.vision.mlp_width, seen.vision.mlp_width);
    for (std::size_t stage = 0; stage < 4; ++stage)
        same("the number of blocks of a stage", said.vision.stages[stage],
             seen.vision.stages[stage]);
    same("the grid of the picture tower", said.vision.grid(), seen.vision.grid());
    same("the context length", said.text.context_length, seen.text.context_length);
    same("the vocabulary size", said.text.vocab_size, seen.text.vocab_size);
    same("the text width", said.text.width, seen.text.width);
    same("the number of text layers", said.text.layers, seen.text.layers);
    same("the text MLP width", said.text.mlp_width, seen.text.mlp_width);
}

void check_heads(const ModelConfig& config, const std::string& path) {
    const auto divides = [&](const char* tower, std::int64_t heads, std::int64_t width) {
        if (heads < 1 || width % heads != 0)
            fail(ErrorCode::unsupported, concat(path, ": ", heads, " heads do not divide the ",
                                                tower, " width of ", width));
    };
    divides("vision", config.vision.heads, config.vision.output_width());
    divides("text", config.text.heads, config.text.width);
    if (!config.vision.vit && config.vision.width % 2 != 0)
        fail(ErrorCode::unsupported, concat(path, ": odd ResNet width ", config.vision.width));
}

/// Every weight of the configuration must be there, and nothing that would change the result.
void check_weights(const std::vector<WeightSpec>& specs, const std::vector<Weights::Entry>& entries,
                   NameLayout layout, const std::string& path) {
    auto entry = entries.begin();
    for (const WeightSpec& spec : specs) {
        if (entry != entries.end() && entry->name < spec.name)
            break;
        if (entry == entries.end() || entry->name != spec.name)
            fail(ErrorCode::not_found,
                 concat(path, ": tensor ", stored_name(spec.name, layout), " is missing"));
        if (entry->shape != spec.shape)
            fail(ErrorCode::shape_mismatch,
                 concat(path, ": tensor ", stored_name(spec.name, layout), ": wrong shape (got ",
                        entry->shape.to_string(), ", want ", spec.shape.to_string(), ")"));
        ++entry;
    }
    if (entry != entries.end())
        fail(ErrorCode::unsupported, concat(path, ": tensor ", stored_name(entry->name, layout),
                                            " belongs to no part of this architecture"));
}

bool inside_a_tower(std::string_view name) {
    return name.starts_with("text_model.") || name.starts_with("vision_model.");
}

std::string layout_name(const LoadedTensors& loaded, NameLayout names, bool prefixed,
                        bool open_clip_config) {
    if (loaded.torchscript)
        return "openai-jit";
    if (names == NameLayout::hf)
        return "hf";
    if (open_clip_config)
        return "open_clip";
    return prefixed || !loaded.nested_key.empty() ? "open_clip-train" : "openai-state";
}

} // namespace

Checkpoint open_checkpoint(const std::string& path, const OpenOptions& options) {
    const CheckpointFiles files = find_checkpoint_files(path);
    LoadedTensors loaded = load_tensors(files);
    const std::string where = loaded.store.path();
    std::string prefix;
    const NameLayout names = detect_layout(loaded.store, &prefix);
    NamedTensors named = canonical_tensors(loaded.store, names, prefix);

    Checkpoint checkpoint;
    checkpoint.path = path;
    checkpoint.files = files.weights;
    checkpoint.tokenizer_places = {files.folder};
    for (const std::string& name : named.unknown) {
        if (inside_a_tower(std::string_view(name).substr(prefix.size())))
            fail(ErrorCode::unsupported,
                 concat(where, ": tensor ", name, " belongs to no part of this architecture"));
        checkpoint.notes.push_back(concat(where, ": tensor ", name, " is not used"));
    }
    for (const std::string& name : loaded.foreign)
        checkpoint.notes.push_back(concat(where, ": names ", name, ", which is not run"));

    const ModelConfig seen = infer_config(named.entries, names, where);
    checkpoint.config = seen;
    std::optional<std::string> config_path;
    if (!loaded.torchscript)
        config_path =
            files.beside(names == NameLayout::hf ? "config.json" : "open_clip_config.json");
    if (config_path) {
        checkpoint.files.push_back(*config_path);
        if (names == NameLayout::hf) {
            const auto preprocessor = files.beside("preprocessor_config.json");
            checkpoint.config = read_hf_config(*config_path, preprocessor.value_or(""));
            if (preprocessor)
                checkpoint.files.push_back(*preprocessor);
        } else {
            checkpoint.config = read_open_clip_config(*config_path, checkpoint.notes);
        }
        check_sizes(checkpoint.config, seen, *config_path);
    }
    check_heads(checkpoint.config, config_path.value_or(where));
    check_weights(weight_specs(checkpoint.config), named.entries, names, where);
    checkpoint.layout = layout_name(loaded, names, !prefix.empty(),
                                    config_path.has_value() && names == NameLayout::openai);
    if (!config_path)
        decide_activation(loaded, checkpoint.layout, files, checkpoint.config);
    if (options.activation) {
        checkpoint.config.vision.activation = checkpoint.config.text.activation =
            *options.activation;
        checkpoint.config.activation_source = "given by the user";
        checkpoint.config.activation_assumed = false;
    }
    if (checkpoint.config.activation_assumed)
        checkpoint.notes.push_back(
            concat(where, ": activation ", checkpoint.config.activation_source));

    checkpoint.weights = Weights(std::make_shared<const io::TensorStore>(std::move(loaded.store)),
                                 std::move(named.entries));
    checkpoint.weights.load_range_f32("logit_scale", 0, 1, &checkpoint.logit_scale);
    if (!std::isfinite(checkpoint.logit_scale))
        fail(ErrorCode::bad_format, where + ": logit_scale is not a finite number");
    checkpoint.digest = weights_digest(checkpoint.weights);
    checkpoint.weights.release_all();
    return checkpoint;
}

} // namespace clip
