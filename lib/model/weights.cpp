// SPDX-License-Identifier: MIT
#include "model/weights.hpp"

#include <algorithm>

#include "base/concat.hpp"

namespace clip {

namespace {

class SpecList {
  public:
    void add(std::string name, Shape shape) { specs_.push_back({std::move(name), shape}); }
    void pair(const std::string& name, std::int64_t width) {
        add(name + ".weight", {width});
        add(name + ".bias", {width});
    }
    void linear(const std::string& name, std::int64_t out, std::int64_t in) {
        add(name + ".weight", {out, in});
        add(name + ".bias", {out});
    }
    void batch_norm(const std::string& name, std::int64_t channels) {
        pair(name, channels);
        add(name + ".running_mean", {channels});
        add(name + ".running_var", {channels});
    }
    void blocks(const std::string& tower, std::int64_t layers, std::int64_t width,
                std::int64_t mlp) {
        for (std::int64_t layer = 0; layer < layers; ++layer) {
            const std::string block = concat(tower, ".resblocks.", layer);
            add(block + ".attn.in_proj_weight", {3 * width, width});
            add(block + ".attn.in_proj_bias", {3 * width});
            linear(block + ".attn.out_proj", width, width);
            pair(block + ".ln_1", width);
            pair(block + ".ln_2", width);
            linear(block + ".mlp.c_fc", mlp, width);
            linear(block + ".mlp.c_proj", width, mlp);
        }
    }
    std::vector<WeightSpec> sorted() {
        std::sort(specs_.begin(), specs_.end(),
                  [](const WeightSpec& a, const WeightSpec& b) { return a.name < b.name; });
        return std::move(specs_);
    }

