// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <fstream>
#include <random>
#include <unistd.h>

#include "checkpoint/golden_copy.hpp"
#include "io/safetensors.hpp"
#include "model/checkpoint.hpp"

using namespace clip;
using namespace clip_test;

namespace {

const std::vector<std::string> kVitLayouts{
    "openai-jit", "openai-state", "hf", "hf-bin", "open_clip", "open_clip-bin", "open_clip-train"};

std::vector<float> values(const Weights& weights, const std::string& name) {
    const Tensor tensor = weights.load_f32(name);
    return {tensor.f32(), tensor.f32() + tensor.numel()};
}

} // namespace

TEST_CASE("checkpoint: every layout gives the same weights, configuration and digest") {
    const Checkpoint first = open_checkpoint(golden("micro-vit-open_clip"));
    CHECK(first.config.name() == "ViT-w64-l1-p8-i32");
    CHECK(first.digest.size() == 12);
    CHECK(first.id() == first.config.name() + "@" + first.digest);
    CHECK(first.weights.names().size() == weight_specs(first.config).size());
    for (const std::string& layout : kVitLayouts) {
        CAPTURE(layout);
        const Checkpoint other = open_checkpoint(golden("micro-vit-" + layout));
        CHECK(layout.starts_with(other.layout));
        CHECK(other.id() == first.id());
        CHECK(other.config.vision.heads == 1);
        CHECK(other.config.text.context_length == 16);
        CHECK(other.config.text.vocab_size == 530);
        CHECK(other.config.embed_dim == 32);
        CHECK(std::abs(other.logit_scale - std::log(1 / 0.07F)) < 1e-3F);
        REQUIRE(other.weights.names() == first.weights.names());
        for (const std::string& name : first.weights.names()) {
            CHECK(other.weights.shape(name) == first.weights.shape(name));
            CHECK_MESSAGE(values(other.weights, name) == values(first.weights, name), name);
        }
    }
}

TEST_CASE("checkpoint: sizes that only a config can tell are read from it") {
    const Checkpoint plain = open_checkpoint(golden("micro-gelu-open_clip"));
    const Checkpoint sharded = open_checkpoint(golden("micro-gelu-hf-sharded"));
    CHECK(plain.config.vision.heads == 2);
    CHECK(plain.config.text.heads == 4);
    CHECK(plain.config.vision.activation == Activation::gelu);
    CHECK(sharded.config.text.activation == Activation::gelu);
    CHECK(sharded.config.vision.heads == 2);
    CHECK(sharded.id() == plain.id());
    CHECK(sharded.files.size() == 4);
    CHECK_FALSE(plain.config.activation_assumed);
}

TEST_CASE("checkpoint: a ResNet comes out of TorchScript and of open_clip alike") {
    const Checkpoint script = open_checkpoint(golden("micro-rn-openai-jit"));
    const Checkpoint plain = open_checkpoint(golden("micro-rn-open_clip"));
    CHECK(script.id() == plain.id());
    CHECK(script.config.name() == "RN-w4-l1.2.1.1-i64");
    CHECK(script.config.vision.heads == 2);
    CHECK(script.config.vision.activation == Activation::quick_gelu);
    CHECK(values(script.weights, "visual.layer2.1.bn3.running_var") ==
          values(plain.weights, "visual.layer2.1.bn3.running_var"));
}

