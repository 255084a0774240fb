// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include "checkpoint/golden_copy.hpp"
#include "model/checkpoint.hpp"
#include "model/config_files.hpp"
#include "model/weights.hpp"

using namespace clip;
using namespace clip_test;

namespace {

ModelConfig hf(const std::string& text, const std::string& preprocessor = "") {
    const TempFolder folder;
    write_file(folder / "config.json", text);
    if (!preprocessor.empty())
        write_file(folder / "preprocessor_config.json", preprocessor);
    return read_hf_config(folder / "config.json",
                          preprocessor.empty() ? "" : folder / "preprocessor_config.json");
}

ModelConfig open_clip(const std::string& text) {
    const TempFolder folder;
    write_file(folder / "open_clip_config.json", text);
    std::vector<std::string> notes;
    return read_open_clip_config(folder / "open_clip_config.json", notes);
}

/// A ViT-B/32 of open_clip with something added to a section.
std::string b32(const std::string& model = "", const std::string& vision = "",
                const std::string& text = "", const std::string& preprocess = "") {
    return R"({"model_cfg":{"embed_dim":512,"vision_cfg":{"image_size":224,"layers":12,"width":768,"patch_size":32)" +
           vision +
           R"(},"text_cfg":{"context_length":77,"vocab_size":49408,"width":512,"heads":8,"layers":12)" +
           text + "}" + model + R"(},"preprocess_cfg":{"mean":[0.5,0.25,0.125])" + preprocess +
           "}}";
}

bool names(const std::string& message, const std::string& word) {
    return message.find(word) != std::string::npos;
}

} // namespace

TEST_CASE("config: transformers' defaults are ViT-B/32") {
    const ModelConfig config = hf(R"({"model_type":"clip"})");
    CHECK(config.name() == "ViT-B-32");
    CHECK(config.vision.activation == Activation::quick_gelu);
    CHECK(config.vision.heads == 12);
    CHECK(config.text.mlp_width == 2048);
    CHECK(config.layer_norm_eps == 1e-5F);
    std::int64_t parameters = 0;
    for (const WeightSpec& spec : weight_specs(config))
        parameters += spec.shape.numel();
    CHECK(parameters == 151'277'313); // facts: 151.28 M
}

TEST_CASE("config: published architectures have their names and sizes") {
    ModelConfig config;
    config.embed_dim = 1024;
    config.vision = {false, 224, 64, 32, 0, 0, 0, {3, 4, 6, 3}, Activation::quick_gelu};
    CHECK(config.name() == "RN50");
    std::int64_t parameters = 0;
    for (const WeightSpec& spec : weight_specs(config))
        if (!spec.name.ends_with("running_mean") && !spec.name.ends_with("running_var"))
            parameters += spec.shape.numel();
    CHECK(parameters == 102'007'137); // facts: 102.01 M
    config.vision.stages[2] = 7;
    CHECK(config.name() == "RN-w64-l3.4.7.3-i224");
    config = ModelConfig{};
    config.text.heads = 4;
    CHECK(config.name() == "ViT-w768-l12-p32-i224");
}

TEST_CASE("config: transformers' older sections win over the newer ones") {
    const ModelConfig config = hf(
        R"({"model_type":"clip","text_config":{"num_hidden_layers":2,"hidden_act":"gelu"},"text_config_dict":{"num_hidden_layers":3}})");
    CHECK(config.text.layers == 3);
    CHECK(config.text.activation == Activation::gelu);
    CHECK(config.vision.activation == Activation::quick_gelu);
}

TEST_CASE("config: transformers' unsupported features are refused by name") {
    const auto refused = [](const std::string& text) { return message_of([&] { hf(text); }); };
    CHECK(names(refused(R"({"model_type":"siglip"})"), "siglip"));
    CHECK(names(refused(R"({})"), "model_type"));
    CHECK(names(refused(R"({"model_type":"clip","architectures":["CLIPVisionModel"]})"),
                "CLIPModel"));
    CHECK(names(refused(R"({"model_type":"clip","vision_config":{"hidden_act":"gelu_new"}})"),
                "gelu_new"));
    CHECK(names(refused(R"({"model_type":"clip","vision_config":{"num_channels":4}})"),
                "num_channels"));
    CHECK(names(refused(R"({"model_type":"clip","text_config":{"rope_theta":10000}})"),
                "rope_theta"));
    CHECK(names(refused(R"({"model_type":"clip","text_config":{"eos_token_id":7}})"),
                "eos_token_id"));
    CHECK(names(refused(R"({"model_type":"clip","quantization_config":{"bits":4}})"),
                "quantization_config"));
    CHECK(names(refused(R"({"model_type":"clip","text_config":{"layer_norm_eps":1e-6}})"),
                "layer_norm_eps"));
    CHECK(names(refused(R"({"model_type":"clip","text_config":{"hidden_size":"big"}})"),
                "hidden_size"));
    CHECK(names(refused(R"({"model_type":"clip","text_config":{"hidden_size":1.5}})"),
                "hidden_size"));
    CHECK(
        names(refused(R"({"model_type":"clip","text_config":{"hidden_size":-1}})"), "hidden_size"));
    CHECK(names(refused("{"), "not JSON"));
    CHECK(names(refused("[]"), "not a JSON object"));
    CHECK_FALSE(refused(std::string(5000, '[')).empty());
    CHECK(
        refused(
            R"({"model_type":"clip","text_config":{"eos_token_id":49407,"top_k":50,"pruned_heads":{},"is_decoder":false}})")
            .empty());
}

