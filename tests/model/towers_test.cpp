// SPDX-License-Identifier: MIT
// Whole towers against what PyTorch answered for the same weights
// (tests/golden/make_checkpoints.py).
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "backend/registry.hpp"
#include "io/safetensors.hpp"
#include "model/clip_model.hpp"

using namespace clip;

namespace {

std::string golden(const std::string& name) {
    return std::string(CLIP_TEST_DIR) + "/golden/" + name;
}

struct Expected {
    explicit Expected(const std::string& arch)
        : store(io::read_safetensors(golden(arch) + "/expected.safetensors")) {}
    std::vector<float> floats(const std::string& name) const {
        const io::StoredTensor* tensor = store.find(name);
        REQUIRE(tensor != nullptr);
        std::vector<float> out(static_cast<std::size_t>(tensor->numel));
        io::read_f32(*tensor, 0, tensor->numel, out.data());
        return out;
    }
    std::vector<TokenizedText> texts() const {
        const io::StoredTensor* tensor = store.find("tokens");
        REQUIRE(tensor != nullptr);
        std::vector<TokenizedText> out;
        for (std::int64_t n = 0; n < tensor->shape[0]; ++n) {
            TokenizedText text{};
            for (std::int64_t l = 0; l < tensor->shape[1]; ++l) {
                std::int64_t id;
                std::memcpy(&id, tensor->bytes.data() + (n * tensor->shape[1] + l) * 8, 8);
                text.ids.push_back(static_cast<std::int32_t>(id));
            }
            out.push_back(std::move(text)); // padded with zeros, as PyTorch was given them
        }
        return out;
    }
    io::TensorStore store;
};

/// The largest difference, as a part of the largest value.
double relative_difference(const std::vector<float>& got, const std::vector<float>& want) {
    REQUIRE(got.size() == want.size());
    double largest = 0, difference = 0;
    for (std::size_t i = 0; i < want.size(); ++i) {
        largest = std::max(largest, std::abs(double{want[i]}));
        difference = std::max(difference, std::abs(double{got[i]} - double{want[i]}));
        if (std::isnan(got[i]))
            return INFINITY;
    }
    return difference / largest;
}

struct Case {
    const char* arch;
    const char* checkpoint;
};
const Case kCases[] = {
    {"micro-vit", "micro-vit-open_clip"},    {"micro-vit", "micro-vit-hf"},
    {"micro-vit", "micro-vit-openai-jit"},   {"micro-gelu", "micro-gelu-open_clip"},
    {"micro-gelu", "micro-gelu-hf-sharded"}, {"micro-rn", "micro-rn-open_clip"},
    {"micro-rn", "micro-rn-openai-jit"}};

// The figure that the project promises against PyTorch in float32.
constexpr double kTolerance = 2e-5;

} // namespace

TEST_CASE("towers: embeddings of pictures and texts equal PyTorch's, on every CPU backend") {
    ThreadPool pool(2);
    for (const auto which :
         {CpuImplementation::automatic, CpuImplementation::onednn, CpuImplementation::ref}) {
        std::unique_ptr<Backend> backend;
        try {
            backend = make_backend(Device{}, pool, {.cpu = which});
        } catch (const Error& error) {
            REQUIRE(which == CpuImplementation::onednn); // the only one that a build may lack
            MESSAGE("skipped: " << error.what());
            continue;
        }
        for (const Case& c : kCases) {
            CAPTURE(backend->name());
            CAPTURE(c.checkpoint);
            const Expected expected(c.arch);
            ClipModel model(open_checkpoint(golden(c.checkpoint)), *backend);
            const auto pixels = expected.floats("pixels");
            const auto want_pictures = expected.floats("image.embedding");
            std::vector<float> pictures(want_pictures.size());
            model.encode_pictures(pixels, pictures);
            CHECK(relative_difference(pictures, want_pictures) <= kTolerance);

            const auto want_texts = expected.floats("text.embedding");
            std::vector<float> texts(want_texts.size());
            model.encode_texts(expected.texts(), texts);
            CHECK(relative_difference(texts, want_texts) <= kTolerance);
            CHECK(model.logit_scale() ==
                  doctest::Approx(std::exp(double{expected.floats("logit_scale")[0]})));
        }
    }
}

TEST_CASE("towers: the penultimate layer is the vector before the projection") {
    ThreadPool pool(1);
    const auto backend = make_backend(Device{}, pool);
    const Expected expected("micro-vit");
    ClipModel model(open_checkpoint(golden("micro-vit-open_clip")), *backend);
    const auto want = expected.floats("vision.pooled");
    std::vector<float> got(want.size());
    model.encode_pictures(expected.floats("pixels"), got, Layer::penultimate);
    CHECK(relative_difference(got, want) <= kTolerance);

    ClipModel resnet(open_checkpoint(golden("micro-rn-open_clip")), *backend);
    CHECK(resnet.dim(Layer::penultimate, false) == 128);
    std::vector<float> pooled(2 * 128);
    resnet.encode_pictures(Expected("micro-rn").floats("pixels"), pooled, Layer::penultimate);
    for (const float value : pooled)
        CHECK(std::isfinite(value));
}

