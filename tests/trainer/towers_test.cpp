// SPDX-License-Identifier: MIT
// What towers in training promise beside the right numbers (towers_golden_test.cpp).
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "model/text_tower.hpp"
#include "model/vision_tower.hpp"
#include "trainer/made_towers.hpp"

using namespace clip;
using namespace clip::test;

namespace {

const std::string kTowers[] = {"vit", "vit-gelu", "text", "resnet"};
const CpuImplementation kBackends[] = {CpuImplementation::ref, CpuImplementation::automatic};

/// Enough inputs that a transformer takes them in more than one part.
int many(const std::string& tower) {
    return tower == "resnet" ? 6 : 450;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

/// The largest difference, as a part of the largest value.
double difference(const std::vector<float>& a, const std::vector<float>& b) {
    REQUIRE(a.size() == b.size());
    double largest = 0, most = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        largest = std::max(largest, std::fabs(double{a[i]}));
        most = std::max(most, std::fabs(double{a[i]} - double{b[i]}));
    }
    REQUIRE(largest > 0);
    return most / largest;
}

/// Features, gradients and weights of one step's passes.
struct Passes {
    std::vector<float> features, grads, weights;
    std::int64_t kept = 0, peak = 0; ///< bytes of the arena
};

Passes passes(const std::string& name, int count, const TowerOptions& options) {
    MadeTower tower(name, options);
    Passes made;
    made.features = tower.forward(0, count, true);
    made.kept = tower.arena.bytes();
    tower.backward(0, count);
    made.grads = tower.grads();
    made.weights = tower.weights();
    made.peak = tower.arena.peak_bytes();
    return made;
}

/// What inference gives for the same weights.
std::vector<float> inference(MadeTower& tower, const std::string& name, int count) {
    const trainer::ParametersSource source(tower.parameters);
    std::vector<float> features(static_cast<std::size_t>(count) * tower.dim());
    const MutView out{features.data(), Shape{count, tower.config.embed_dim}, DType::f32, Device{}};
    if (name == "text") {
        TextTower text(tower.backend(), source, tower.config, DType::f32);
        const auto texts = made_texts(count);
        const std::vector<std::span<const std::int32_t>> spans(texts.begin(), texts.end());
        Tensor pooled(Shape{count, text.width()});
        text.forward(tower.backend(), spans, pooled);
        text.project(tower.backend(), pooled, out);
        return features;
    }
    const auto vision = make_vision_tower(tower.backend(), source, tower.config, DType::f32);
    const std::int64_t side = tower.config.vision.image_size;
    const auto pictures = made("pictures", static_cast<std::size_t>(count * 3 * side * side));
    Tensor pooled(Shape{count, vision->penultimate_width()});
    vision->forward(tower.backend(),
                    {pictures.data(), Shape{count, 3, side, side}, DType::f32, Device{}}, pooled);
    vision->project(tower.backend(), pooled, out);
    return features;
}

} // namespace

TEST_CASE("trained towers: a forward pass that keeps nothing gives the same and changes nothing") {
    for (const CpuImplementation which : kBackends)
        for (const bool frugal : {false, true})
            for (const std::string& name : kTowers) {
                CAPTURE(name);
                CAPTURE(frugal);
                MadeTower tower(name, {.which = which, .frugal = frugal});
                const auto before = tower.weights();
                const auto without = tower.forward(0, many(name), false);
                CHECK(tower.arena.bytes() == 0);
                CHECK(same_bits(tower.weights(), before));
                const auto with = tower.forward(0, many(name), true);
                CHECK(tower.arena.bytes() > 0);
                CHECK(same_bits(with, without));
                // Only running statistics have moved, where there are any.
                CHECK(same_bits(tower.weights(), before) == (name != "resnet"));
                tower.backward(0, many(name));
                const auto moved = tower.weights();
                (void)tower.forward(0, many(name), false);
                CHECK(same_bits(tower.weights(), moved));
            }
}

TEST_CASE("trained towers: transformers compute what inference computes") {
    for (const CpuImplementation which : kBackends)
        for (const std::string name : {"vit", "vit-gelu", "text"}) {
            CAPTURE(name);
            MadeTower tower(name, {.which = which});
            CHECK(difference(inference(tower, name, many(name)),
                             tower.forward(0, many(name), false)) <= 1e-5);
        }
}

