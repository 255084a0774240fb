// SPDX-License-Identifier: MIT
#include "model/architectures.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <vector>

#include "base/concat.hpp"
#include "base/error.hpp"

namespace clip {

namespace {

/// Radford et al. 2021, tables 19 and 20.
struct Published {
    std::string_view name;
    std::int64_t embed_dim, image_size, width;
    std::int64_t layers, patch_size;    // ViT
    std::array<std::int64_t, 4> stages; // ResNet
    std::int64_t text_width;
};

constexpr std::array<Published, 9> kPublished{{
    {"RN50", 1024, 224, 64, 0, 0, {3, 4, 6, 3}, 512},
    {"RN101", 512, 224, 64, 0, 0, {3, 4, 23, 3}, 512},
    {"RN50x4", 640, 288, 80, 0, 0, {4, 6, 10, 6}, 640},
    {"RN50x16", 768, 384, 96, 0, 0, {6, 8, 18, 8}, 768},
    {"RN50x64", 1024, 448, 128, 0, 0, {3, 15, 36, 10}, 1024},
    {"ViT-B-32", 512, 224, 768, 12, 32, {}, 512},
    {"ViT-B-16", 512, 224, 768, 12, 16, {}, 512},
    {"ViT-L-14", 768, 224, 1024, 24, 14, {}, 768},
    {"ViT-L-14-336", 768, 336, 1024, 24, 14, {}, 768},
}};

constexpr std::int64_t kHeadWidth = 64;
constexpr std::int64_t kMostTextLayers = 12;
constexpr std::int64_t kMostWidth = 65536;
constexpr std::int64_t kMostLayers = 1024;

bool matches(const Published& model, const ModelConfig& config) {
    const VisionConfig& vision = config.vision;
    const TextConfig& text = config.text;
    const bool same_tower = vision.vit ? vision.layers == model.layers &&
                                             vision.patch_size == model.patch_size &&
                                             vision.mlp_width == 4 * model.width
                                       : model.layers == 0 && vision.stages == model.stages;
    return same_tower && config.embed_dim == model.embed_dim &&
           vision.image_size == model.image_size && vision.width == model.width &&
           vision.heads * kHeadWidth == vision.output_width() && text.width == model.text_width &&
           text.heads * kHeadWidth == text.width && text.layers == 12 &&
           text.mlp_width == 4 * text.width && text.context_length == 77 &&
           text.vocab_size == 49408;
}

/// What follows from the sizes: heads and MLPs.
void complete(ModelConfig& config) {
    config.vision.heads = config.vision.output_width() / kHeadWidth;
    config.vision.mlp_width = config.vision.vit ? 4 * config.vision.width : 0;
    config.text.heads = config.text.width / kHeadWidth;
    config.text.mlp_width = 4 * config.text.width;
    config.activation_source = "a new model";
}

ModelConfig config_of(const Published& model) {
    ModelConfig config;
    config.embed_dim = model.embed_dim;
    config.vision.vit = model.layers > 0;
    config.vision.image_size = model.image_size;
    config.vision.width = model.width;
    config.vision.layers = model.layers;
    config.vision.patch_size = model.patch_size;
    config.vision.stages = model.stages;
    config.text.width = model.text_width;
    complete(config);
    return config;
}

/// "ViT-B/32" as "ViT-B-32", "ViT-L/14@336px" as "ViT-L-14-336".
std::string plain_name(std::string_view name) {
    std::string plain(name);
    std::replace(plain.begin(), plain.end(), '/', '-');
    if (const std::size_t at = plain.find('@'); at != std::string::npos && plain.ends_with("px"))
        plain = concat(plain.substr(0, at), "-", plain.substr(at + 1, plain.size() - at - 3));
    return plain;
}

/// One tower of a description: values by their letters.
class Sizes {
  public:
    /// `text` is "w192-l12"; each letter one of `letters`, once.
    Sizes(std::string_view whole, std::string_view text, std::string_view letters) : whole_(whole) {
        for (bool more = !text.empty(); more;) {
            const std::size_t end = std::min(text.find('-'), text.size());
            const std::string_view part = text.substr(0, end);
            if (part.size() < 2 || letters.find(part[0]) == std::string_view::npos ||
                !values_.emplace(part[0], part.substr(1)).second)
                reject(concat("'", part, "' is none of ", spelled(letters), " with a number"));
            more = end < text.size();
            text.remove_prefix(more ? end + 1 : end);
        }
    }
    std::int64_t number(char letter, std::optional<std::int64_t> fallback, std::int64_t most) {
        const auto found = values_.find(letter);
        if (found != values_.end())
            return parse(found->second, most);
        if (!fallback)
            reject(concat("it lacks ", std::string(1, letter)));
        return *fallback;
    }
    std::array<std::int64_t, 4> four(char letter) {
        std::string_view text = values_.contains(letter) ? values_[letter] : std::string_view();
        std::array<std::int64_t, 4> out{};
        for (std::size_t i = 0; i < out.size(); ++i) {
            const std::size_t end = std::min(text.find('.'), text.size());
            if ((end == text.size()) != (i + 1 == out.size()))
                reject(concat(std::string(1, letter), " wants four numbers, as in l3.4.6.3"));
            out[i] = parse(text.substr(0, end), kMostLayers);
            text.remove_prefix(std::min(end + 1, text.size()));
        }
        return out;
    }
    [[noreturn]] void reject(const std::string& why) const {
        fail(ErrorCode::invalid_argument, concat("read architecture '", whole_, "': ", why));
    }