TEST_CASE("towers: the same bits alone, in a batch, and with any number of threads") {
    for (const char* arch : {"micro-vit", "micro-gelu", "micro-rn"}) {
        const Expected expected(arch);
        const auto pixels = expected.floats("pixels");
        const auto texts = expected.texts();
        std::vector<float> pictures_before, texts_before;
        for (const std::size_t threads : {1, 2, 3}) {
            ThreadPool pool(threads);
            const auto backend = make_backend(Device{}, pool);
            ClipModel model(open_checkpoint(golden(std::string(arch) + "-open_clip")), *backend);
            const auto dim = static_cast<std::size_t>(model.config().embed_dim);
            const std::size_t each = pixels.size() / 2;

            std::vector<float> many; // 21 pictures: the two of them in turn
            for (int i = 0; i < 21; ++i)
                many.insert(many.end(), pixels.begin() + (i % 2) * static_cast<long>(each),
                            pixels.begin() + (i % 2 + 1) * static_cast<long>(each));
            std::vector<float> batch(21 * dim), alone(dim);
            model.encode_pictures(many, batch);
            model.encode_pictures(std::span(pixels).subspan(each, each), alone);
            for (std::size_t i = 1; i < 21; i += 2)
                CHECK(std::memcmp(alone.data(), &batch[i * dim], dim * sizeof(float)) == 0);

            std::vector<TokenizedText> many_texts;
            for (int i = 0; i < 100; ++i)
                many_texts.push_back(texts[static_cast<std::size_t>(i) % texts.size()]);
            std::vector<float> text_batch(100 * dim);
            model.encode_texts(many_texts, text_batch);
            model.encode_texts(std::span(texts).subspan(1, 1), alone);
            for (std::size_t i = 1; i < 100; i += texts.size())
                CHECK(std::memcmp(alone.data(), &text_batch[i * dim], dim * sizeof(float)) == 0);

            if (pictures_before.empty()) {
                pictures_before = batch;
                texts_before = text_batch;
            }
            CHECK(std::memcmp(batch.data(), pictures_before.data(), batch.size() * 4) == 0);
            CHECK(std::memcmp(text_batch.data(), texts_before.data(), text_batch.size() * 4) == 0);
        }
    }
}

TEST_CASE("towers: tokens behind the end mark change nothing") {
    ThreadPool pool(1);
    const auto backend = make_backend(Device{}, pool);
    ClipModel model(open_checkpoint(golden("micro-vit-open_clip")), *backend);
    std::vector<TokenizedText> texts = Expected("micro-vit").texts();
    std::vector<TokenizedText> cut = texts;
    cut[1].ids.resize(5);
    const auto dim = static_cast<std::size_t>(model.config().embed_dim);
    std::vector<float> padded(texts.size() * dim), short_(texts.size() * dim);
    model.encode_texts(texts, padded);
    model.encode_texts(cut, short_);
    CHECK(padded == short_);
}

TEST_CASE("towers: texts that a model cannot take are refused by reason") {
    ThreadPool pool(1);
    const auto backend = make_backend(Device{}, pool);
    ClipModel model(open_checkpoint(golden("micro-vit-open_clip")), *backend);
    std::vector<float> out(static_cast<std::size_t>(model.config().embed_dim));
    const auto encode = [&](std::vector<std::int32_t> ids) {
        const TokenizedText text{.ids = std::move(ids), .truncated = false};
        model.encode_texts(std::span(&text, 1), out);
    };
    CHECK_THROWS_AS(encode({}), Error);
    CHECK_THROWS_AS(encode({528, -1, 529}), Error);
    CHECK_THROWS_AS(encode({528, 530}), Error);
    CHECK_THROWS_AS(encode(std::vector<std::int32_t>(17, 1)), Error);
}

TEST_CASE("towers: narrower storage of weights stays close to float32") {
    ThreadPool pool(1);
    const auto backend = make_backend(Device{}, pool);
    const Expected expected("micro-vit");
    const auto want = expected.floats("image.embedding");
    // Bounds on 1 - cosine: unit round-offs of the storage, seen once a weight and averaged over D.
    const std::pair<DType, double> bounds[] = {
        {DType::f16, 1e-6}, {DType::bf16, 1e-4}, {DType::i8, 1e-3}};
    for (const auto& [storage, bound] : bounds) {
        CAPTURE(dtype_name(storage));
        ClipModel model(open_checkpoint(golden("micro-vit-open_clip")), *backend, {storage});
        std::vector<float> got(want.size());
        model.encode_pictures(expected.floats("pixels"), got);
        double dot = 0, a = 0, b = 0;
        for (std::size_t i = 0; i < want.size(); ++i) {
            dot += double{got[i]} * want[i];
            a += double{got[i]} * got[i];
            b += double{want[i]} * want[i];
        }
        CHECK(1 - dot / std::sqrt(a * b) <= bound);
    }
}
