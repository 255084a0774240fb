// SPDX-License-Identifier: MIT
// The predictive objectives as a whole: PyTorch's numbers, differences, slices, ranks, threads.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <sstream>

#include "backend/registry.hpp"
#include "base/concat.hpp"
#include "ops/adamw.hpp"
#include "trainer/thread_ranks.hpp"
#include "trainer/tiny_run.hpp"

using namespace clip;
using namespace clip::trainer;
using clip::test::golden_pairs;
using clip::test::Pairs;
using clip::test::TinyRun;

namespace {

constexpr Objective kObjectives[] = {Objective::bag_of_words, Objective::caption};

std::string name_of(Objective objective) {
    return objective == Objective::caption ? "caption" : "bag_of_words";
}

Communicator& alone() {
    static const std::unique_ptr<Communicator> local = make_local_communicator();
    return *local;
}

/// A line of tests/golden/objectives.txt.
const std::vector<double>& golden(const std::string& name) {
    static const std::map<std::string, std::vector<double>> all = [] {
        std::ifstream file(CLIP_TEST_DIR "/golden/objectives.txt");
        std::map<std::string, std::vector<double>> read;
        for (std::string line; std::getline(file, line);) {
            std::istringstream in(line);
            std::string key;
            in >> key;
            for (double value; in >> value;)
                read[key].push_back(value);
        }
        return read;
    }();
    const auto found = all.find(name);
    REQUIRE_MESSAGE(found != all.end(), name);
    return found->second;
}

/// The largest difference, in units of the largest wanted value.
template <typename Got, typename Want>
double difference(const Got& got, const Want& want) {
    REQUIRE(got.size() == want.size());
    double largest = 0, most = 0;
    for (std::size_t i = 0; i < want.size(); ++i) {
        most = std::max(most, std::fabs(static_cast<double>(got[i]) - want[i]));
        largest = std::max(largest, std::fabs(static_cast<double>(want[i])));
    }
    return most / largest;
}

std::span<const float> elements(ConstView view) {
    return {view.f32(), static_cast<std::size_t>(view.numel())};
}

} // namespace

TEST_CASE("objectives: loss, gradients and scores are PyTorch's") {
    const Pairs pairs = golden_pairs();
    for (const Objective objective : kObjectives)
        for (const std::string& backend : test::backend_names())
            for (const bool frugal : {false, true}) {
                CAPTURE(backend);
                CAPTURE(frugal);
                const std::string prefix = name_of(objective) + ".";
                TinyRun run(objective, test::backend(backend, 2), alone(), frugal);
                const double loss = run.learner().learn(pairs.batch(), 1);
                CHECK(std::fabs(loss - golden(prefix + "loss")[0]) < 2e-6);
                CHECK(std::fabs(run.learner().evaluate(pairs.batch()) - loss) < 2e-6);
                // A float32 chain of some 20 ops over up to 48 terms, each of which rounds to
                // 6e-8, and 5e-6 of the file's own digits. Measured: 4e-6.
                for (const ParameterInfo& info : run.parameters().all()) {
                    if (!info.trained)
                        continue;
                    CAPTURE(info.name);
                    const auto got = elements(run.parameters().grad(info.name));
                    CHECK(difference(got, golden(prefix + "grad." + info.name)) < 2e-5);
                }
                std::vector<float> scores(25);
                run.learner().score(pairs.pictures(), pairs.texts,
                                    {scores.data(), Shape{5, 5}, DType::f32, Device{}});
                CHECK(difference(scores, golden(prefix + "scores")) < 2e-6);
                CHECK(run.arena().bytes() == 0);
            }
}

TEST_CASE("objectives: what has no gradient is locked, all else is trained") {
    for (const Objective objective : kObjectives) {
        TinyRun run(objective, test::backend("ref", 1), alone());
        run.learner().learn(golden_pairs().batch(), 1);
        for (const ParameterInfo& info : run.parameters().all()) {
            CAPTURE(info.name);
            const bool text =
                !info.name.starts_with("visual.") && !info.name.starts_with(name_of(objective));
            const bool unused = info.name == "text_projection" || info.name == "logit_scale";
            CHECK(info.trained == !(unused || (text && objective == Objective::bag_of_words)));
            if (info.trained) {
                const auto grad = elements(run.parameters().grad(info.name));
                CHECK(std::any_of(grad.begin(), grad.end(), [](float g) { return g != 0; }));
            }
        }
    }
}

