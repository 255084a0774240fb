// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "backend/ref/softmax.hpp"
#include "backend/ref/token_loss.hpp"
#include "base/concat.hpp"
#include "ops/token_loss.hpp"
#include "support/cases.hpp"
#include "support/central_differences.hpp"

using namespace clip;
using namespace clip::test;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Sets {
    std::vector<std::int32_t> ids;
    std::vector<std::int64_t> offsets{0};

    Sets() = default;
    /// `count` sets of a vocabulary: of no token, of one, of two, of some, of more than a warp has
    /// lanes; the first and the last token are in some.
    Sets(std::int64_t count, std::int64_t vocabulary) {
        const std::int64_t sizes[] = {1, 3, 0, 2, 40, 1};
        for (std::int64_t i = 0; i < count; ++i) {
            const std::int64_t size = std::min(sizes[i % 6], vocabulary);
            for (std::int64_t t = 0; t < size; ++t)
                ids.push_back(static_cast<std::int32_t>((vocabulary - 1 + t + 7 * i) % vocabulary));
            offsets.push_back(std::ssize(ids));
        }
    }
    TokenSets all() const { return {.ids = ids, .offsets = offsets}; }
    Sets some(std::int64_t first, std::int64_t count) const {
        Sets part;
        for (std::int64_t i = first; i < first + count; ++i) {
            const auto tokens = all()[i];
            part.ids.insert(part.ids.end(), tokens.begin(), tokens.end());
            part.offsets.push_back(std::ssize(part.ids));
        }
        return part;
    }
};

/// Probabilities, and log p of tokens: what the formulas are made of.
template <typename T>
struct Solved {
    std::vector<T> p;
    std::vector<ref::Largest<T>> largest;

    Solved(const std::vector<T>& x, std::int64_t rows, std::int64_t size) : p(x) {
        for (std::int64_t r = 0; r < rows; ++r)
            largest.emplace_back(x.data() + r * size, size);
        ref::softmax(p.data(), p.data(), rows, size);
    }
    double log_p(const std::vector<T>& x, std::int64_t row, std::int64_t size,
                 std::span<const std::int32_t> tokens) const {
        const auto& most = largest[static_cast<std::size_t>(row)];
        return ref::mean_at(x.data() + row * size, tokens) -
               most.log_sum_exp(p.data() + row * size);
    }
};

/// Losses and, with weights, gradients.
template <typename T>
std::vector<std::vector<T>> losses(const std::vector<T>& x, const Sets& sets,
                                   const std::vector<float>& weights) {
    const std::int64_t rows = sets.all().size(), size = std::ssize(x) / rows;
    Solved<T> solved(x, rows, size);
    std::vector<T> out;
    for (std::int64_t r = 0; r < rows; ++r) {
        const auto tokens = sets.all()[r];
        out.push_back(tokens.empty() ? T(0) : static_cast<T>(-solved.log_p(x, r, size, tokens)));
    }
    if (weights.empty())
        return {out};
    for (std::int64_t r = 0; r < rows; ++r)
        ref::token_gradient(solved.p.data() + r * size, size, sets.all()[r],
                            static_cast<T>(weights[static_cast<std::size_t>(r)]));
    return {out, solved.p};
}

template <typename T>
std::vector<std::vector<T>> scores(const std::vector<T>& x, std::int64_t rows, const Sets& sets) {
    const std::int64_t size = std::ssize(x) / rows;
    const Solved<T> solved(x, rows, size);
    std::vector<T> out;
    for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t c = 0; c < sets.all().size(); ++c) {
            const auto tokens = sets.all()[c];
            out.push_back(static_cast<T>(tokens.empty() ? -std::log(static_cast<double>(size))
                                                        : solved.log_p(x, r, size, tokens)));
        }
    return {out};
}

std::vector<float> rows_of(const std::vector<float>& x, std::int64_t first, std::int64_t count,
                           std::int64_t size) {
    return {x.begin() + first * size, x.begin() + (first + count) * size};
}

