// SPDX-License-Identifier: MIT
// Keys and defaults: huggingface/transformers, models/clip/configuration_clip.py and
// image_processing_clip.py.
#include <nlohmann/json.hpp>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "model/config_files.hpp"
#include "model/config_json.hpp"

namespace clip {

namespace {

using json = nlohmann::json;

constexpr std::int64_t kMaxExtent = std::int64_t{1} << 20;
constexpr std::int64_t kMaxLayers = 1024;

/// What every configuration of transformers carries: names, text generation, bookkeeping. None of
/// it reaches the forward pass of a CLIPModel.
void accept_bookkeeping(ConfigObject& object) {
    object.accept({"_name_or_path",
                   "_commit_hash",
                   "_attn_implementation",
                   "_attn_implementation_autoset",
                   "architectures",
                   "attn_implementation",
                   "bos_token_id",
                   "pad_token_id",
                   "sep_token_id",
                   "decoder_start_token_id",
                   "dtype",
                   "torch_dtype",
                   "transformers_version",
                   "tokenizer_class",
                   "id2label",
                   "label2id",
                   "initializer_factor",
                   "initializer_range",
                   "attention_dropout",
                   "dropout",
                   "logit_scale_init_value",
                   "return_dict",
                   "tie_word_embeddings",
                   "torchscript",
                   "use_cache"});
    // Parameters of generate(), which these models do not have.
    object.accept({"diversity_penalty", "early_stopping", "length_penalty", "max_length",
                   "min_length", "num_beam_groups", "num_beams", "num_return_sequences",
                   "repetition_penalty", "temperature", "top_k", "top_p", "typical_p",
                   "do_sample"});
}

/// A section with what its older spelling ("text_config_dict") says on top, as transformers does.
json merged_section(ConfigObject& root, const char* key) {
    json section = json::object();
    const std::string old_key = std::string(key) + "_dict";
    for (const std::string& spelling : {std::string(key), old_key}) {
        const json* found = root.value(spelling.c_str());
        if (found == nullptr)
            continue;
        if (!found->is_object())
            fail(ErrorCode::bad_format, concat(root.where(), ": ", spelling, " is not an object"));
        section.update(*found);
    }
    return section;
}

Activation read_activation(ConfigObject& object) {
    const std::string name = object.text("hidden_act", "quick_gelu");
    if (name == "quick_gelu")
        return Activation::quick_gelu;
    if (name == "gelu")
        return Activation::gelu;
    fail(ErrorCode::unsupported, concat(object.where(), ": hidden_act ", name,
                                        " is not supported (only quick_gelu and gelu)"));
}

void require_type(ConfigObject& object, const char* type) {
    object.require("model_type", type);
}

double read_text(const json& section, const std::string& where, TextConfig& text,
                 std::int64_t* projection) {
    ConfigObject object(section, where);
    text.width = object.integer("hidden_size", 512, 1, kMaxExtent);
    text.mlp_width = object.integer("intermediate_size", 2048, 1, kMaxExtent);
    text.layers = object.integer("num_hidden_layers", 12, 1, kMaxLayers);
    text.heads = object.integer("num_attention_heads", 8, 1, kMaxExtent);
    text.context_length = object.integer("max_position_embeddings", 77, 2, kMaxExtent);
    text.vocab_size = object.integer("vocab_size", 49408, 3, std::int64_t{1} << 24);
    text.activation = read_activation(object);
    // 2 is how old files spell "the largest id"; anything else is looked for by its value.
    const std::int64_t end = object.integer("eos_token_id", 2, 0, std::int64_t{1} << 24);
    if (end != 2 && end != text.vocab_size - 1)
        fail(ErrorCode::unsupported,
             concat(where, ": eos_token_id ", end, " is not supported (only the last id, ",
                    text.vocab_size - 1, ", or 2)"));
    *projection = object.integer("projection_dim", *projection, 1, kMaxExtent);
    require_type(object, "clip_text_model");
    const double eps = object.number("layer_norm_eps", 1e-5);
    accept_bookkeeping(object);
    object.finish();
    return eps;
}

double read_vision(const json& section, const std::string& where, VisionConfig& vision,
                   std::int64_t* projection) {
    ConfigObject object(section, where);
    vision.vit = true;
    vision.width = object.integer("hidden_size", 768, 1, kMaxExtent);
    vision.mlp_width = object.integer("intermediate_size", 3072, 1, kMaxExtent);
    vision.layers = object.integer("num_hidden_layers", 12, 1, kMaxLayers);
    vision.heads = object.integer("num_attention_heads", 12, 1, kMaxExtent);
    vision.image_size = object.integer("image_size", 224, 1, kMaxExtent);
    vision.patch_size = object.integer("patch_size", 32, 1, kMaxExtent);
    vision.activation = read_activation(object);
    object.require("num_channels", 3);
    *projection = object.integer("projection_dim", *projection, 1, kMaxExtent);
    require_type(object, "clip_vision_model");
    object.accept({"eos_token_id"});
    const double eps = object.number("layer_norm_eps", 1e-5);
    accept_bookkeeping(object);
    object.finish();
    return eps;
}

/// A size that transformers writes as a number or as {"height", "width"} or {"shortest_edge"}.
std::int64_t read_side(ConfigObject& object, const char* key, std::int64_t fallback) {
    const json* found = object.value(key);
    if (found == nullptr || found->is_number())
        return object.integer(key, fallback, 1, kMaxExtent);
    ConfigObject sides(*found, concat(object.where(), ": ", key));
    const std::int64_t shortest = sides.integer("shortest_edge", -1, 1, kMaxExtent);
    const std::int64_t height = sides.integer("height", -1, 1, kMaxExtent);
    const std::int64_t width = sides.integer("width", -1, 1, kMaxExtent);
    sides.finish();
    if (shortest > 0 && height < 0 && width < 0)
        return shortest;
    if (shortest < 0 && height > 0 && height == width && std::string_view(key) == "crop_size")
        return height;
    fail(ErrorCode::unsupported,
         concat(sides.where(), ": only the shorter side, or a square crop"));
}

void read_preprocessor(const std::string& path, ModelConfig& config) {
    constexpr std::int64_t kBicubic = 3; // Pillow's number
    const json parsed = read_json_file(path);
    ConfigObject object(parsed, path);
    const std::int64_t side = config.vision.image_size;
    for (const char* step :
         {"do_resize", "do_center_crop", "do_rescale", "do_normalize", "do_convert_rgb"})
        object.require(step, true);
    object.require("resample", kBicubic);
    const double scale = object.number("rescale_factor", 1.0 / 255.0);
    if (static_cast<float>(scale) != 1.0F / 255.0F)
        fail(ErrorCode::unsupported, concat(path, ": rescale_factor ", scale, " is not supported"));
    for (const char* key : {"size", "crop_size"})
        if (const std::int64_t size = read_side(object, key, side); size != side)
            fail(ErrorCode::unsupported,
                 concat(path, ": ", key, " ", size, " is not the model's image_size ", side));
    object.triple("image_mean", config.mean);
    object.triple("image_std", config.std);
    object.accept({"feature_extractor_type", "image_processor_type", "processor_class",
                   "use_square_size", "_valid_processor_keys", "default_to_square", "data_format",
                   "input_data_format", "return_tensors", "disable_grouping", "device",
                   "auto_map"});
    object.finish();
}

} // namespace

ModelConfig read_hf_config(const std::string& path, const std::string& preprocessor) {
    const json parsed = read_json_file(path);
    ConfigObject root(parsed, path);
    const std::string type = root.text("model_type", "");
    if (type != "clip")
        fail(ErrorCode::unsupported,
             concat(path, ": model_type is ", type.empty() ? "absent" : type,
                    " (want clip, a CLIPModel)"));
    if (const json* classes = root.value("architectures")) {
        bool known = classes->is_array() && classes->empty();
        for (const json& name : *classes)
            known = known || name == "CLIPModel";
        if (!known)
            fail(ErrorCode::unsupported, path + ": architectures does not name CLIPModel");
    }
    ModelConfig config;
    config.embed_dim = root.integer("projection_dim", 512, 1, kMaxExtent);
    const json text = merged_section(root, "text_config");
    const json vision = merged_section(root, "vision_config");
    // The sections repeat projection_dim for models of one tower; a CLIPModel uses the outer one.
    std::int64_t unused = config.embed_dim;
    const double text_eps = read_text(text, path + ": text_config", config.text, &unused);
    const double vision_eps = read_vision(vision, path + ": vision_config", config.vision, &unused);
    if (text_eps != vision_eps)
        fail(ErrorCode::unsupported, concat(path, ": layer_norm_eps differs between the towers (",
                                            text_eps, " and ", vision_eps, ")"));
    if (!(text_eps > 0.0 && text_eps < 1.0))
        fail(ErrorCode::bad_format, concat(path, ": layer_norm_eps ", text_eps));
    config.layer_norm_eps = static_cast<float>(text_eps);
    config.activation_source = path + ": hidden_act";
    root.accept({"eos_token_id"});
    accept_bookkeeping(root);
    root.finish();
    if (!preprocessor.empty())
        read_preprocessor(preprocessor, config);
    return config;
}

} // namespace clip