  private:
    std::vector<WeightSpec> specs_;
};

void add_vit(SpecList& list, const ModelConfig& config) {
    const VisionConfig& vision = config.vision;
    list.add("visual.conv1.weight", {vision.width, 3, vision.patch_size, vision.patch_size});
    list.add("visual.class_embedding", {vision.width});
    list.add("visual.positional_embedding", {vision.positions(), vision.width});
    list.pair("visual.ln_pre", vision.width);
    list.blocks("visual.transformer", vision.layers, vision.width, vision.mlp_width);
    list.pair("visual.ln_post", vision.width);
    list.add("visual.proj", {vision.width, config.embed_dim});
}

void add_resnet(SpecList& list, const ModelConfig& config) {
    const VisionConfig& vision = config.vision;
    const std::int64_t width = vision.width;
    const auto conv = [&](const std::string& conv_name, const std::string& norm_name,
                          std::int64_t out, std::int64_t in, std::int64_t side) {
        list.add(conv_name + ".weight", {out, in, side, side});
        list.batch_norm(norm_name, out);
    };
    conv("visual.conv1", "visual.bn1", width / 2, 3, 3);
    conv("visual.conv2", "visual.bn2", width / 2, width / 2, 3);
    conv("visual.conv3", "visual.bn3", width, width / 2, 3);
    std::int64_t in = width;
    for (std::size_t stage = 0; stage < vision.stages.size(); ++stage) {
        const std::int64_t planes = width << stage;
        for (std::int64_t block = 0; block < vision.stages[stage]; ++block) {
            const std::string name = concat("visual.layer", stage + 1, ".", block);
            conv(name + ".conv1", name + ".bn1", planes, in, 1);
            conv(name + ".conv2", name + ".bn2", planes, planes, 3);
            conv(name + ".conv3", name + ".bn3", 4 * planes, planes, 1);
            if (block == 0) // the first of a stage changes the number of channels
                conv(name + ".downsample.0", name + ".downsample.1", 4 * planes, in, 1);
            in = 4 * planes;
        }
    }
    list.add("visual.attnpool.positional_embedding", {vision.positions(), in});
    for (const char* projection : {"q_proj", "k_proj", "v_proj"})
        list.linear(concat("visual.attnpool.", projection), in, in);
    list.linear("visual.attnpool.c_proj", config.embed_dim, in);
}

} // namespace

std::vector<WeightSpec> weight_specs(const ModelConfig& config) {
    const TextConfig& text = config.text;
    SpecList list;
    list.add("logit_scale", Shape(std::span<const std::int64_t>{}));
    list.add("token_embedding.weight", {text.vocab_size, text.width});
    list.add("positional_embedding", {text.context_length, text.width});
    list.blocks("transformer", text.layers, text.width, text.mlp_width);
    list.pair("ln_final", text.width);
    list.add("text_projection", {text.width, config.embed_dim});
    config.vision.vit ? add_vit(list, config) : add_resnet(list, config);
    return list.sorted();
}

Weights::Weights(std::shared_ptr<const io::TensorStore> store, std::vector<Entry> entries)
    : store_(std::move(store)), entries_(std::move(entries)) {}

const Weights::Entry& Weights::entry(std::string_view name) const {
    const auto found = std::lower_bound(
        entries_.begin(), entries_.end(), name,
        [](const Entry& one, std::string_view wanted) { return one.name < wanted; });
    if (found == entries_.end() || found->name != name)
        fail(ErrorCode::not_found,
             concat(store_ ? store_->path() : "weights", ": no tensor ", name));
    return *found;
}

bool Weights::has(std::string_view name) const {
    return std::binary_search(
        entries_.begin(), entries_.end(), name, [](const auto& a, const auto& b) {
            const auto key = [](const auto& x) -> std::string_view {
                if constexpr (std::is_convertible_v<decltype(x), std::string_view>)
                    return x;
                else
                    return x.name;
            };
            return key(a) < key(b);
        });
}

const Shape& Weights::shape(std::string_view name) const {
    return entry(name).shape;
}

DType Weights::stored_dtype(std::string_view name) const {
    return store_->tensors()[entry(name).parts[0]].dtype;
}

std::vector<std::string> Weights::names() const {
    std::vector<std::string> names;
    for (const Entry& one : entries_)
        names.push_back(one.name);
    return names;
}

void Weights::load_range_f32(std::string_view name, std::int64_t first, std::int64_t count,
                             float* out) const {
    const Entry& from = entry(name);
    if (first < 0 || count < 0 || count > from.shape.numel() - first)
        fail(ErrorCode::invalid_argument, concat("read ", name, ": elements ", first, " to ",
                                                 first + count, " of ", from.shape.numel()));
    if (!from.transposed) {
        // Parts lie on top of each other, so each is a range of the whole.
        for (const std::size_t part : from.parts) {
            const io::StoredTensor& stored = store_->tensors()[part];
            const std::int64_t here = std::clamp<std::int64_t>(stored.numel - first, 0, count);
            if (here > 0)
                io::read_f32(stored, first, here, out);
            out += here;
            count -= here;
            first = std::max<std::int64_t>(first + here - stored.numel, 0);
        }
        return;
    }
    io::StoredTensor turned = store_->tensors()[from.parts[0]];
    std::swap(turned.shape[0], turned.shape[1]);
    std::swap(turned.strides[0], turned.strides[1]);
    io::read_f32(turned, first, count, out);
}

std::optional<ConstView> Weights::stored_view(std::string_view name) const {
    const Entry& found = entry(name);
    const io::StoredTensor& stored = store_->tensors()[found.parts.front()];
    if (found.parts.size() != 1 || found.transposed || !stored.contiguous())
        return std::nullopt;
    return ConstView{stored.bytes.data(), found.shape, stored.dtype, Device{}};
}

Tensor Weights::load_f32(std::string_view name) const {
    const Entry& from = entry(name);
    Tensor tensor(from.shape);
    load_range_f32(name, 0, from.shape.numel(), tensor.f32());
    return tensor;
}

void Weights::load_rows_f32(std::string_view name, std::int64_t row, std::int64_t count,
                            float* out) const {
    const Shape& shape = entry(name).shape;
    if (shape.rank() == 0 || row < 0 || count < 0 || count > shape[0] - row)
        fail(ErrorCode::invalid_argument, concat("read ", name, ": rows ", row, " to ", row + count,
                                                 " of shape ", shape.to_string()));
    const std::int64_t width = shape[0] == 0 ? 0 : shape.numel() / shape[0];
    load_range_f32(name, row * width, count * width, out);
}

void Weights::release(std::string_view name) const {
    for (const std::size_t part : entry(name).parts)
        store_->release(store_->tensors()[part]);
}

void Weights::release_all() const {
    if (store_)
        store_->release_all();
}

} // namespace clip