TEST_CASE("checkpoint: says where the activation comes from, and takes another") {
    CHECK_FALSE(open_checkpoint(golden("micro-vit-openai-jit")).config.activation_assumed);
    const Checkpoint state = open_checkpoint(golden("micro-vit-openai-state"));
    CHECK(state.config.activation_assumed);
    CHECK(state.config.text.activation == Activation::quick_gelu);
    REQUIRE(state.notes.size() == 1);
    CHECK(state.notes[0].find("assumed: quick_gelu") != std::string::npos);
    const Checkpoint run = open_checkpoint(golden("micro-vit-open_clip-train"));
    CHECK(run.config.text.activation == Activation::quick_gelu);
    CHECK(run.config.activation_assumed);
    const Checkpoint told =
        open_checkpoint(golden("micro-vit-open_clip-train"), {Activation::gelu});
    CHECK(told.config.vision.activation == Activation::gelu);
    CHECK(told.notes.empty());

    const GoldenCopy copy("micro-vit-open_clip-train");
    write_file(copy / "params.txt", "batch_size: 8\nmodel: ViT-B-32-quickgelu\n");
    const Checkpoint quick = open_checkpoint(copy.path());
    CHECK(quick.config.text.activation == Activation::quick_gelu);
    CHECK_FALSE(quick.config.activation_assumed);
    write_file(copy / "params.txt", "batch_size: 8\nmodel: ViT-B-32\n");
    CHECK(open_checkpoint(copy.path()).config.text.activation == Activation::gelu);
}

TEST_CASE("checkpoint: rows and ranges are read alone") {
    for (const char* layout : {"micro-vit-hf", "micro-vit-openai-jit"}) {
        const Weights weights = open_checkpoint(golden(layout)).weights;
        const std::vector<float> table = values(weights, "token_embedding.weight");
        std::vector<float> rows(2 * 64);
        weights.load_rows_f32("token_embedding.weight", 528, 2, rows.data());
        CHECK(std::equal(rows.begin(), rows.end(), table.end() - 128));
        CHECK(code_of([&] {
                  weights.load_rows_f32("token_embedding.weight", 529, 2, rows.data());
              }) == ErrorCode::invalid_argument);
        // Across the seam of query and key, which are two tensors in transformers' files.
        const std::string joined = "transformer.resblocks.0.attn.in_proj_weight";
        const std::vector<float> whole = values(weights, joined);
        std::vector<float> part(100);
        weights.load_range_f32(joined, 64 * 64 - 30, 100, part.data());
        CHECK(std::equal(part.begin(), part.end(), whole.begin() + 64 * 64 - 30));
        weights.load_range_f32("visual.proj", 40, 50, part.data());
        const std::vector<float> projection = values(weights, "visual.proj");
        CHECK(std::equal(part.begin(), part.begin() + 50, projection.begin() + 40));
        CHECK(code_of([&] { weights.load_f32("visual.prj"); }) == ErrorCode::not_found);
        CHECK(weights.has("visual.proj"));
        CHECK_FALSE(weights.has("visual.prj"));
        weights.release(joined);
        CHECK(values(weights, joined) == whole);
    }
}

TEST_CASE("checkpoint: a tensor is seen in the file where it lies there as it is") {
    const Weights weights = open_checkpoint(golden("micro-vit-hf")).weights;
    CHECK(weights.stored_view("token_embedding.weight")->dtype == DType::f16);
    CHECK_FALSE(weights.stored_view("visual.proj").has_value());
    CHECK_FALSE(weights.stored_view("transformer.resblocks.0.attn.in_proj_weight").has_value());
}

TEST_CASE("checkpoint: a file, its folder and the run above it are the same") {
    const GoldenCopy copy("micro-vit-open_clip");
    const std::string id = open_checkpoint(copy.path()).id();
    CHECK(open_checkpoint(copy / "open_clip_model.safetensors").id() == id);
    const TempFolder run;
    std::filesystem::create_directory_symlink(copy.path(), run / "model");
    CHECK(open_checkpoint(run.path()).id() == id);
    CHECK(open_checkpoint(copy / "open_clip_model.safetensors").layout == "open_clip");
    CHECK(open_checkpoint(copy.path()).tokenizer_places == std::vector{copy.path()});
}