TEST_CASE("trained towers: a locked picture tower is that of inference") {
    for (const std::string name : {"vit", "resnet"}) {
        CAPTURE(name);
        MadeTower tower(name, {.locked = {"visual."}});
        const int count = name == "vit" ? 1500 : 3; // more than go through at once
        const auto features = tower.forward(0, count, true);
        CHECK(same_bits(features, inference(tower, name, count)));
        CHECK(tower.arena.bytes() == 0);
        tower.backward(0, count);
        for (const float grad : tower.grads())
            REQUIRE(grad == 0);
    }
}

TEST_CASE("trained towers: a frugal run takes less memory and gives the same bits") {
    for (const CpuImplementation which : kBackends)
        for (const std::string& name : kTowers) {
            CAPTURE(name);
            const int count = name == "resnet" ? 5 : 800; // three parts
            const Passes plain = passes(name, count, {.which = which});
            const Passes frugal = passes(name, count, {.which = which, .frugal = true});
            CHECK(same_bits(plain.features, frugal.features));
            CHECK(same_bits(plain.grads, frugal.grads));
            CHECK(same_bits(plain.weights, frugal.weights));
            CHECK(frugal.kept * 3 < plain.kept * 2);
            if (name == "resnet") { // what goes from block to block, and nothing else
                const int map = 16 * 16 * (4 + 16) + 2 * 8 * 8 * 32 + 4 * 4 * 64 + 2 * 2 * 128;
                CHECK(frugal.kept == 5 * map * static_cast<int>(sizeof(float)));
            }
            CHECK(frugal.peak < plain.peak);
        }
}

TEST_CASE("trained towers: the same bits with any number of threads") {
    for (const CpuImplementation which : kBackends)
        for (const std::string& name : kTowers) {
            CAPTURE(name);
            const Passes one = passes(name, many(name), {.which = which});
            for (const std::size_t threads : {2, 3}) {
                const Passes more = passes(name, many(name), {.which = which, .threads = threads});
                CHECK(same_bits(one.features, more.features));
                CHECK(same_bits(one.grads, more.grads));
                CHECK(same_bits(one.weights, more.weights));
            }
        }
}

TEST_CASE("trained towers: the arena is left at the height it had") {
    for (const bool frugal : {false, true})
        for (const std::string& name : kTowers) {
            CAPTURE(name);
            MadeTower tower(name, {.frugal = frugal});
            const MutView below = tower.arena.take(Shape{100});
            std::fill_n(below.f32(), 100, 7.0F);
            const std::int64_t height = tower.arena.bytes();
            for (int step = 0; step < 2; ++step) {
                (void)tower.forward(0, 4, true);
                tower.backward(0, 4);
                CHECK(tower.arena.bytes() == height);
            }
            CHECK(std::count(below.f32(), below.f32() + 100, 7.0F) == 100);
        }
}

TEST_CASE("trained towers: gradients of slices add up") {
    for (const std::string& name : kTowers) {
        CAPTURE(name);
        const int count = many(name), cut = count / 3;
        MadeTower whole(name);
        (void)whole.forward(0, count, true);
        whole.backward(0, count);
        MadeTower slices(name);
        (void)slices.forward(0, cut, true);
        slices.backward(0, cut);
        (void)slices.forward(cut, count - cut, true);
        slices.backward(cut, count - cut);
        // Batch norm's statistics are those of a slice.
        if (name == "resnet")
            CHECK(difference(whole.grads(), slices.grads()) > 1e-3);
        else
            CHECK(difference(whole.grads(), slices.grads()) <= 1e-5);

        MadeTower twice(name);
        for (int i = 0; i < 2; ++i) {
            (void)twice.forward(0, count, true);
            twice.backward(0, count);
        }
        auto doubled = whole.grads();
        for (float& grad : doubled)
            grad *= 2;
        CHECK(difference(doubled, twice.grads()) <= 1e-5);
    }
}

TEST_CASE("trained towers: after refresh() changed weights are the ones in use") {
    for (const bool frugal : {false, true})
        for (const std::string& name : kTowers) {
            CAPTURE(name);
            MadeTower used(name, {.frugal = frugal}), fresh(name, {.frugal = frugal});
            (void)used.forward(0, 3, false);
            for (MadeTower* tower : {&used, &fresh})
                for (float& weight : tower->parameters.weights())
                    weight *= 1.25F;
            used.refresh();
            const auto features = used.forward(0, 3, true);
            CHECK(same_bits(features, fresh.forward(0, 3, true)));
            used.backward(0, 3);
            fresh.backward(0, 3);
            CHECK(same_bits(used.grads(), fresh.grads()));
        }
}
