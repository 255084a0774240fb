// SPDX-License-Identifier: MIT
// Towers on memory that the host cannot touch: a read through a pointer ends the test.
#include <doctest/doctest.h>

#include <cmath>
#include <csignal>
#include <cstring>
#include <string>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include "base/random.hpp"
#include "model/clip_model.hpp"
#include "model/zero_shot.hpp"
#include "support/far_backend.hpp"

using namespace clip;
using namespace clip::test;

namespace {

std::string golden(const std::string& name) {
    return std::string(CLIP_TEST_DIR) + "/golden/" + name;
}

struct Vectors {
    std::vector<float> pictures, penultimate, texts;
};

std::vector<float> noise(std::size_t count) {
    RandomStream random(7, 1);
    std::vector<float> out(count);
    for (float& value : out)
        value = static_cast<float>(random.next()) * 0x1p-31F - 1.0F;
    return out;
}

std::vector<TokenizedText> some_texts(const TextConfig& config) {
    std::vector<TokenizedText> texts;
    for (std::int32_t length = 1; length < 8; ++length) {
        TokenizedText text{};
        for (std::int32_t i = 0; i < length; ++i)
            text.ids.push_back(3 * length + i);
        text.ids.push_back(static_cast<std::int32_t>(config.vocab_size) - 1);
        texts.push_back(text);
    }
    return texts;
}

/// Batches of several sizes, some of them twice, so that what is repeated is repeated.
Vectors encode(ClipModel& model) {
    Vectors out;
    const std::int64_t side = model.config().vision.image_size;
    const auto each = static_cast<std::size_t>(3 * side * side);
    const auto pixels = noise(9 * each);
    for (const std::size_t count : {3, 9, 2, 9, 9, 3}) {
        std::vector<float> vectors(count * static_cast<std::size_t>(model.dim({}, false)));
        model.encode_pictures(std::span(pixels).first(count * each), vectors);
        out.pictures.insert(out.pictures.end(), vectors.begin(), vectors.end());
    }
    out.penultimate.resize(2 * static_cast<std::size_t>(model.dim(Layer::penultimate, false)));
    model.encode_pictures(std::span(pixels).first(2 * each), out.penultimate, Layer::penultimate);
    const auto texts = some_texts(model.config().text);
    out.texts.resize(texts.size() * static_cast<std::size_t>(model.dim({}, true)));
    model.encode_texts(texts, out.texts);
    return out;
}

} // namespace

TEST_CASE("towers: on a device they touch nothing of its memory, and give the reference's bits") {
    ThreadPool pool(2);
    for (const char* name : {"micro-vit-open_clip", "micro-gelu-open_clip", "micro-rn-open_clip"}) {
        CAPTURE(name);
        RefBackend ref(pool);
        ClipModel here(open_checkpoint(golden(name)), ref);
        const Vectors want = encode(here);
        for (const std::int64_t batch : {1, 16}) {
            FarBackend far(pool);
            far.batch = batch;
            {
                ClipModel there(open_checkpoint(golden(name)), far);
                const Vectors got = encode(there);
                CHECK(got.pictures == want.pictures);
                CHECK(got.penultimate == want.penultimate);
                CHECK(got.texts == want.texts);
                CHECK(far.repeats > 0);
            }
            CHECK(far.memory().blocks() == 0);
        }
    }
}

TEST_CASE("towers: 16 bits between layers stay close to float32") {
    ThreadPool pool(2);
    for (const char* name : {"micro-vit-open_clip", "micro-rn-open_clip"})
        for (const DType between : {DType::f16, DType::bf16}) {
            CAPTURE(name);
            CAPTURE(dtype_name(between));
            RefBackend ref(pool);
            FarBackend far(pool, between);
            ClipModel here(open_checkpoint(golden(name)), ref, {between});
            ClipModel there(open_checkpoint(golden(name)), far, {between});
            const Vectors want = encode(here), got = encode(there);
            CHECK(got.pictures != want.pictures);
            const auto close = [&](const std::vector<float>& a, const std::vector<float>& b) {
                double dot = 0, left = 0, right = 0;
                for (std::size_t i = 0; i < a.size(); ++i) {
                    dot += double{a[i]} * b[i];
                    left += double{a[i]} * a[i];
                    right += double{b[i]} * b[i];
                }
                return 1 - dot / std::sqrt(left * right);
            };
            const double bound = between == DType::f16 ? 1e-5 : 1e-3;
            CHECK(close(got.pictures, want.pictures) < bound);
            CHECK(close(got.penultimate, want.penultimate) < bound);
            CHECK(close(got.texts, want.texts) < bound);
        }
}

TEST_CASE("far memory: an address that the host follows is its end") {
    FarMemory memory;
    auto* const at = static_cast<volatile float*>(memory.allocate(64));
    const pid_t child = ::fork();
    if (child == 0) {
        std::signal(SIGSEGV, SIG_DFL); // not the test program's report
        const float read = *at;
        ::_exit(read == 0 ? 1 : 2);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status));
    CHECK_THROWS_AS(memory.near(const_cast<float*>(at + 16), 4), const Error&);
    memory.release(const_cast<float*>(at), 64);
    CHECK_THROWS_AS(memory.near(const_cast<float*>(at), 4), const Error&);
}

TEST_CASE("normalize rows: of the host, by any backend") {
    ThreadPool pool(1);
    RefBackend ref(pool);
    FarBackend far(pool);
    std::vector<float> a = noise(12), b = a;
    normalize_rows(ref, a, 4);
    normalize_rows(far, b, 4);
    CHECK(a == b);
}