TEST_CASE("checkpoint: names what cannot be found") {
    const TempFolder folder;
    CHECK(code_of([&] { open_checkpoint(folder / "absent"); }) == ErrorCode::not_found);
    CHECK(code_of([&] { open_checkpoint(folder.path()); }) == ErrorCode::not_found);
    write_file(folder / "epoch_1.pt", "x");
    CHECK(code_of([&] { open_checkpoint(folder.path()); }) == ErrorCode::bad_format);
    write_file(folder / "epoch_2.pt", "x");
    CHECK(message_of([&] { open_checkpoint(folder.path()); }).find("epoch_2.pt") !=
          std::string::npos);
    CHECK(code_of([&] { open_checkpoint("/dev/zero"); }) == ErrorCode::bad_format);
}

TEST_CASE("checkpoint: an index names shards of its own folder only") {
    for (const char* shard :
         {"../model.safetensors", "/etc/passwd", "", "..", "absent.safetensors"}) {
        const GoldenCopy copy("micro-gelu-hf-sharded");
        copy.replace("model.safetensors.index.json", "model-00001-of-00002.safetensors", shard);
        CHECK_THROWS_AS(open_checkpoint(copy.path()), Error);
    }
    const GoldenCopy copy("micro-gelu-hf-sharded");
    copy.replace("model.safetensors.index.json", "\"logit_scale\"", "\"logit_scala\"");
    CHECK(message_of([&] { open_checkpoint(copy.path()); }).find("logit_scala") !=
          std::string::npos);
}

TEST_CASE("checkpoint: missing, extra and misshaped tensors are named") {
    const auto with = [](auto change) {
        const io::TensorStore store =
            io::read_safetensors(golden("micro-vit-hf") + "/model.safetensors");
        std::vector<std::pair<std::string, ConstView>> tensors;
        for (const io::StoredTensor& tensor : store.tensors())
            tensors.emplace_back(tensor.name,
                                 ConstView{tensor.bytes.data(), Shape(std::span(tensor.shape)),
                                           tensor.dtype, Device{}});
        change(tensors);
        const GoldenCopy copy("micro-vit-hf");
        io::write_safetensors(copy / "model.safetensors", tensors);
        std::string result;
        const std::string message = message_of([&] {
            const Checkpoint checkpoint = open_checkpoint(copy.path());
            for (const std::string& note : checkpoint.notes)
                result += note;
        });
        return result + message;
    };
    const auto drop = [](const std::string& name) {
        return [name](auto& tensors) {
            std::erase_if(tensors, [&](const auto& tensor) { return tensor.first == name; });
        };
    };
    const auto names = [](const std::string& message, const std::string& name) {
        return message.find(name) != std::string::npos;
    };
    CHECK(with([](auto&) {}).empty());
    for (const char* name :
         {"logit_scale", "text_model.encoder.layers.0.mlp.fc1.bias", "visual_projection.weight",
          "vision_model.pre_layrnorm.weight", "text_model.embeddings.token_embedding.weight"})
        CHECK_MESSAGE(names(with(drop(name)), "tensor " + std::string(name) + " is missing"), name);
    CHECK(names(with(drop("text_model.encoder.layers.0.self_attn.v_proj.weight")),
                "query, key or value"));
    const std::array<float, 64> zeros{};
    const auto add = [&](const std::string& name, Shape shape) {
        return [&zeros, name, shape](auto& tensors) {
            tensors.emplace_back(name, ConstView{zeros.data(), shape, DType::f32, {}});
        };
    };
    CHECK(names(with(add("vision_model.encoder.layers.0.ls1.gamma", {64})),
                "ls1.gamma belongs to no part"));
    CHECK(names(with(add("text_model.encoder.layers.1.layer_norm1.bias", {64})),
                "but the weights have 2"));
    CHECK(names(with(add("logit_bias", {1})), "logit_bias is not used"));
    CHECK(with(add("text_model.embeddings.position_ids", {1, 16})).empty());
    const auto reshape = [](auto& tensors) {
        for (auto& [name, view] : tensors)
            if (name == "vision_model.post_layernorm.bias")
                view.shape = Shape{8, 8};
    };
    CHECK(names(with(reshape), "post_layernorm.bias: wrong shape (got (8, 8), want (64))"));
}

