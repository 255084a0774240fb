// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <numeric>

#include "tiny_run.hpp"
#include "trainer/predictive_parameters.hpp"
#include "trainer/vocabulary_softmax.hpp"

using namespace clip;
using namespace clip::trainer;

namespace {

/// A softmax of 40 tokens over rows of width 12, with parameters of its own.
struct Softmax {
    Parameters parameters{test::tiny_config(), bag_of_words_parameters(test::tiny_config()),
                          locked_by_objective(Objective::bag_of_words)};
    Arena arena;
    TowerContext context;
    VocabularySoftmax softmax;

    explicit Softmax(double scale)
        : context{.backend = test::backend("automatic", 2),
                  .parameters = parameters,
                  .arena = arena},
          softmax(context, "bag_of_words.weight", "bag_of_words.bias") {
        for (const char* name : {"bag_of_words.weight", "bag_of_words.bias"}) {
            const MutView weight = parameters.weight(name);
            const auto values = test::hashed(name, weight.numel());
            for (std::size_t i = 0; i < values.size(); ++i)
                weight.f32()[i] = static_cast<float>(scale * values[i]);
        }
    }
    /// log p of all tokens given a row, in double.
    std::vector<double> log_p(const float* row) {
        const float* weight = parameters.weight("bag_of_words.weight").f32();
        const float* bias = parameters.weight("bag_of_words.bias").f32();
        std::vector<double> logits(40);
        double largest = -1e300, sum = 0;
        for (std::size_t v = 0; v < 40; ++v) {
            logits[v] = bias[v];
            for (std::size_t e = 0; e < 12; ++e)
                logits[v] += static_cast<double>(row[e]) * weight[v * 12 + e];
            largest = std::max(largest, logits[v]);
        }
        for (const double logit : logits)
            sum += std::exp(logit - largest);
        for (double& logit : logits)
            logit -= largest + std::log(sum);
        return logits;
    }
};

struct Rows {
    std::vector<float> values;
    explicit Rows(std::int64_t count) {
        for (const double u : test::hashed("rows", count * 12))
            values.push_back(static_cast<float>(2 * u));
    }
    ConstView view() const {
        return {values.data(), Shape{std::ssize(values) / 12, 12}, DType::f32, Device{}};
    }
};

} // namespace

TEST_CASE("vocabulary softmax: losses of many blocks of rows, however unlikely the tokens") {
    // With a scale of 400 the likeliest token has all of the probability, and others have less than
    // float32 can say.
    for (const double scale : {1.0, 400.0}) {
        Softmax made(scale);
        const Rows rows(600);
        std::vector<std::int32_t> ids;
        std::vector<std::int64_t> offsets{0};
        for (std::int32_t r = 0; r < 600; ++r) { // none to three tokens
            for (std::int32_t t = 0; t < r % 4; ++t)
                ids.push_back((7 * r + 11 * t) % 40);
            offsets.push_back(std::ssize(ids));
        }
        const TokenSets sets{.ids = ids, .offsets = offsets};
        std::vector<double> losses(600);
        made.softmax.losses(rows.view(), sets, losses);
        double lowest = 0;
        for (std::int64_t r = 0; r < 600; ++r) {
            CAPTURE(r);
            const auto log_p = made.log_p(rows.values.data() + r * 12);
            double want = 0;
            for (const std::int32_t id : sets[r])
                want -= log_p[static_cast<std::size_t>(id)] / static_cast<double>(sets[r].size());
            // Logits of about scale, in float32.
            CHECK(std::fabs(losses[static_cast<std::size_t>(r)] - want) < 2e-6 * scale);
            lowest = std::min(lowest, -want);
        }
        CHECK((scale == 1.0 || lowest < -200)); // exp(-200) is 0 in float32
        CHECK(made.arena.bytes() == 0);
    }
}

TEST_CASE("vocabulary softmax: every row with every set") {
    Softmax made(1);
    const Rows rows(300);
    const std::vector<std::int32_t> ids{0, 39, 5, 6, 7};
    const std::vector<std::int64_t> offsets{0, 1, 2, 2, 5};
    std::vector<float> scores(1200);
    made.softmax.score(rows.view(), {.ids = ids, .offsets = offsets},
                       {scores.data(), Shape{300, 4}, DType::f32, Device{}});
    for (std::size_t r = 0; r < 300; ++r) {
        const auto log_p = made.log_p(rows.values.data() + r * 12);
        CHECK(std::fabs(scores[4 * r] - log_p[0]) < 2e-6);
        CHECK(std::fabs(scores[4 * r + 1] - log_p[39]) < 2e-6);
        CHECK(scores[4 * r + 2] == static_cast<float>(-std::log(40.0)));
        CHECK(std::fabs(scores[4 * r + 3] - (log_p[5] + log_p[6] + log_p[7]) / 3) < 2e-6);
    }
}

TEST_CASE("vocabulary softmax: tokens outside the vocabulary are refused") {
    Softmax made(1);
    const Rows rows(1);
    for (const std::int32_t bad : {-1, 40}) {
        const std::vector<std::int32_t> ids{3, bad};
        const std::vector<std::int64_t> offsets{0, 2};
        std::vector<double> losses(1);
        test::check_error(
            ErrorCode::invalid_argument,
            [&] { made.softmax.losses(rows.view(), {.ids = ids, .offsets = offsets}, losses); },
            "a token that is not there");
    }
}

TEST_CASE("predictive parameters: begin as documented, the same for the same seed") {
    ModelConfig config = test::tiny_config();
    config.embed_dim = 64;
    config.text.width = 512;
    Parameters caption(config, caption_parameters(config));
    Parameters bag(config, bag_of_words_parameters(config));
    const auto deviation = [](ConstView view) {
        double sum = 0, squares = 0;
        for (std::int64_t i = 0; i < view.numel(); ++i) {
            sum += view.f32()[i];
            squares += static_cast<double>(view.f32()[i]) * view.f32()[i];
        }
        CHECK(std::fabs(sum / std::sqrt(squares)) < 4); // the mean is 0 within four deviations
        return std::sqrt(squares / static_cast<double>(view.numel()));
    };
    initialize_caption_parameters(caption, 1);
    initialize_bag_of_words_parameters(bag, 1);
    // 32,768 and 2,560 numbers: deviations are known to 0.4 % and 1.4 %.
    CHECK(deviation(caption.weight("caption.prefix.weight")) ==
          doctest::Approx(0.125).epsilon(0.016));
    CHECK(deviation(bag.weight("bag_of_words.weight")) == doctest::Approx(0.01).epsilon(0.056));
    const std::vector<float> first(caption.weights().begin(), caption.weights().end());
    initialize_caption_parameters(caption, 2);
    CHECK(first != std::vector<float>(caption.weights().begin(), caption.weights().end()));
    initialize_caption_parameters(caption, 1);
    CHECK(first == std::vector<float>(caption.weights().begin(), caption.weights().end()));
}
