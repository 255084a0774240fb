// SPDX-License-Identifier: MIT
// A configuration from shapes alone: what is written down nowhere in OpenAI's files.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "base/concat.hpp"
#include "model/weight_names.hpp"

namespace clip {

namespace {

constexpr std::int64_t kHeadWidth = 64; ///< in every published model
constexpr std::int64_t kMaxExtent = std::int64_t{1} << 24;
constexpr std::int64_t kMaxLayers = 1024;

class Shapes {
  public:
    Shapes(const std::vector<Weights::Entry>& entries, NameLayout layout, const std::string& path)
        : entries_(entries), layout_(layout), path_(path) {}

    const Shape* find(std::string_view name) const {
        const auto found =
            std::lower_bound(entries_.begin(), entries_.end(), name,
                             [](const Weights::Entry& entry, std::string_view wanted) {
                                 return entry.name < wanted;
                             });
        return found == entries_.end() || found->name != name ? nullptr : &found->shape;
    }

    std::int64_t extent(const char* name, std::size_t rank, std::size_t axis) const {
        const Shape* shape = find(name);
        if (shape == nullptr)
            fail(ErrorCode::not_found, concat(path_, ": not a CLIP checkpoint: tensor ",
                                              stored_name(name, layout_), " is missing"));
        if (shape->rank() != rank || (*shape)[axis] < 1 || (*shape)[axis] > kMaxExtent)
            fail(ErrorCode::shape_mismatch, concat(path_, ": tensor ", name, " has shape ",
                                                   shape->to_string(), ", want ", rank, " axes"));
        return (*shape)[axis];
    }

    /// How many different numbers follow `prefix`. Gaps show up as missing weights later.
    std::int64_t count(std::string_view prefix) const {
        std::set<std::int64_t> numbers;
        for (const Weights::Entry& entry : entries_) {
            const std::string_view name = entry.name;
            if (!name.starts_with(prefix))
                continue;
            std::int64_t number = -1;
            const char* end = name.data() + name.size();
            const auto parsed = std::from_chars(name.data() + prefix.size(), end, number);
            if (parsed.ec == std::errc{} && parsed.ptr != end && *parsed.ptr == '.' && number >= 0)
                numbers.insert(number);
        }
        const auto count = static_cast<std::int64_t>(numbers.size());
        if (count > kMaxLayers)
            fail(ErrorCode::unsupported, concat(path_, ": ", count, " layers are too many"));
        return count;
    }

    const std::string& path() const { return path_; }

  private:
    const std::vector<Weights::Entry>& entries_;
    NameLayout layout_;
    const std::string& path_;
};

std::int64_t grid_of(const Shapes& shapes, const char* name) {
    const std::int64_t positions = shapes.extent(name, 2, 0);
    const auto grid = static_cast<std::int64_t>(
        std::llround(std::sqrt(static_cast<double>(std::max<std::int64_t>(positions - 1, 0)))));
    if (grid < 1 || grid * grid + 1 != positions)
        fail(ErrorCode::shape_mismatch, concat(shapes.path(), ": tensor ", name, " has ", positions,
                                               " positions, which are no square and one more"));
    return grid;
}

VisionConfig infer_vision(const Shapes& shapes) {
    VisionConfig vision;
    vision.vit = shapes.find("visual.layer1.0.conv1.weight") == nullptr;
    if (vision.vit) {
        vision.width = shapes.extent("visual.conv1.weight", 4, 0);
        vision.patch_size = shapes.extent("visual.conv1.weight", 4, 3);
        vision.image_size = vision.patch_size * grid_of(shapes, "visual.positional_embedding");
        vision.layers = shapes.count("visual.transformer.resblocks.");
        vision.mlp_width = shapes.extent("visual.transformer.resblocks.0.mlp.c_fc.weight", 2, 0);
    } else {
        vision.width = shapes.extent("visual.layer1.0.conv1.weight", 4, 0);
        vision.image_size = 32 * grid_of(shapes, "visual.attnpool.positional_embedding");
        for (std::size_t stage = 0; stage < 4; ++stage)
            vision.stages[stage] = shapes.count(concat("visual.layer", stage + 1, "."));
        if (std::count(vision.stages.begin(), vision.stages.end(), 0) != 0)
            fail(ErrorCode::not_found, shapes.path() + ": a stage of the ResNet has no blocks");
        vision.layers = vision.patch_size = vision.mlp_width = 0;
    }
    vision.heads = std::max<std::int64_t>(vision.output_width() / kHeadWidth, 1);
    return vision;
}

} // namespace

ModelConfig infer_config(const std::vector<Weights::Entry>& entries, NameLayout layout,
                         const std::string& path) {
    const Shapes shapes(entries, layout, path);
    ModelConfig config;
    config.embed_dim = shapes.extent("text_projection", 2, 1);
    config.text.context_length = shapes.extent("positional_embedding", 2, 0);
    config.text.vocab_size = shapes.extent("token_embedding.weight", 2, 0);
    config.text.width = shapes.extent("token_embedding.weight", 2, 1);
    config.text.heads = std::max<std::int64_t>(config.text.width / kHeadWidth, 1);
    config.text.layers = shapes.count("transformer.resblocks.");
    config.text.mlp_width = shapes.extent("transformer.resblocks.0.mlp.c_fc.weight", 2, 0);
    config.vision = infer_vision(shapes);
    return config;
}

} // namespace clip