TEST_CASE("checkpoint: check names values that are not finite and damaged archives") {
    CHECK(check_checkpoint(golden("micro-vit-openai-jit")).problems.empty());
    const CheckReport sound = check_checkpoint(golden("micro-gelu-hf-sharded"));
    CHECK(sound.problems.empty());
    CHECK(sound.parameters == 120225);
    CHECK(sound.bytes == 2 * sound.parameters);
    CHECK(check_checkpoint(golden("absent")).problems.size() == 1);

    const GoldenCopy copy("micro-vit-open_clip");
    const io::TensorStore store = io::read_safetensors(copy / "open_clip_model.safetensors");
    const io::StoredTensor* bias = store.find("ln_final.bias");
    std::string bytes = read_file(copy / "open_clip_model.safetensors");
    const std::size_t end =
        bytes.size() -
        static_cast<std::size_t>(store.tensors().back().bytes.data() +
                                 store.tensors().back().bytes.size() - bias->bytes.data());
    bytes[end] = 0;
    bytes[end + 1] = 0x7c; // infinity in float16
    bytes[end + 7] = 0x7e; // a NaN
    write_file(copy / "open_clip_model.safetensors", bytes);
    const CheckReport values = check_checkpoint(copy.path());
    REQUIRE(values.problems.size() == 1);
    CHECK(values.problems[0].find("ln_final.bias: 1 values are NaN and 1 infinite") !=
          std::string::npos);

    const GoldenCopy script("micro-vit-openai-jit");
    std::string archive = read_file(script / "model.pt");
    archive[archive.size() / 2] ^= 4;
    write_file(script / "model.pt", archive);
    const CheckReport damaged = check_checkpoint(script.path());
    REQUIRE_FALSE(damaged.problems.empty());
    CHECK(damaged.problems.back().find("checksum") != std::string::npos);
}

TEST_CASE("checkpoint: a flipped bit in a header gives an error or a checkpoint") {
    for (const char* layout :
         {"micro-vit-openai-jit", "micro-vit-open_clip-train", "micro-vit-hf"}) {
        const GoldenCopy copy(layout);
        const std::string path = open_checkpoint(copy.path()).files[0];
        const std::string whole = read_file(path);
        const bool header_first = path.ends_with(".safetensors");
        std::mt19937 random(3);
        for (int round = 0; round < 200; ++round) {
            std::string bytes = whole;
            const std::size_t at = random() % 8000;
            char& byte = bytes[header_first ? at % 4000 : bytes.size() - 1 - at];
            byte = static_cast<char>(byte ^ (1 << random() % 8));
            write_file(path, bytes);
            try {
                const Checkpoint checkpoint = open_checkpoint(copy.path());
                for (const std::string& name : checkpoint.weights.names())
                    checkpoint.weights.load_f32(name);
            } catch (const Error& error) {
                CHECK(error.code() != ErrorCode::internal);
            }
        }
    }
}

TEST_CASE("checkpoint: released weights leave memory") {
    const auto resident = [] {
        std::ifstream file("/proc/self/statm");
        std::int64_t total = 0, pages = 0;
        file >> total >> pages;
        return pages * ::sysconf(_SC_PAGESIZE);
    };
    const TempFolder folder;
    constexpr std::int64_t kRows = 1 << 22;
    const std::vector<float> rows(kRows, 1.0F);
    io::write_safetensors(folder / "x",
                          {{"a", ConstView{rows.data(), Shape{kRows}, DType::f32, {}}}});
    const io::TensorStore store = io::read_safetensors(folder / "x");
    const std::int64_t before = resident();
    std::vector<float> piece(1024);
    for (std::int64_t row = 0; row < kRows; row += 1024)
        io::read_f32(store.tensors()[0], row, 1024, piece.data());
    const std::int64_t read = resident();
    store.release(store.tensors()[0]);
    const std::int64_t after = resident();
    CHECK(read - before > 8 << 20);
    CHECK(after - before < 2 << 20);
}