void check_losses(std::int64_t rows, std::int64_t size, Regime regime, bool learns) {
    const auto x = values(rows * size, 1, regime);
    const Sets sets(rows, size);
    const auto weights = learns ? values(rows, 2) : std::vector<float>{};
    OpCase test;
    test.name = concat("token loss, (", rows, ", ", size, "), ", regime_name(regime),
                       learns ? ", gradient" : "");
    test.oracle = losses(as<double>(x), sets, weights);
    test.naive = losses(x, sets, weights);
    test.items = rows;
    test.run = [&](Backend& used, std::int64_t first, std::int64_t count) {
        const Sets some = sets.some(first, count);
        const auto own = learns ? rows_of(weights, first, count, 1) : weights;
        CallMemory memory;
        TokenLossArgs args;
        args.losses = memory.out({count}, DType::f64);
        args.logits = memory.in_out(rows_of(x, first, count, size), {count, size});
        args.targets = some.all();
        args.weights = own;
        ops::token_loss(used, args);
        Results results = memory.results();
        results.resize(learns ? 2 : 1); // without weights, logits are anything
        return results;
    };
    check_op(test);
}

void check_scores(std::int64_t rows, std::int64_t size, std::int64_t count, Regime regime) {
    const auto x = values(rows * size, 1, regime);
    const Sets sets(count, size);
    OpCase test;
    test.name =
        concat("token scores, (", rows, ", ", size, "), ", count, " sets, ", regime_name(regime));
    test.oracle = scores(as<double>(x), rows, sets);
    test.naive = scores(x, rows, sets);
    test.items = rows;
    test.run = [&](Backend& used, std::int64_t first, std::int64_t some) {
        CallMemory memory;
        TokenScoresArgs args;
        args.scores = memory.out({some, count});
        args.logits = memory.in_out(rows_of(x, first, some, size), {some, size});
        args.sets = sets.all();
        ops::token_scores(used, args);
        return Results{memory.results()[0]};
    };
    check_op(test);
}

/// Losses and gradients of one backend.
Results run_losses(Backend& used, const std::vector<float>& x, const Sets& sets,
                   const std::vector<float>& weights) {
    const std::int64_t rows = sets.all().size();
    CallMemory memory;
    TokenLossArgs args;
    args.losses = memory.out({rows}, DType::f64);
    args.logits = memory.in_out(x, {rows, std::ssize(x) / rows});
    args.targets = sets.all();
    args.weights = weights;
    ops::token_loss(used, args);
    return memory.results();
}

} // namespace

TEST_CASE("token loss: every backend matches double arithmetic on every shape and regime") {
    for (const Regime regime : kRegimes)
        for (const bool learns : {false, true}) {
            check_losses(3, 1, regime, learns);
            check_losses(7, 33, regime, learns);
            check_losses(6, 1000, regime, learns);
            check_losses(5, 5003, regime, learns);
        }
}

TEST_CASE("token scores: every backend matches double arithmetic on every shape and regime") {
    for (const Regime regime : kRegimes) {
        check_scores(3, 1, 4, regime);
        check_scores(4, 33, 19, regime);
        check_scores(2, 2048, 6, regime);
        check_scores(3, 5003, 1, regime);
    }
}

TEST_CASE("token loss: central differences") {
    const Sets sets(6, 9);
    const auto weights = values(6, 2);
    const auto x = as<double>(values(54, 1));
    const auto solved = losses(x, sets, weights);
    check_gradient(
        "logits", x,
        [&](const auto& logits) {
            const auto each = losses(logits, sets, {})[0];
            double sum = 0;
            for (std::size_t r = 0; r < each.size(); ++r)
                sum += weights[r] * each[r];
            return sum;
        },
        solved[1]);
}

TEST_CASE("token loss: infinities and NaN, each in a row of its own") {
    constexpr std::size_t kWidth = 3000;
    std::vector<float> x = values(5 * kWidth, 1);
    Sets sets;
    for (const std::int32_t token : {5, 5, 5, 5, 5}) {
        sets.ids.push_back(token);
        sets.offsets.push_back(std::ssize(sets.ids));
    }
    // A thread's first elements are -infinity; so is a whole row; a target; a NaN; an infinity.
    std::fill_n(x.begin() + 1024, 4, -kInfinity);
    std::fill_n(x.begin(), 4, -kInfinity);
    std::fill_n(x.begin() + kWidth, kWidth, -kInfinity);
    x[2 * kWidth + 5] = -kInfinity;
    x[3 * kWidth + 2999] = std::numeric_limits<float>::quiet_NaN();
    x[4 * kWidth + 17] = kInfinity;
    const std::vector<float> weights(5, 0.5F);
    for (const std::string& name : backend_names()) {
        INFO(name);
        const Results got = run_losses(backend(name, 1), x, sets, weights);
        CHECK(std::isfinite(got[0][0]));
        CHECK(std::isnan(got[0][1]));
        CHECK(got[0][2] == kInfinity);
        CHECK(std::isnan(got[0][3]));
        CHECK(std::isnan(got[0][4]));
        for (std::size_t i = 0; i < 4 * kWidth; ++i)
            if (std::isnan(got[1][i]) != (i / kWidth == 1 || i / kWidth == 3)) {
                FAIL_CHECK(concat("gradient ", i, ": ", got[1][i]));
                break;
            }
        CHECK(std::isnan(got[1][4 * kWidth + 17])); // what is beside it depends on the softmax
        CHECK(got[1][0] == 0);
        CHECK(got[1][2 * kWidth + 5] == -0.5F);
    }
}