  private:
    static std::string spelled(std::string_view letters) {
        std::string out;
        for (const char letter : letters)
            out += concat(out.empty() ? "" : ", ", letter);
        return out;
    }
    std::int64_t parse(std::string_view text, std::int64_t most) const {
        std::int64_t value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error != std::errc() || end != text.data() + text.size() || value < 1 || value > most)
            reject(concat("'", text, "' is not a number from 1 to ", most));
        return value;
    }

    std::string_view whole_;
    std::map<char, std::string_view> values_;
};

std::int64_t whole_heads(std::int64_t width) {
    return std::max(width / kHeadWidth, std::int64_t{1}) * kHeadWidth;
}

ModelConfig described(std::string_view name) {
    const std::size_t plus = name.find('+');
    const std::string_view picture = name.substr(0, plus);
    const std::string_view words =
        plus == std::string_view::npos ? std::string_view() : name.substr(plus + 1);
    ModelConfig config;
    VisionConfig& vision = config.vision;
    TextConfig& text = config.text;
    vision.vit = picture.starts_with("ViT-");
    Sizes sizes(name, picture.substr(picture.find('-') + 1), vision.vit ? "wlpie" : "wlie");
    vision.width = sizes.number('w', std::nullopt, kMostWidth);
    vision.image_size = sizes.number('i', std::nullopt, 4096);
    if (vision.vit) {
        vision.layers = sizes.number('l', std::nullopt, kMostLayers);
        vision.patch_size = sizes.number('p', std::nullopt, vision.image_size);
        if (vision.width % kHeadWidth != 0)
            sizes.reject(concat("a width of ", vision.width, " is no multiple of ", kHeadWidth));
        if (vision.image_size % vision.patch_size != 0)
            sizes.reject(concat("patches of ", vision.patch_size, " do not fill a side of ",
                                vision.image_size));
    } else {
        vision.layers = vision.patch_size = 0;
        vision.stages = sizes.four('l');
        if (vision.width % 2 != 0)
            sizes.reject(concat("a width of ", vision.width, " is odd"));
        if (vision.image_size % 32 != 0)
            sizes.reject(concat("a side of ", vision.image_size, " is no multiple of 32"));
    }
    Sizes text_sizes(name, words, "wlc");
    text.width = text_sizes.number(
        'w', whole_heads(vision.vit ? vision.width * 2 / 3 : vision.width * 8), kMostWidth);
    text.layers = text_sizes.number(
        'l', vision.vit ? std::min(vision.layers, kMostTextLayers) : kMostTextLayers, kMostLayers);
    text.context_length = text_sizes.number('c', 77, 4096);
    if (text.width % kHeadWidth != 0)
        sizes.reject(concat("a text width of ", text.width, " is no multiple of ", kHeadWidth));
    if (text.context_length < 3)
        sizes.reject("a context of fewer than 3 tokens holds no word");
    config.embed_dim = sizes.number('e', text.width, kMostWidth);
    complete(config);
    return config;
}

} // namespace

std::string_view published_name(const ModelConfig& config) {
    for (const Published& model : kPublished)
        if (matches(model, config))
            return model.name;
    return {};
}

ModelConfig architecture(std::string_view name) {
    const std::string plain = plain_name(name);
    for (const Published& model : kPublished)
        if (model.name == plain)
            return config_of(model);
    if (name.starts_with("ViT-w") || name.starts_with("RN-w"))
        return described(name);
    std::string names;
    for (const Published& model : kPublished)
        names += concat(model.name, ", ");
    fail(ErrorCode::invalid_argument,
         concat("read architecture '", name, "': it is none of ", names,
                "nor a description such as ViT-w192-l12-p8-i64 or RN-w32-l1.1.1.1-i64, nor a file "
                "in .json"));
}

std::string config_difference(const ModelConfig& a, const ModelConfig& b) {
    std::string found;
    const auto compare = [&](const char* what, auto one, auto other) {
        if (found.empty() && one != other)
            found = concat(what, " (", one, " and ", other, ")");
    };
    compare("picture tower", a.vision.vit ? "ViT" : "ResNet", b.vision.vit ? "ViT" : "ResNet");
    compare("embedding width", a.embed_dim, b.embed_dim);
    compare("picture size", a.vision.image_size, b.vision.image_size);
    compare("vision width", a.vision.width, b.vision.width);
    compare("vision heads", a.vision.heads, b.vision.heads);
    compare("vision layers", a.vision.layers, b.vision.layers);
    compare("patch size", a.vision.patch_size, b.vision.patch_size);
    compare("vision MLP width", a.vision.mlp_width, b.vision.mlp_width);
    for (std::size_t stage = 0; stage < a.vision.stages.size(); ++stage)
        compare("blocks of a stage", a.vision.stages[stage], b.vision.stages[stage]);
    compare("vision activation", activation_name(a.vision.activation),
            activation_name(b.vision.activation));
    compare("context length", a.text.context_length, b.text.context_length);
    compare("vocabulary size", a.text.vocab_size, b.text.vocab_size);
    compare("text width", a.text.width, b.text.width);
    compare("text heads", a.text.heads, b.text.heads);
    compare("text layers", a.text.layers, b.text.layers);
    compare("text MLP width", a.text.mlp_width, b.text.mlp_width);
    compare("text activation", activation_name(a.text.activation),
            activation_name(b.text.activation));
    compare("LayerNorm epsilon", a.layer_norm_eps, b.layer_norm_eps);
    for (std::size_t channel = 0; channel < a.mean.size(); ++channel) {
        compare("mean of the pixels", a.mean[channel], b.mean[channel]);
        compare("standard deviation of the pixels", a.std[channel], b.std[channel]);
    }
    return found;
}

} // namespace clip
