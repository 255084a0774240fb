// SPDX-License-Identifier: MIT
// Alignments, slices and special values that tests/ops/batch_norm_test.cpp does not have.
#include "ops/batch_norm.hpp"

#include <cmath>
#include <limits>

#include "backend/ref/batch_norm.hpp"
#include "cuda/device_call.hpp"
#include "support/cases.hpp"

using namespace clip;
using namespace clip::test;

namespace {

struct Row {
    std::int64_t rows, channels, offset;
};

struct Problem {
    explicit Problem(const Row& row)
        : rows(row.rows), channels(row.channels), offset(row.offset), x(values(rows * channels, 1)),
          residual(values(rows * channels, 2)), grad_y(values(rows * channels, 3)),
          gamma(values(channels, 4)), beta(values(channels, 5)) {}

    /// y, mean, rstd, running mean and variance, grad_x, grad_gamma, grad_beta
    template <typename T>
    std::vector<std::vector<T>> solve(bool relu) const {
        const auto from = as<T>(x), others = as<T>(residual), grads = as<T>(grad_y);
        const auto gains = as<T>(gamma), shifts = as<T>(beta);
        std::vector<T> y(x.size()), mean(gamma.size()), rstd(gamma.size());
        std::vector<T> running_mean(gamma.size(), 1), running_variance(gamma.size(), 2);
        std::vector<T> grad_x(x.size()), grad_gamma(gamma.size(), 0), grad_beta(gamma.size(), 0);
        for (std::int64_t c = 0; c < channels; ++c) {
            const auto at = static_cast<std::size_t>(c);
            const T variance = ref::batch_norm_statistics(mean.data(), rstd.data(), from.data(),
                                                          T(1e-5f), rows, channels, c);
            running_mean[at] += T(0.1f) * (mean[at] - running_mean[at]);
            running_variance[at] +=
                T(0.1f) *
                (variance * static_cast<T>(rows) / static_cast<T>(rows - 1) - running_variance[at]);
            ref::batch_norm_sums(grad_beta[at], grad_gamma[at], from.data(), mean.data(),
                                 rstd.data(), grads.data(), rows, channels, c);
        }
        for (std::int64_t r = 0; r < rows; ++r) {
            const std::int64_t at = r * channels;
            ref::batch_norm_row<T>(y.data() + at, from.data() + at, mean.data(), rstd.data(),
                                   gains.data(), shifts.data(), others.data() + at,
                                   relu ? Activation::relu : Activation::none, channels);
            ref::batch_norm_grad_row(grad_x.data() + at, from.data() + at, mean.data(), rstd.data(),
                                     gains.data(), grads.data() + at, grad_beta.data(),
                                     grad_gamma.data(), rows, channels);
        }
        return {y, mean, rstd, running_mean, running_variance, grad_x, grad_gamma, grad_beta};
    }

    /// The same; residual and y, and grad_y and grad_x, are the same memory.
    Results run(EmulatedDevice& device, bool relu) const {
        const Shape shape{rows, channels}, vector{channels};
        const std::vector<float> zeros(gamma.size());
        DeviceCall call(device);
        BatchNormArgs args;
        args.x = call.in(x, shape, DType::f32, offset);
        args.gamma = call.in(gamma, vector);
        args.beta = call.in(beta, vector);
        args.activation = relu ? Activation::relu : Activation::none;
        args.y = call.in_out(residual, shape);
        args.residual = args.y;
        args.mean = call.out(vector);
        args.rstd = call.out(vector);
        args.running_mean = call.in_out(std::vector<float>(gamma.size(), 1), vector);
        args.running_variance = call.in_out(std::vector<float>(gamma.size(), 2), vector);
        ops::batch_norm(device.backend(), args);
        BatchNormBackwardArgs back;
        back.x = args.x;
        back.gamma = args.gamma;
        back.mean = args.mean;
        back.rstd = args.rstd;
        back.grad_x = call.in_out(grad_y, shape);
        back.grad_y = back.grad_x;
        back.grad_gamma = call.in_out(zeros, vector);
        back.grad_beta = call.in_out(zeros, vector);
        ops::batch_norm_backward(device.backend(), back);
        return call.results();
    }

    std::int64_t rows, channels, offset;
    std::vector<float> x, residual, grad_y, gamma, beta;
};

} // namespace

TEST_CASE("cuda batch norm: tiles, slices of rows and alignments") {
    EmulatedDevice device;
    for (const Row& row : {Row{257, 68, 0}, // two slices; vectors that end inside a tile
                           Row{2, 132, 0},  // more row lanes than rows
                           Row{140, 65, 0}, // element by element, two tiles of rows
                           Row{530, 64, 1}, // vectors that are not aligned
                           Row{1300, 8, 0}}) {
        const Problem problem(row);
        for (const bool relu : {true, false}) {
            const Results got = problem.run(device, relu);
            const auto oracle = problem.solve<double>(relu);
            const auto naive = problem.solve<float>(relu);
            for (std::size_t o = 0; o < got.size(); ++o)
                check_close(concat("batch norm ", row.rows, " x ", row.channels, ", output ", o),
                            got[o], oracle[o], naive[o]);
        }
    }
}

TEST_CASE("cuda batch norm: the alignment of x moves no bit") {
    EmulatedDevice device;
    const Problem aligned({600, 64, 0}), moved({600, 64, 1});
    const Results want = aligned.run(device, true), got = moved.run(device, true);
    for (std::size_t o = 0; o < got.size(); ++o)
        check_same_bits(concat("output ", o), got[o], want[o]);
}

TEST_CASE("cuda batch norm: equal numbers have variance 0, and what is not finite stays in its "
          "column") {
    EmulatedDevice device;
    Problem problem({300, 64, 0});
    for (std::int64_t r = 0; r < problem.rows; ++r)
        problem.x[static_cast<std::size_t>(r * problem.channels + 5)] = 1e6f + 1.0f / 3;
    problem.x[3] = std::numeric_limits<float>::infinity();          // of the first row
    problem.x[64 * 7 + 4] = std::numeric_limits<float>::infinity(); // of another
    problem.x[64 * 9 + 9] = std::numeric_limits<float>::quiet_NaN();
    const Results got = problem.run(device, true);
    CHECK(got[1][5] == 1e6f + 1.0f / 3);
    CHECK(got[2][5] == doctest::Approx(1 / std::sqrt(1e-5)).epsilon(1e-6));
    const auto oracle = problem.solve<double>(true);
    const auto naive = problem.solve<float>(true);
    for (std::size_t o = 1; o < 3; ++o)
        for (const std::size_t c : {3U, 4U, 9U, 10U}) {
            INFO(o, " ", c);
            const auto want = static_cast<float>(oracle[o][c]);
            if (std::isfinite(want))
                CHECK(got[o][c] == doctest::Approx(want).epsilon(1e-5));
            else
                check_same_bits("", {std::abs(got[o][c])}, {std::abs(want)});
        }
    for (std::size_t r = 0; r < 300; ++r)
        for (std::size_t c = 0; c < 64; ++c)
            REQUIRE(std::isnan(got[0][r * 64 + c]) == (c == 3 || c == 4 || c == 9));
}
