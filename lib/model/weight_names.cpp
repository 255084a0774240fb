// SPDX-License-Identifier: MIT
#include "model/weight_names.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "base/concat.hpp"

namespace clip {

namespace {

using Pair = std::pair<std::string_view, std::string_view>; // transformers' spelling, canonical

constexpr std::array<Pair, 14> kWholeNames{{
    {"text_model.embeddings.token_embedding.weight", "token_embedding.weight"},
    {"text_model.embeddings.position_embedding.weight", "positional_embedding"},
    {"text_model.final_layer_norm.weight", "ln_final.weight"},
    {"text_model.final_layer_norm.bias", "ln_final.bias"},
    {"text_projection.weight", "text_projection"},
    {"vision_model.embeddings.class_embedding", "visual.class_embedding"},
    {"vision_model.embeddings.patch_embedding.weight", "visual.conv1.weight"},
    {"vision_model.embeddings.position_embedding.weight", "visual.positional_embedding"},
    {"vision_model.pre_layrnorm.weight", "visual.ln_pre.weight"}, // the typo is theirs
    {"vision_model.pre_layrnorm.bias", "visual.ln_pre.bias"},
    {"vision_model.post_layernorm.weight", "visual.ln_post.weight"},
    {"vision_model.post_layernorm.bias", "visual.ln_post.bias"},
    {"visual_projection.weight", "visual.proj"},
    {"logit_scale", "logit_scale"},
}};

constexpr std::array<Pair, 2> kTowers{{
    {"text_model.encoder.layers.", "transformer.resblocks."},
    {"vision_model.encoder.layers.", "visual.transformer.resblocks."},
}};

constexpr std::array<Pair, 5> kBlockParts{{
    {"self_attn.out_proj.", "attn.out_proj."},
    {"layer_norm1.", "ln_1."},
    {"layer_norm2.", "ln_2."},
    {"mlp.fc1.", "mlp.c_fc."},
    {"mlp.fc2.", "mlp.c_proj."},
}};

constexpr std::array<std::string_view, 3> kQueryKeyValue{"self_attn.q_proj.", "self_attn.k_proj.",
                                                         "self_attn.v_proj."};

/// Last parts of names of buffers that no layout needs.
constexpr std::array<std::string_view, 6> kBuffers{"position_ids",   "num_batches_tracked",
                                                   "attn_mask",      "input_resolution",
                                                   "context_length", "vocab_size"};

bool is_buffer(std::string_view name) {
    const std::string_view last = name.substr(name.rfind('.') + 1);
    return std::find(kBuffers.begin(), kBuffers.end(), last) != kBuffers.end();
}

struct Meaning {
    std::string canonical;
    std::optional<std::size_t> third; ///< 0 query, 1 key, 2 value
    bool transposed = false;
};

bool weight_or_bias(std::string_view text) {
    return text == "weight" || text == "bias";
}

std::optional<Meaning> hf_meaning(std::string_view name) {
    for (const auto& [theirs, ours] : kWholeNames)
        if (name == theirs)
            return Meaning{
                std::string(ours), {}, ours == "text_projection" || ours == "visual.proj"};
    for (const auto& [theirs, ours] : kTowers) {
        if (!name.starts_with(theirs))
            continue;
        const std::string_view rest = name.substr(theirs.size());
        const std::size_t dot = rest.find('.');
        if (dot == 0 || dot == std::string_view::npos)
            return {};
        const std::string block = concat(ours, rest.substr(0, dot), ".");
        const std::string_view part = rest.substr(dot + 1);
        for (const auto& [their_part, our_part] : kBlockParts)
            if (part.starts_with(their_part) && weight_or_bias(part.substr(their_part.size())))
                return Meaning{concat(block, our_part, part.substr(their_part.size())), {}, false};
        for (std::size_t third = 0; third < kQueryKeyValue.size(); ++third) {
            const std::string_view spelling = kQueryKeyValue[third];
            if (part.starts_with(spelling) && weight_or_bias(part.substr(spelling.size())))
                return Meaning{concat(block, "attn.in_proj_", part.substr(spelling.size())), third,
                               false};
        }
    }
    return {};
}

/// What canonical names of the two towers begin with.
constexpr std::array<std::string_view, 7> kOwnPrefixes{"visual.",
                                                       "transformer.resblocks.",
                                                       "token_embedding.weight",
                                                       "positional_embedding",
                                                       "ln_final.",
                                                       "text_projection",
                                                       "logit_scale"};

std::optional<Meaning> openai_meaning(std::string_view name) {
    if (name.starts_with("text."))
        name.remove_prefix(5);
    for (const std::string_view prefix : kOwnPrefixes)
        if (name.starts_with(prefix))
            return Meaning{std::string(name), {}, false};
    return {};
}

Shape canonical_shape(const io::StoredTensor& tensor, const std::string& what) {
    if (tensor.shape.size() > Shape::kMaxRank)
        fail(ErrorCode::bad_format, concat(what, ": shape ", io::shape_text(tensor.shape),
                                           " has too many axes for a weight"));
    return Shape(std::span<const std::int64_t>(tensor.shape));
}

} // namespace

NameLayout detect_layout(const io::TensorStore& store, std::string* prefix) {
    prefix->clear();
    constexpr std::string_view kModule = "module.";
    const auto& tensors = store.tensors();
    if (!tensors.empty() && std::all_of(tensors.begin(), tensors.end(), [&](const auto& tensor) {
            return tensor.name.starts_with(kModule);
        }))
        *prefix = kModule;
    const bool hf = std::any_of(tensors.begin(), tensors.end(), [&](const auto& tensor) {
        const std::string_view name = std::string_view(tensor.name).substr(prefix->size());
        return name.starts_with("text_model.") || name.starts_with("vision_model.");
    });
    return hf ? NameLayout::hf : NameLayout::openai;
}

NamedTensors canonical_tensors(const io::TensorStore& store, NameLayout layout,
                               const std::string& prefix) {
    constexpr std::size_t kNone = ~std::size_t{0};
    struct Found {
        std::array<std::size_t, 3> parts{kNone, kNone, kNone};
        bool thirds = false;
        bool transposed = false;
    };
    std::map<std::string, Found> found;
    NamedTensors result;
    const auto& tensors = store.tensors();
    for (std::size_t i = 0; i < tensors.size(); ++i) {
        const std::string_view name = std::string_view(tensors[i].name).substr(prefix.size());
        if (is_buffer(name))
            continue;
        const auto meaning = layout == NameLayout::hf ? hf_meaning(name) : openai_meaning(name);
        if (!meaning) {
            result.unknown.push_back(tensors[i].name);
            continue;
        }
        Found& entry = found[meaning->canonical];
        std::size_t& part = entry.parts[meaning->third.value_or(0)];
        if (part != kNone)
            fail(ErrorCode::bad_format, concat(store.path(), ": tensors ", tensors[part].name,
                                               " and ", tensors[i].name, " mean the same"));
        part = i;
        entry.thirds = meaning->third.has_value();
        entry.transposed = meaning->transposed;
    }
    for (const auto& [name, from] : found) {
        Weights::Entry entry{name, {}, {}, from.transposed};
        for (std::size_t third = 0; third < (from.thirds ? 3U : 1U); ++third) {
            if (from.parts[third] == kNone)
                fail(ErrorCode::not_found,
                     concat(store.path(), ": tensor ", stored_name(name, layout),
                            " lacks its query, key or value"));
            entry.parts.push_back(from.parts[third]);
        }
        const io::StoredTensor& first = tensors[entry.parts[0]];
        const std::string what = concat(store.path(), ": tensor ", first.name);
        for (const std::size_t part : entry.parts) {
            if (!is_floating(tensors[part].dtype))
                fail(ErrorCode::dtype_mismatch,
                     concat(store.path(), ": tensor ", tensors[part].name, ": a weight of type ",
                            dtype_name(tensors[part].dtype)));
            if (tensors[part].shape != first.shape)
                fail(ErrorCode::shape_mismatch,
                     concat(store.path(), ": tensors ", first.name, " and ", tensors[part].name,
                            " differ in shape (", io::shape_text(first.shape), " and ",
                            io::shape_text(tensors[part].shape), ")"));
        }
        entry.shape = canonical_shape(first, what);
        if (from.thirds && entry.shape.rank() >= 1) {
            std::vector<std::int64_t> joined = first.shape;
            joined[0] *= 3;
            entry.shape = Shape(std::span<const std::int64_t>(joined));
        } else if (from.transposed && entry.shape.rank() == 2) {
            entry.shape = Shape{entry.shape[1], entry.shape[0]};
        }
        if (name == "logit_scale" && entry.shape.numel() == 1)
            entry.shape = Shape(std::span<const std::int64_t>{});
        if ((from.thirds && entry.shape.rank() == 0) ||
            (from.transposed && entry.shape.rank() != 2))
            fail(ErrorCode::shape_mismatch,
                 concat(what, ": impossible shape ", io::shape_text(first.shape)));
        result.entries.push_back(std::move(entry));
    }
    return result;
}

std::string stored_name(const std::string& canonical, NameLayout layout) {
    if (layout != NameLayout::hf)
        return canonical;
    const std::string_view name = canonical;
    for (const auto& [theirs, ours] : kWholeNames)
        if (name == ours)
            return std::string(theirs);
    for (const auto& [theirs, ours] : kTowers) {
        if (!name.starts_with(ours))
            continue;
        const std::string_view rest = name.substr(ours.size());
        const std::size_t dot = std::min(rest.find('.'), rest.size() - 1);
        const std::string block = concat(theirs, rest.substr(0, dot), ".");
        const std::string_view part = rest.substr(dot + 1);
        for (const auto& [their_part, our_part] : kBlockParts)
            if (part.starts_with(our_part))
                return concat(block, their_part, part.substr(our_part.size()));
        constexpr std::string_view kJoined = "attn.in_proj_";
        if (part.starts_with(kJoined))
            return concat(block, kQueryKeyValue[0], part.substr(kJoined.size()));
    }
    return canonical;
}

} // namespace clip