TEST_CASE("config: preprocessing that this build does not do is refused by name") {
    const auto refused = [](const std::string& text) {
        return message_of([&] { hf(R"({"model_type":"clip"})", text); });
    };
    CHECK(refused(R"({"size":224,"crop_size":{"height":224,"width":224},"resample":3})").empty());
    CHECK(
        refused(R"({"size":{"shortest_edge":224},"rescale_factor":0.00392156862745098})").empty());
    CHECK(names(refused(R"({"size":256})"), "size 256"));
    CHECK(names(refused(R"({"size":{"height":224,"width":224}})"), "size"));
    CHECK(names(refused(R"({"resample":2})"), "resample"));
    CHECK(names(refused(R"({"do_center_crop":false})"), "do_center_crop"));
    CHECK(names(refused(R"({"do_pad":true})"), "do_pad"));
    CHECK(names(refused(R"({"image_mean":[1,2]})"), "image_mean"));
    CHECK(hf(R"({"model_type":"clip"})", R"({"image_std":[0.5,0.5,0.25]})").std[2] == 0.25F);
}

TEST_CASE("config: open_clip's files say GELU unless they say otherwise") {
    CHECK(open_clip(b32()).text.activation == Activation::gelu);
    CHECK(open_clip(b32(R"(,"quick_gelu":true)")).vision.activation == Activation::quick_gelu);
    CHECK(open_clip(b32()).name() == "ViT-B-32");
    CHECK(open_clip(b32()).mean[1] == 0.25F);
    CHECK(open_clip(b32("", R"(,"head_width":32,"mlp_ratio":2.5)")).vision.heads == 24);
    CHECK(open_clip(b32("", R"(,"head_width":32,"mlp_ratio":2.5)")).vision.mlp_width == 1920);
    CHECK(open_clip(R"({"embed_dim":8,"vision_cfg":{},"text_cfg":{}})").vision.patch_size == 16);
}

TEST_CASE("config: open_clip's unsupported features are refused by name") {
    const auto refused = [](const std::string& model, const std::string& vision = "",
                            const std::string& text = "", const std::string& preprocess = "") {
        return message_of([&] { open_clip(b32(model, vision, text, preprocess)); });
    };
    CHECK(refused("").empty());
    CHECK(names(refused(R"(,"multimodal_cfg":{"width":512})"), "multimodal_cfg"));
    CHECK(names(refused(R"(,"init_logit_bias":-10)"), "init_logit_bias"));
    CHECK(refused(R"(,"custom_text":true,"init_logit_scale":2.6)").empty());
    for (const char* feature :
         {R"("timm_model_name":"convnext_base")", R"("attentional_pool":true)",
          R"("ls_init_value":0.1)", R"("input_patchnorm":true)", R"("global_average_pool":true)",
          R"("pool_type":"avg")", R"("no_ln_pre":true)", R"("pos_embed_type":"sin_cos_2d")",
          R"("final_ln_after_pool":true)", R"("norm_kwargs":{"eps":1e-6})",
          R"("act_kwargs":{"approximate":"tanh"})", R"("qk_norm":true)"}) {
        const std::string name =
            std::string(feature).substr(1, std::string(feature).find('"', 1) - 1);
        CHECK_MESSAGE(names(refused("", std::string(",") + feature), name), feature);
    }
    for (const char* feature :
         {R"("hf_model_name":"roberta-base")", R"("embed_cls":true)", R"("no_causal_mask":true)",
          R"("pool_type":"last")", R"("proj_bias":true)", R"("proj_type":"none")", R"("pad_id":1)",
          R"("hf_tokenizer_name":"t5")"}) {
        const std::string name =
            std::string(feature).substr(1, std::string(feature).find('"', 1) - 1);
        CHECK_MESSAGE(names(refused("", "", std::string(",") + feature), name), feature);
    }
    CHECK(names(refused("", "", "", R"(,"interpolation":"bilinear")"), "interpolation"));
    CHECK(names(refused("", "", "", R"(,"resize_mode":"squash")"), "resize_mode"));
    CHECK(
        refused(
            "",
            R"(,"patch_dropout":0.5,"timm_pool":"avg","attn_pooler_heads":8,"ls_init_value":null)")
            .empty());
}

TEST_CASE("config: a file that contradicts the weights is refused with both numbers") {
    const GoldenCopy copy("micro-vit-open_clip");
    copy.replace("open_clip_config.json", "\"width\": 64", "\"width\": 128");
    const std::string message = message_of([&] { open_checkpoint(copy.path()); });
    CHECK(names(message, "128"));
    CHECK(names(message, "64"));
    const GoldenCopy hf_copy("micro-vit-hf");
    hf_copy.replace("config.json", "\"num_attention_heads\": 1", "\"num_attention_heads\": 3");
    CHECK(names(message_of([&] { open_checkpoint(hf_copy.path()); }), "3 heads"));
}