TEST_CASE("objectives: the loss of evaluate() changes as the gradients of learn() say") {
    // Along the unit gradient u of a tensor, D(h) = (L(w + h u) - L(w - h u)) / 2h is |g| + c h^2 +
    // O(h^4); (4 D(h) - D(2h)) / 3 is without the second term. Rounding: float32 losses of about 4
    // are off by some 1e-6, so D by 1e-6 / 2h.
    constexpr double kStep = 0.02, kRounding = 5.0 / 3 * 1e-6 / (2 * kStep);
    const Pairs pairs = golden_pairs();
    for (const Objective objective : kObjectives) {
        TinyRun run(objective, test::backend("ref", 1), alone());
        run.gradients(pairs.batch());
        for (const ParameterInfo& info : run.parameters().all()) {
            if (!info.trained)
                continue;
            CAPTURE(info.name);
            const auto grad = elements(run.parameters().grad(info.name));
            const auto weight = elements(run.parameters().weight(info.name));
            const std::vector<float> before(weight.begin(), weight.end());
            double norm = 0;
            for (const float g : grad)
                norm += static_cast<double>(g) * g;
            norm = std::sqrt(norm);
            const auto loss_at = [&](double step) {
                for (std::size_t i = 0; i < grad.size(); ++i)
                    run.parameters().weight(info.name).f32()[i] =
                        static_cast<float>(before[i] + step * grad[i] / norm);
                run.learner().refresh();
                return run.learner().evaluate(pairs.batch());
            };
            const auto slope = [&](double step) {
                return (loss_at(step) - loss_at(-step)) / (2 * step);
            };
            const double got = (4 * slope(kStep) - slope(2 * kStep)) / 3;
            CHECK(std::fabs(got - norm) < 1e-3 * norm + kRounding);
            loss_at(0);
        }
    }
}

TEST_CASE("objectives: slices of a batch add up to the batch") {
    // 300 captions of 6.5 rows go through the caption model in two parts, and the rows of pictures
    // through the vocabulary in two blocks.
    for (const std::size_t rows : {std::size_t{2}, std::size_t{8}, std::size_t{300}}) {
        const Pairs pairs(static_cast<std::int64_t>(rows));
        for (const Objective objective : kObjectives) {
            CAPTURE(rows);
            TinyRun run(objective, test::backend("automatic", 2), alone());
            const double loss = run.learner().learn(pairs.batch(), 1);
            CHECK(std::fabs(run.learner().learn(pairs.batch(), 3) - loss) < 1e-6);
            const auto whole = run.gradients(pairs.batch(), 1);
            CHECK(difference(run.gradients(pairs.batch(), 3), whole) < 1e-6);
            CHECK(run.arena().bytes() == 0);
        }
    }
}

TEST_CASE("objectives: two ranks with a part of a batch each are as good as one") {
    const Pairs pairs(8);
    for (const Objective objective : kObjectives) {
        TinyRun one(objective, test::backend("ref", 1), alone());
        const double loss = one.learner().learn(pairs.batch(), 1);
        const auto whole = one.gradients(pairs.batch());

        std::array<std::vector<float>, 2> parts;
        std::array<double, 2> losses{};
        test::play_ranks(2, [&](std::size_t rank, Communicator& ranks, Backend& backend) {
            TinyRun run(objective, backend, ranks);
            const LearnerBatch batch = rank == 0 ? pairs.rows(0, 5) : pairs.rows(5, 3);
            parts[rank] = run.gradients(batch);
            losses[rank] = run.learner().learn(batch, 2);
        });
        CHECK(losses[0] == losses[1]);
        CHECK(std::fabs(losses[0] - loss) < 1e-6);
        for (std::size_t i = 0; i < whole.size(); ++i)
            parts[0][i] += parts[1][i];
        CHECK(difference(parts[0], whole) < 1e-6);
    }
}

TEST_CASE("objectives: the same bits on any number of threads") {
    const Pairs pairs(40);
    for (const Objective objective : kObjectives) {
        std::vector<float> gradients, scores(1600);
        std::vector<double> losses;
        for (const std::size_t threads : {1U, 2U, 3U}) {
            TinyRun run(objective, test::backend("automatic", threads), alone());
            const double loss = run.learner().learn(pairs.batch(), 1);
            const auto got = run.gradients(pairs.batch());
            std::vector<float> own(1600);
            run.learner().score(pairs.pictures(), pairs.texts,
                                {own.data(), Shape{40, 40}, DType::f32, Device{}});
            losses.push_back(loss);
            if (threads == 1) {
                gradients = got;
                scores = own;
            }
            CHECK(losses[0] == loss);
            CHECK(gradients == got);
            CHECK(scores == own);
        }
    }
}

