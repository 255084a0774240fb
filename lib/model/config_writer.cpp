// SPDX-License-Identifier: MIT
// Keys: see config_open_clip.cpp and config_hf.cpp, which read them.
#include "model/config_writer.hpp"

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/concat.hpp"
#include "base/error.hpp"

namespace clip {

namespace {

using json = nlohmann::ordered_json;

[[noreturn]] void refuse(const std::string& why) {
    fail(ErrorCode::unsupported, "write open_clip's layout: " + why);
}

/// The number whose shortest spelling is that of the float32.
double decimal(float value) {
    return json::parse(concat(value)).get<double>();
}

/// Three numbers, in the digits that OpenAI gave its own.
json triple(const std::array<float, 3>& values, const std::array<double, 3>& openai) {
    json list = json::array();
    for (std::size_t i = 0; i < values.size(); ++i)
        list.push_back(values[i] == static_cast<float>(openai[i]) ? openai[i] : decimal(values[i]));
    return list;
}

json mean_of(const ModelConfig& config) {
    return triple(config.mean, {0.48145466, 0.4578275, 0.40821073});
}

json std_of(const ModelConfig& config) {
    return triple(config.std, {0.26862954, 0.26130258, 0.27577711});
}

/// Adds what open_clip multiplies a width by, where it is not the usual 4.
void add_mlp_ratio(json& section, std::int64_t width, std::int64_t mlp) {
    if (mlp == 4 * width)
        return;
    const auto gives = [&](double ratio) {
        return static_cast<std::int64_t>(static_cast<double>(width) * ratio) == mlp;
    };
    double ratio = static_cast<double>(mlp) / static_cast<double>(width);
    if (!gives(ratio)) // open_clip cuts the product off, which may lie below
        ratio = std::nextafter(ratio, HUGE_VAL);
    if (!gives(ratio))
        refuse(concat("no mlp_ratio makes an MLP of ", mlp, " out of a width of ", width));
    section["mlp_ratio"] = ratio;
}

std::string text_of(const json& value) {
    return value.dump(2) + "\n";
}

const char* torch_dtype(DType dtype) {
    switch (dtype) {
    case DType::f16:
        return "float16";
    case DType::bf16:
        return "bfloat16";
    default:
        return "float32";
    }
}

json hf_tower(std::int64_t width, std::int64_t mlp, std::int64_t heads, std::int64_t layers,
              Activation activation, const ModelConfig& config) {
    return {{"hidden_size", width},
            {"intermediate_size", mlp},
            {"num_attention_heads", heads},
            {"num_hidden_layers", layers},
            {"projection_dim", config.embed_dim},
            {"hidden_act", activation_name(activation)},
            {"layer_norm_eps", decimal(config.layer_norm_eps)}};
}

json hf_preprocessor(const ModelConfig& config) {
    const std::int64_t side = config.vision.image_size;
    return {{"image_processor_type", "CLIPImageProcessor"},
            {"do_convert_rgb", true},
            {"do_resize", true},
            {"size", {{"shortest_edge", side}}},
            {"resample", 3}, // Pillow's number of the bicubic filter
            {"do_center_crop", true},
            {"crop_size", {{"height", side}, {"width", side}}},
            {"do_rescale", true},
            {"rescale_factor", 1.0 / 255.0},
            {"do_normalize", true},
            {"image_mean", mean_of(config)},
            {"image_std", std_of(config)}};
}

json hf_tokenizer(const TextConfig& text) {
    return {{"tokenizer_class", "CLIPTokenizer"},
            {"model_max_length", text.context_length},
            {"bos_token", "<|startoftext|>"},
            {"eos_token", "<|endoftext|>"},
            {"pad_token", "<|endoftext|>"},
            {"unk_token", "<|endoftext|>"},
            {"add_prefix_space", false},
            {"do_lower_case", true},
            {"errors", "replace"}};
}

} // namespace

TextFiles open_clip_config_files(const ModelConfig& config) {
    const VisionConfig& vision = config.vision;
    const TextConfig& text = config.text;
    if (config.layer_norm_eps != 1e-5F)
        refuse(concat("it knows no LayerNorm epsilon but 1e-05 (got ", config.layer_norm_eps, ")"));
    if (vision.activation != text.activation)
        refuse(concat("its towers share an activation (got ", activation_name(vision.activation),
                      " and ", activation_name(text.activation), ")"));
    json vision_cfg = {{"image_size", vision.image_size}};
    if (vision.vit) {
        vision_cfg["layers"] = vision.layers;
        vision_cfg["width"] = vision.width;
        vision_cfg["patch_size"] = vision.patch_size;
        add_mlp_ratio(vision_cfg, vision.width, vision.mlp_width);
    } else {
        vision_cfg["layers"] = vision.stages;
        vision_cfg["width"] = vision.width;
    }
    if (vision.output_width() != 64 * vision.heads)
        vision_cfg["head_width"] = vision.output_width() / vision.heads;
    json text_cfg = {{"context_length", text.context_length},
                     {"vocab_size", text.vocab_size},
                     {"width", text.width},
                     {"heads", text.heads},
                     {"layers", text.layers}};
    add_mlp_ratio(text_cfg, text.width, text.mlp_width);
    const json root = {{"model_cfg",
                        {{"embed_dim", config.embed_dim},
                         {"quick_gelu", text.activation == Activation::quick_gelu},
                         {"vision_cfg", vision_cfg},
                         {"text_cfg", text_cfg}}},
                       {"preprocess_cfg", {{"mean", mean_of(config)}, {"std", std_of(config)}}}};
    return {{"open_clip_config.json", text_of(root)}};
}

TextFiles hf_config_files(const ModelConfig& config, DType dtype) {
    const VisionConfig& vision = config.vision;
    const TextConfig& text = config.text;
    if (!vision.vit)
        fail(ErrorCode::unsupported,
             concat("write transformers' layout: its CLIPModel has no ResNet, and ", config.name(),
                    " is one (open_clip's layout holds it)"));
    json text_config =
        hf_tower(text.width, text.mlp_width, text.heads, text.layers, text.activation, config);
    text_config["model_type"] = "clip_text_model";
    text_config["max_position_embeddings"] = text.context_length;
    text_config["vocab_size"] = text.vocab_size;
    // By name, since its defaults are those of a vocabulary of 49,408.
    text_config["bos_token_id"] = text.vocab_size - 2;
    text_config["eos_token_id"] = text.vocab_size - 1;
    text_config["pad_token_id"] = text.vocab_size - 1;
    json vision_config = hf_tower(vision.width, vision.mlp_width, vision.heads, vision.layers,
                                  vision.activation, config);
    vision_config["model_type"] = "clip_vision_model";
    vision_config["image_size"] = vision.image_size;
    vision_config["patch_size"] = vision.patch_size;
    vision_config["num_channels"] = 3;
    const json root = {{"architectures", {"CLIPModel"}},     {"model_type", "clip"},
                       {"projection_dim", config.embed_dim}, {"logit_scale_init_value", 2.6592},
                       {"torch_dtype", torch_dtype(dtype)},  {"text_config", text_config},
                       {"vision_config", vision_config}};
    return {{"config.json", text_of(root)},
            {"preprocessor_config.json", text_of(hf_preprocessor(config))},
            {"tokenizer_config.json", text_of(hf_tokenizer(text))}};
}

} // namespace clip
