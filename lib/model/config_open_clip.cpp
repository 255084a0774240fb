// SPDX-License-Identifier: MIT
// Keys and defaults: mlfoundations/open_clip, src/open_clip/model.py, classes CLIPVisionCfg and
// CLIPTextCfg, and create_model_from_pretrained's preprocess_cfg.
#include <cmath>
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

std::int64_t square_side(ConfigObject& object, const char* key, std::int64_t fallback) {
    const json* found = object.value(key);
    if (found == nullptr || !found->is_array())
        return object.integer(key, fallback, 1, kMaxExtent);
    if (found->size() != 2 || (*found)[0] != (*found)[1])
        fail(ErrorCode::unsupported, concat(object.where(), ": ", key, " is not square"));
    const json side = json::object({{key, (*found)[0]}});
    return ConfigObject(side, object.where()).integer(key, fallback, 1, kMaxExtent);
}

std::int64_t mlp_width(ConfigObject& object, std::int64_t width) {
    return static_cast<std::int64_t>(
        static_cast<double>(width) *
        std::min(std::max(object.number("mlp_ratio", 4.0), 0.0), 1024.0));
}

void read_vision(const json& value, const std::string& where, VisionConfig& vision,
                 std::vector<std::string>& notes) {
    ConfigObject object(value, where);
    const json* timm = object.value("timm_model_name");
    if (timm != nullptr && *timm != "")
        fail(ErrorCode::unsupported,
             where + ": timm_model_name (a tower of timm) is not supported");
    vision.image_size = square_side(object, "image_size", 224);
    vision.width = object.integer("width", 768, 1, kMaxExtent);
    const std::int64_t head_width = object.integer("head_width", 64, 1, kMaxExtent);
    const json* layers = object.value("layers");
    vision.vit = layers == nullptr || !layers->is_array();
    if (vision.vit) {
        vision.layers = object.integer("layers", 12, 1, kMaxLayers);
        vision.patch_size = square_side(object, "patch_size", 16);
        vision.mlp_width = mlp_width(object, vision.width);
    } else {
        if (layers->size() != 4)
            fail(ErrorCode::unsupported, where + ": layers is not a number or a list of four");
        for (std::size_t stage = 0; stage < 4; ++stage) {
            const json one = json::object({{"layers", (*layers)[stage]}});
            vision.stages[stage] = ConfigObject(one, where).integer("layers", 1, 1, kMaxLayers);
        }
        vision.layers = 0;
        vision.patch_size = 0;
        vision.mlp_width = 0;
        object.accept({"patch_size", "mlp_ratio"});
    }
    if (vision.output_width() % head_width != 0)
        fail(ErrorCode::bad_format, concat(where, ": head_width ", head_width, " does not divide ",
                                           vision.output_width()));
    vision.heads = vision.output_width() / head_width;
    if (object.number("patch_dropout", 0.0) != 0.0)
        notes.push_back(where + ": patch_dropout matters in training only");
    object.require("attentional_pool", false);
    object.require("global_average_pool", false);
    object.require("input_patchnorm", false);
    object.require("no_ln_pre", false);
    object.require("pos_embed_type", "learnable");
    object.require("final_ln_after_pool", false);
    object.require("pool_type", "tok");
    object.accept({"output_tokens"});    // what else the tower returns, not what it computes
    object.accept_prefix("attn_pooler"); // of the attentional pool, which is off
    object.accept_prefix("timm_");       // of timm's towers, which this is not
    object.finish();
}

void read_text(const json& value, const std::string& where, TextConfig& text) {
    ConfigObject object(value, where);
    const json* hf = object.value("hf_model_name");
    if (hf != nullptr && *hf != "")
        fail(ErrorCode::unsupported,
             where + ": hf_model_name (a tower of transformers) is not supported");
    text.context_length = object.integer("context_length", 77, 2, kMaxExtent);
    text.vocab_size = object.integer("vocab_size", 49408, 3, std::int64_t{1} << 24);
    text.width = object.integer("width", 512, 1, kMaxExtent);
    text.heads = object.integer("heads", 8, 1, kMaxExtent);
    text.layers = object.integer("layers", 12, 1, kMaxLayers);
    text.mlp_width = mlp_width(object, text.width);
    object.require("embed_cls", false);
    object.require("no_causal_mask", false);
    object.require("final_ln_after_pool", false);
    object.require("pool_type", "argmax");
    object.require("proj_type", "linear");
    object.require("proj_bias", false);
    object.require("pad_id", 0);
    // Of pooling kinds and towers that are refused above.
    object.accept({"output_tokens", "eos_id", "correct_cls_mask"});
    object.accept_prefix("hf_model_pretrained");
    object.accept_prefix("hf_proj_type");
    object.accept_prefix("hf_pooler_type");
    object.finish();
}

void read_preprocess(const json& value, const std::string& where, ModelConfig& config) {
    ConfigObject object(value, where);
    object.triple("mean", config.mean);
    object.triple("std", config.std);
    const std::int64_t size = square_side(object, "size", config.vision.image_size);
    if (size != config.vision.image_size)
        fail(ErrorCode::unsupported,
             concat(where, ": size ", size, " is not the model's image_size ",
                    config.vision.image_size));
    object.require("mode", "RGB");
    object.require("interpolation", "bicubic");
    object.require("resize_mode", "shortest");
    object.accept({"fill_color"}); // of resize modes that are refused above
    object.finish();
}

} // namespace

ModelConfig read_open_clip_config(const std::string& path, std::vector<std::string>& notes) {
    const json parsed = read_json_file(path);
    ConfigObject root(parsed, path);
    // clip-train and older files hold the model's part alone.
    const json* nested = root.value("model_cfg");
    const json& model = nested != nullptr ? *nested : parsed;
    ConfigObject object(model, nested != nullptr ? path + ": model_cfg" : path);

    ModelConfig config;
    config.embed_dim = object.integer("embed_dim", 512, 1, kMaxExtent);
    const json* vision = object.value("vision_cfg");
    const json* text = object.value("text_cfg");
    if (vision == nullptr || text == nullptr)
        fail(ErrorCode::bad_format, object.where() + ": lacks vision_cfg or text_cfg");
    read_vision(*vision, object.where() + ": vision_cfg", config.vision, notes);
    read_text(*text, object.where() + ": text_cfg", config.text);
    const bool quick = object.boolean("quick_gelu", false);
    config.vision.activation = config.text.activation =
        quick ? Activation::quick_gelu : Activation::gelu;
    config.activation_source =
        concat(path, model.contains("quick_gelu") ? ": quick_gelu" : ": no quick_gelu");
    object.boolean("custom_text", false); // only spells the text weights' names differently
    // Where training starts, and what Python's forward returns.
    object.accept({"init_logit_scale", "nonscalar_logit_scale", "cast_dtype", "output_dict"});
    if (nested != nullptr) {
        if (const json* preprocess = root.value("preprocess_cfg"))
            read_preprocess(*preprocess, path + ": preprocess_cfg", config);
        object.finish();
        root.accept({"version", "hf_hub_id", "license", "tags"});
        root.finish();
    } else {
        object.accept({"model_cfg"});
        object.finish();
    }
    return config;
}

} // namespace clip
