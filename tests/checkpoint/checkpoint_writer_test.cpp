// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "checkpoint/golden_copy.hpp"
#include "io/safetensors.hpp"
#include "model/checkpoint_writer.hpp"
#include "model/config_files.hpp"

using namespace clip;
using namespace clip_test;

namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kGolden{
    "micro-vit-hf",          "micro-vit-hf-bin",          "micro-vit-open_clip",
    "micro-vit-openai-jit",  "micro-vit-open_clip-train", "micro-vit-open_clip-bin",
    "micro-gelu-hf-sharded", "micro-gelu-open_clip",      "micro-vit-openai-state",
    "micro-rn-open_clip",    "micro-rn-openai-jit"};

WriteOptions options_of(CheckpointLayout layout, std::optional<DType> dtype = {}) {
    WriteOptions options;
    options.layout = layout;
    options.dtype = dtype;
    return options;
}

/// A model of one shape whose element i of a weight is a function of its name and i.
ModelSource made_up(ModelConfig config) {
    ModelSource source;
    source.name = "made up";
    source.config = config;
    source.read = [](std::string_view name, std::int64_t first, std::int64_t count, float* out) {
        for (std::int64_t i = 0; i < count; ++i)
            out[i] = name == "logit_scale"
                         ? 2.0F
                         : static_cast<float>((first + i) % 1021 + static_cast<long>(name.size()));
    };
    source.stored_dtype = [](std::string_view) { return DType::f32; };
    return source;
}

ModelConfig small_config() {
    ModelConfig config;
    config.embed_dim = 6;
    config.vision = {.vit = true,
                     .image_size = 8,
                     .width = 8,
                     .heads = 2,
                     .layers = 2,
                     .patch_size = 4,
                     .mlp_width = 20};
    config.text = {.context_length = 5,
                   .vocab_size = 600,
                   .width = 12,
                   .heads = 3,
                   .layers = 1,
                   .mlp_width = 31};
    return config;
}

void check_same_values(const Weights& a, const Weights& b) {
    REQUIRE(a.names() == b.names());
    for (const std::string& name : a.names()) {
        const Tensor one = a.load_f32(name);
        const Tensor other = b.load_f32(name);
        CAPTURE(name);
        CHECK(one.shape() == other.shape());
        CHECK(std::memcmp(one.f32(), other.f32(),
                          static_cast<std::size_t>(one.shape().numel()) * sizeof(float)) == 0);
    }
}

} // namespace

TEST_CASE("checkpoint writer: every golden checkpoint comes back, in both layouts and every type") {
    for (const std::string& name : kGolden) {
        const Checkpoint from = open_checkpoint(golden(name));
        for (const CheckpointLayout layout : {CheckpointLayout::open_clip, CheckpointLayout::hf}) {
            const TempFolder place;
            const std::string out = place / "out";
            CAPTURE(name);
            if (layout == CheckpointLayout::hf && !from.config.vision.vit) {
                CHECK(code_of([&] {
                          write_checkpoint(out, model_source(from), options_of(layout));
                      }) == ErrorCode::unsupported);
                CHECK(place.size() == 0);
                continue;
            }
            for (const std::optional<DType> dtype :
                 {std::optional<DType>{}, std::optional{DType::f32}, std::optional{DType::f16}}) {
                WriteOptions options = options_of(layout, dtype);
                options.overwrite = true;
                const WrittenCheckpoint written =
                    write_checkpoint(out, model_source(from), options);
                const Checkpoint back = open_checkpoint(out);
                CHECK(back.digest == from.digest);
                CHECK(written.id == from.id());
                CHECK(written.rounded == 0);
                CHECK(back.config.name() == from.config.name());
                CHECK(back.config.vision.activation == from.config.vision.activation);
                CHECK(back.config.vision.heads == from.config.vision.heads);
                CHECK(back.layout == (layout == CheckpointLayout::hf ? "hf" : "open_clip"));
                CHECK(back.notes.empty());
                CHECK(check_checkpoint(out).problems.empty());
                check_same_values(from.weights, back.weights);
            }
        }
    }
}

TEST_CASE("checkpoint writer: with halves, norms, embeddings and logit_scale stay float32") {
    const TempFolder place;
    for (const char* name : {"micro-vit-hf", "micro-rn-open_clip"}) {
        const Checkpoint from = open_checkpoint(golden(name));
        // The published files' choice: that of the TorchScript golden of the same weights.
        const Checkpoint published = open_checkpoint(
            golden(std::string(name).substr(0, std::string(name).rfind('-')) + "-openai-jit"));
        write_checkpoint(place / name, model_source(from),
                         options_of(CheckpointLayout::open_clip, DType::f16));
        const Checkpoint back = open_checkpoint(place / name);
        for (const std::string& weight : back.weights.names()) {
            CAPTURE(weight);
            CHECK(back.weights.stored_dtype(weight) == published.weights.stored_dtype(weight));
        }
    }
}

