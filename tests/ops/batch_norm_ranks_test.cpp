// SPDX-License-Identifier: MIT
// A batch cut over ranks, which are threads here, against the whole batch in double.
#include "ops/batch_norm.hpp"

#include <doctest/doctest.h>

#include <barrier>
#include <numeric>
#include <thread>

#include "backend/ref/batch_norm.hpp"
#include "support/cases.hpp"
#include "support/tolerance.hpp"

using namespace clip;
using namespace clip::test;

namespace {

/// What the ranks have in common.
struct Meeting {
    explicit Meeting(std::size_t ranks)
        : barrier(static_cast<std::ptrdiff_t>(ranks)), given(ranks) {}
    std::barrier<> barrier;
    std::vector<std::vector<double>> given;
};

class ThreadSum final : public SumAcross {
  public:
    ThreadSum(Meeting& meeting, std::size_t rank) : meeting_(meeting), rank_(rank) {}
    void sum(std::span<double> values) override {
        ++calls;
        meeting_.given[rank_].assign(values.begin(), values.end());
        meeting_.barrier.arrive_and_wait();
        for (std::size_t i = 0; i < values.size(); ++i)
            values[i] = std::accumulate(meeting_.given.begin(), meeting_.given.end(), 0.0,
                                        [i](double sum, const auto& of) { return sum + of.at(i); });
        meeting_.barrier.arrive_and_wait();
    }
    int calls = 0;

  private:
    Meeting& meeting_;
    std::size_t rank_;
};

struct Batch {
    std::int64_t rows, channels;
    std::vector<float> x, gamma, beta, grad_y, running_mean, running_variance;
};

/// One rank's results, or those of the whole batch.
template <typename T>
struct Solved {
    std::vector<T> y, mean, rstd, running_mean, running_variance, grad_x, grad_gamma, grad_beta;
};

template <typename T>
Solved<T> whole(const Batch& batch) {
    const std::int64_t rows = batch.rows, channels = batch.channels;
    const auto x = as<T>(batch.x), gamma = as<T>(batch.gamma), beta = as<T>(batch.beta);
    const auto grad_y = as<T>(batch.grad_y);
    const std::vector<T> none(gamma.size());
    Solved<T> to{std::vector<T>(x.size()),
                 none,
                 none,
                 as<T>(batch.running_mean),
                 as<T>(batch.running_variance),
                 std::vector<T>(x.size()),
                 none,
                 none};
    for (std::int64_t c = 0; c < channels; ++c) {
        const auto at = static_cast<std::size_t>(c);
        const T variance = ref::batch_norm_statistics(to.mean.data(), to.rstd.data(), x.data(),
                                                      T(1e-5f), rows, channels, c);
        to.running_mean[at] += T(0.1f) * (to.mean[at] - to.running_mean[at]);
        to.running_variance[at] +=
            T(0.1f) *
            (variance * static_cast<T>(rows) / static_cast<T>(rows - 1) - to.running_variance[at]);
        ref::batch_norm_sums(to.grad_beta[at], to.grad_gamma[at], x.data(), to.mean.data(),
                             to.rstd.data(), grad_y.data(), rows, channels, c);
    }
    for (std::int64_t r = 0; r < rows; ++r) {
        const std::int64_t row = r * channels;
        ref::batch_norm_row<T>(to.y.data() + row, x.data() + row, to.mean.data(), to.rstd.data(),
                               gamma.data(), beta.data(), nullptr, Activation::none, channels);
        ref::batch_norm_grad_row(to.grad_x.data() + row, x.data() + row, to.mean.data(),
                                 to.rstd.data(), gamma.data(), grad_y.data() + row,
                                 to.grad_beta.data(), to.grad_gamma.data(), rows, channels);
    }
    return to;
}

/// Rows [first, first + rows) of the batch, forward and backward.
Solved<float> rank_part(Backend& used, const Batch& batch, std::int64_t first, std::int64_t rows,
                        SumAcross* across) {
    const Shape shape{rows, batch.channels}, channels{batch.channels};
    CallMemory memory(used);
    const auto part = [&](const std::vector<float>& of) {
        const auto begin = of.begin() + first * batch.channels;
        return memory.in({begin, begin + shape.numel()}, shape);
    };
    const auto in = [&](const std::vector<float>& of) { return memory.in(of, channels); };
    const auto out = [&](std::vector<float>& of, const Shape& as) {
        return memory.through(of, as);
    };
    const std::vector<float> none(batch.gamma.size());
    const std::vector<float> places(static_cast<std::size_t>(shape.numel()));
    Solved<float> to{places, none, none, batch.running_mean, batch.running_variance,
                     places, none, none};
    BatchNormArgs args;
    args.x = part(batch.x);
    args.gamma = in(batch.gamma);
    args.beta = in(batch.beta);
    args.y = out(to.y, shape);
    args.mean = out(to.mean, channels);
    args.rstd = out(to.rstd, channels);
    args.running_mean = out(to.running_mean, channels);
    args.running_variance = out(to.running_variance, channels);
    args.across = across;
    ops::batch_norm(used, args);
    BatchNormBackwardArgs back;
    back.x = args.x;
    back.gamma = args.gamma;
    back.mean = args.mean;
    back.rstd = args.rstd;
    back.grad_y = part(batch.grad_y);
    back.grad_gamma = out(to.grad_gamma, channels);
    back.grad_beta = out(to.grad_beta, channels);
    back.grad_x = out(to.grad_x, shape);
    back.across = across;
    ops::batch_norm_backward(used, back);
    memory.write_back();
    return to;
}

/// Of devices there is one backend for all numbers of threads, but ranks want one each.
Backend& rank_backend(const std::string& name, std::size_t rank) {
    if (!on_cuda())
        return backend(name, rank + 1);
    static ThreadPool pool(1);
    static std::vector<std::unique_ptr<Backend>> made;
    while (made.size() <= rank)
        made.push_back(make_cuda(pool));
    return *made[rank];
}

Batch make_batch(std::int64_t rows, std::int64_t channels, Regime regime) {
    auto variance = values(channels, 6);
    for (float& v : variance)
        v = v * v;
    return {rows,
            channels,
            values(rows * channels, 1, regime),
            values(channels, 2),
            values(channels, 3),
            values(rows * channels, 4),
            values(channels, 5),
            variance};
}

void check(const std::string& what, const std::vector<float>& got,
           const std::vector<double>& oracle, const std::vector<float>& naive) {
    const Comparison comparison = compare(got, oracle, naive);
    CHECK_MESSAGE(comparison.ok, what, ": ", comparison.problem);
}

} // namespace