TEST_CASE("token loss, token scores: reject every wrong argument") {
    Backend& used = backend("ref", 1);
    std::vector<float> x = values(12, 1), out(6);
    std::vector<double> of_rows(3);
    const std::vector<float> weights(3, 1.0F);
    const Sets sets(3, 4);
    TokenLossArgs good;
    good.logits = {x.data(), {3, 4}, DType::f32, {}};
    good.targets = sets.all();
    good.weights = weights;
    good.losses = {of_rows.data(), {3}, DType::f64, {}};
    CHECK_NOTHROW(ops::token_loss(used, good));
    const auto bad = [&](ErrorCode code, const char* what, auto change) {
        TokenLossArgs changed = good;
        change(changed);
        check_error(
            code, [&] { ops::token_loss(used, changed); }, what);
    };
    const std::vector<std::int32_t> outside{0, 4}, below{-1};
    const std::vector<std::int64_t> descending{0, 2, 1, 2}, late{1, 1, 1, 2}, short_of{0, 0, 0, 1};
    bad(ErrorCode::shape_mismatch, "rank", [](auto& a) { a.logits.shape = {12}; });
    bad(ErrorCode::shape_mismatch, "no words", [](auto& a) { a.logits.shape = {3, 0}; });
    bad(ErrorCode::shape_mismatch, "rows", [](auto& a) { a.logits.shape = {2, 4}; });
    bad(ErrorCode::shape_mismatch, "losses", [](auto& a) { a.losses.shape = {2}; });
    bad(ErrorCode::dtype_mismatch, "losses of float32",
        [](auto& a) { a.losses.dtype = DType::f32; });
    bad(ErrorCode::shape_mismatch, "weights", [](auto& a) { a.weights = a.weights.first(2); });
    bad(ErrorCode::invalid_argument, "null", [](auto& a) { a.logits.data = nullptr; });
    bad(ErrorCode::device_mismatch, "device",
        [](auto& a) { a.losses.device.kind = Device::Kind::cuda; });
    bad(ErrorCode::invalid_argument, "overlap", [&](auto& a) { a.losses.data = x.data(); });
    bad(ErrorCode::invalid_argument, "outside", [&](auto& a) {
        a.targets = {.ids = outside, .offsets = short_of};
        a.targets.ids = std::span(outside).last(1);
    });
    bad(ErrorCode::invalid_argument, "below 0",
        [&](auto& a) { a.targets = {.ids = below, .offsets = short_of}; });
    for (const auto* offsets : {&descending, &late, &short_of})
        bad(ErrorCode::invalid_argument, "offsets", [&](auto& a) {
            a.targets = {.ids = std::span(sets.ids).first(2), .offsets = *offsets};
        });
    bad(ErrorCode::invalid_argument, "no offsets", [](auto& a) { a.targets.offsets = {}; });

    TokenScoresArgs fine;
    fine.logits = good.logits;
    const Sets two(2, 4);
    fine.sets = two.all();
    fine.scores = {out.data(), {3, 2}, DType::f32, {}};
    CHECK_NOTHROW(ops::token_scores(used, fine));
    const auto wrong = [&](ErrorCode code, const char* what, auto change) {
        TokenScoresArgs changed = fine;
        change(changed);
        check_error(
            code, [&] { ops::token_scores(used, changed); }, what);
    };
    wrong(ErrorCode::shape_mismatch, "scores", [](auto& a) { a.scores.shape = {2, 3}; });
    wrong(ErrorCode::shape_mismatch, "no words", [](auto& a) { a.logits.shape = {3, 0}; });
    wrong(ErrorCode::invalid_argument, "outside", [&](auto& a) {
        a.sets = {.ids = std::span(outside).last(1), .offsets = a.sets.offsets};
        a.sets.offsets = std::span(short_of).last(2);
    });
    wrong(ErrorCode::invalid_argument, "overlap", [&](auto& a) { a.scores.data = x.data(); });
    wrong(ErrorCode::dtype_mismatch, "dtype", [](auto& a) { a.logits.dtype = DType::f64; });
}