TEST_CASE("checkpoint writer: sizes that only a configuration can tell come back") {
    const ModelSource source = made_up(small_config());
    for (const CheckpointLayout layout : {CheckpointLayout::open_clip, CheckpointLayout::hf}) {
        const TempFolder place;
        write_checkpoint(place / "out", source, options_of(layout));
        const ModelConfig back = open_checkpoint(place / "out").config;
        CHECK(back.vision.heads == 2);
        CHECK(back.text.heads == 3);
        CHECK(back.vision.mlp_width == 20);
        CHECK(back.text.mlp_width == 31);
        CHECK(back.mean == source.config.mean);
        CHECK(back.std == source.config.std);
    }
}

TEST_CASE("checkpoint writer: what a layout cannot say is refused, and the other one says it") {
    ModelConfig eps = small_config();
    eps.layer_norm_eps = 1e-6F;
    ModelConfig mixed = small_config();
    mixed.text.activation = Activation::gelu;
    for (const ModelConfig& config : {eps, mixed}) {
        const TempFolder place;
        const ModelSource source = made_up(config);
        CHECK(code_of([&] {
                  write_checkpoint(place / "out", source, options_of(CheckpointLayout::open_clip));
              }) == ErrorCode::unsupported);
        CHECK(place.size() == 0);
        write_checkpoint(place / "out", source, options_of(CheckpointLayout::hf));
        const ModelConfig back = open_checkpoint(place / "out").config;
        CHECK(back.layer_norm_eps == config.layer_norm_eps);
        CHECK(back.text.activation == config.text.activation);
    }
}

TEST_CASE("checkpoint writer: bfloat16 rounds, counts what it rounded, and is another model") {
    const TempFolder place;
    const Checkpoint from = open_checkpoint(golden("micro-vit-hf"));
    const WrittenCheckpoint written = write_checkpoint(
        place / "out", model_source(from), options_of(CheckpointLayout::open_clip, DType::bf16));
    CHECK(written.rounded > 1000);
    CHECK(written.id != from.id());
    const Checkpoint back = open_checkpoint(place / "out");
    const Tensor a = from.weights.load_f32("visual.proj");
    const Tensor b = back.weights.load_f32("visual.proj");
    for (std::int64_t i = 0; i < a.shape().numel(); ++i)
        CHECK(std::abs(a.f32()[i] - b.f32()[i]) <= std::abs(a.f32()[i]) / 256);
}

TEST_CASE("checkpoint writer: numbers that are not finite, or too large, are named") {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    for (const float bad : {nan, std::numeric_limits<float>::infinity(), 1e5F}) {
        const TempFolder place;
        ModelSource source = made_up(small_config());
        const auto good = source.read;
        source.read = [&](std::string_view name, std::int64_t first, std::int64_t count,
                          float* out) {
            good(name, first, count, out);
            const std::int64_t at = 8 * 8 + 3; // of the keys' rows
            if (name == "visual.transformer.resblocks.1.attn.in_proj_weight" && first <= at &&
                at < first + count)
                out[at - first] = bad;
        };
        const std::string message = message_of([&] {
            write_checkpoint(place / "out", source, options_of(CheckpointLayout::hf, DType::f16));
        });
        CAPTURE(message);
        CHECK(message.find("resblocks.1.attn.in_proj_weight: element 67 is ") != std::string::npos);
        CHECK(place.size() == 0);
    }
}

TEST_CASE("checkpoint writer: a stop, and an error of the source, leave nothing") {
    const TempFolder place;
    std::atomic<bool> stop = false;
    ModelSource source = made_up(small_config());
    WriteOptions options = options_of(CheckpointLayout::open_clip);
    options.stop = &stop;
    options.progress = [&](std::size_t done, std::size_t total) {
        CHECK(total == 50);
        stop = done == 10;
    };
    CHECK(code_of([&] { write_checkpoint(place / "out", source, options); }) ==
          ErrorCode::interrupted);
    CHECK(place.size() == 0);
    options.beside["../evil"] = "x";
    stop = false;
    CHECK(code_of([&] { write_checkpoint(place / "out", source, options); }) ==
          ErrorCode::invalid_argument);
    CHECK(place.size() == 0);
}

TEST_CASE("checkpoint writer: every tensor lies at a multiple of its elements' size") {
    const TempFolder place;
    const Checkpoint from = open_checkpoint(golden("micro-rn-openai-jit")); // halves and floats
    write_checkpoint(place / "out", model_source(from), options_of(CheckpointLayout::open_clip));
    const io::TensorStore store = io::read_safetensors(place / "out/open_clip_model.safetensors");
    const std::byte* begin = store.tensors().front().bytes.data();
    for (const io::StoredTensor& tensor : store.tensors()) {
        CAPTURE(tensor.name);
        CHECK(static_cast<std::size_t>(tensor.bytes.data() - begin) % dtype_size(tensor.dtype) ==
              0);
    }
    CHECK(store.metadata().at("format") == "pt");
}