TEST_CASE("batch norm across ranks: the whole batch's results, whatever each rank has of it") {
    const std::vector<std::vector<std::int64_t>> splits = {
        {5, 4}, {1, 2}, {300, 411}, {3, 5, 1}, {600, 7, 300}};
    for (const std::string& name : backend_names())
        for (const auto& split : splits)
            for (const Regime regime : {Regime::normal, Regime::large_mean}) {
                const Batch batch = make_batch(
                    std::accumulate(split.begin(), split.end(), std::int64_t{0}), 33, regime);
                INFO(name, ", ", split.size(), " ranks, ", batch.rows, " rows, ",
                     regime_name(regime));
                Meeting meeting(split.size());
                std::vector<Solved<float>> parts(split.size());
                std::vector<Backend*> backends; // each with threads, or a stream, of its own
                for (std::size_t rank = 0; rank < split.size(); ++rank)
                    backends.push_back(&rank_backend(name, rank));
                std::vector<std::thread> ranks;
                std::int64_t first = 0;
                for (std::size_t rank = 0; rank < split.size(); first += split[rank++])
                    ranks.emplace_back([&, rank, first] {
                        ThreadSum across(meeting, rank);
                        parts[rank] =
                            rank_part(*backends[rank], batch, first, split[rank], &across);
                    });
                for (std::thread& rank : ranks)
                    rank.join();
                Solved<float> all = parts[0];
                for (std::size_t rank = 1; rank < parts.size(); ++rank) {
                    const Solved<float>& part = parts[rank];
                    CHECK(part.mean == all.mean);
                    CHECK(part.rstd == all.rstd);
                    CHECK(part.running_mean == all.running_mean);
                    CHECK(part.running_variance == all.running_variance);
                    all.y.insert(all.y.end(), part.y.begin(), part.y.end());
                    all.grad_x.insert(all.grad_x.end(), part.grad_x.begin(), part.grad_x.end());
                    for (std::size_t c = 0; c < all.mean.size(); ++c) {
                        all.grad_gamma[c] += part.grad_gamma[c];
                        all.grad_beta[c] += part.grad_beta[c];
                    }
                }
                const auto oracle = whole<double>(batch);
                const auto naive = whole<float>(batch);
                check("mean", all.mean, oracle.mean, naive.mean);
                check("rstd", all.rstd, oracle.rstd, naive.rstd);
                check("y", all.y, oracle.y, naive.y);
                check("running mean", all.running_mean, oracle.running_mean, naive.running_mean);
                check("running variance", all.running_variance, oracle.running_variance,
                      naive.running_variance);
                check("grad x", all.grad_x, oracle.grad_x, naive.grad_x);
                check("grad gamma", all.grad_gamma, oracle.grad_gamma, naive.grad_gamma);
                check("grad beta", all.grad_beta, oracle.grad_beta, naive.grad_beta);
            }
}

TEST_CASE("batch norm across ranks: a gradient that nobody wants is not talked about") {
    const Batch batch = make_batch(6, 4, Regime::normal);
    for (const std::string& name : backend_names()) {
        INFO(name);
        Backend& used = backend(name, 1);
        Meeting meeting(1);
        ThreadSum across(meeting, 0);
        std::vector<float> grad_gamma(4), grad_beta(4);
        const Solved<float> results = rank_part(used, batch, 0, 6, &across);
        CHECK(across.calls == 3);
        CallMemory memory;
        BatchNormBackwardArgs back;
        const Shape shape{6, 4}, channels{4};
        back.x = memory.in(batch.x, shape);
        back.gamma = memory.in(batch.gamma, channels);
        back.mean = memory.in(results.mean, channels);
        back.rstd = memory.in(results.rstd, channels);
        back.grad_y = memory.in(batch.grad_y, shape);
        back.grad_gamma = memory.through(grad_gamma, channels);
        back.grad_beta = memory.through(grad_beta, channels);
        back.across = &across;
        ops::batch_norm_backward(used, back);
        memory.write_back();
        CHECK(across.calls == 3);
        CHECK(grad_gamma == results.grad_gamma);
        CHECK(grad_beta == results.grad_beta);
    }
}