TEST_CASE("objectives: a score does not depend on what else is scored") {
    const Pairs pairs(40); // 40 * 40 captions of 6.5 rows: seven parts
    for (const Objective objective : kObjectives) {
        TinyRun run(objective, test::backend("automatic", 2), alone());
        std::vector<float> all(1600);
        run.learner().score(pairs.pictures(), pairs.texts,
                            {all.data(), Shape{40, 40}, DType::f32, Device{}});
        for (const std::size_t at : {std::size_t{0}, std::size_t{17}, std::size_t{39}}) {
            std::vector<float> few(2);
            run.learner().score(pairs.pictures(at, 1), std::span(pairs.texts).subspan(20, 2),
                                {few.data(), Shape{1, 2}, DType::f32, Device{}});
            CHECK(few == std::vector<float>{all[at * 40 + 20], all[at * 40 + 21]});
        }
    }
}

TEST_CASE("objectives: eight pairs are learnt by heart, and told from each other") {
    const Pairs pairs(8);
    for (const Objective objective : kObjectives) {
        CAPTURE(name_of(objective));
        TinyRun run(objective, test::backend("automatic", 2), alone());
        std::vector<double> losses;
        for (int step = 1; step <= 200; ++step) {
            run.parameters().zero_grads();
            losses.push_back(run.learner().learn(pairs.batch(), 2));
            ops::adamw(
                test::backend("automatic", 2),
                {.parameters = run.parameters().for_adamw(), .learning_rate = 1e-2, .step = step});
            run.learner().refresh();
            CHECK(run.arena().bytes() == 0);
        }
        for (std::size_t step = 1; step < 20; ++step)
            CHECK(losses[step] < losses[step - 1]);
        CHECK(losses[19] < 0.8 * losses[0]);
        CHECK(run.learner().evaluate(pairs.batch()) < losses[19]);
        std::vector<float> scores(64);
        run.learner().score(pairs.pictures(), pairs.texts,
                            {scores.data(), Shape{8, 8}, DType::f32, Device{}});
        for (std::size_t i = 0; i < 8; ++i) {
            CAPTURE(i);
            const auto row = std::span(scores).subspan(8 * i, 8);
            CHECK(std::max_element(row.begin(), row.end()) - row.begin() ==
                  static_cast<std::ptrdiff_t>(i));
        }
    }
}

TEST_CASE("objectives: captions that make no sense are refused by the caption model") {
    TinyRun run(Objective::caption, test::backend("ref", 1), alone());
    Pairs pairs(2);
    pairs.texts[1] = test::marked({1, 2, 3, 4, 5, 6, 7, 8, 9});
    test::check_error(
        ErrorCode::invalid_argument, [&] { run.learner().evaluate(pairs.batch()); }, "too long");
    pairs.texts[1].ids = {test::kStart};
    test::check_error(
        ErrorCode::invalid_argument, [&] { run.learner().evaluate(pairs.batch()); }, "no end");
    pairs.texts[1] = test::marked({40});
    test::check_error(
        ErrorCode::invalid_argument, [&] { run.learner().evaluate(pairs.batch()); }, "unknown");
}

TEST_CASE("objectives: a caption without tokens teaches a bag of words nothing") {
    TinyRun run(Objective::bag_of_words, test::backend("ref", 1), alone());
    Pairs pairs(2);
    const double both = run.learner().learn(pairs.batch(), 1);
    LearnerBatch first = pairs.rows(0, 1);
    const auto gradients = run.gradients(first);
    pairs.texts[1] = test::marked({});
    CHECK(run.learner().learn(pairs.batch(), 1) < both);
    CHECK(run.gradients(pairs.batch()) == gradients);
    std::vector<float> scores(4);
    run.learner().score(pairs.pictures(), pairs.texts,
                        {scores.data(), Shape{2, 2}, DType::f32, Device{}});
    CHECK(scores[1] == static_cast<float>(-std::log(40.0)));
    CHECK(scores[3] == scores[1]);
}
