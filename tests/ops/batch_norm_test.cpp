// SPDX-License-Identifier: MIT
#include "ops/batch_norm.hpp"

#include "backend/ref/batch_norm.hpp"
#include "base/concat.hpp"
#include "ops/activation.hpp"
#include "ops/training_golden.hpp"
#include "support/cases.hpp"
#include "support/central_differences.hpp"

using namespace clip;
using namespace clip::test;

namespace {

template <typename T>
struct Solved {
    std::vector<T> y, mean, rstd, variance;
};

template <typename T>
Solved<T> forward(const std::vector<T>& x, const std::vector<T>& gamma, const std::vector<T>& beta,
                  const std::vector<T>& residual, Activation activation, std::int64_t rows,
                  std::int64_t channels) {
    const auto count = static_cast<std::size_t>(channels);
    Solved<T> to{std::vector<T>(x.size()), std::vector<T>(count), std::vector<T>(count),
                 std::vector<T>(count)};
    for (std::int64_t c = 0; c < channels; ++c)
        to.variance[static_cast<std::size_t>(c)] = ref::batch_norm_statistics(
            to.mean.data(), to.rstd.data(), x.data(), T(1e-5f), rows, channels, c);
    for (std::int64_t r = 0; r < rows; ++r)
        ref::batch_norm_row<T>(to.y.data() + r * channels, x.data() + r * channels, to.mean.data(),
                               to.rstd.data(), gamma.data(), beta.data(),
                               residual.empty() ? nullptr : residual.data() + r * channels,
                               activation, channels);
    return to;
}

template <typename T>
std::vector<std::vector<T>> backward(const std::vector<T>& x, const std::vector<T>& gamma,
                                     const std::vector<T>& mean, const std::vector<T>& rstd,
                                     const std::vector<T>& grad_y, std::int64_t rows,
                                     std::int64_t channels) {
    std::vector<T> grad_x(x.size()), sums(gamma.size()), products(gamma.size());
    for (std::int64_t c = 0; c < channels; ++c) {
        const auto at = static_cast<std::size_t>(c);
        ref::batch_norm_sums(sums[at], products[at], x.data(), mean.data(), rstd.data(),
                             grad_y.data(), rows, channels, c);
    }
    for (std::int64_t r = 0; r < rows; ++r)
        ref::batch_norm_grad_row(grad_x.data() + r * channels, x.data() + r * channels, mean.data(),
                                 rstd.data(), gamma.data(), grad_y.data() + r * channels,
                                 sums.data(), products.data(), rows, channels);
    return {grad_x, products, sums};
}

} // namespace

TEST_CASE("batch norm backward: the reference agrees with central differences") {
    constexpr std::int64_t kRows = 6, kChannels = 3;
    const auto x = as<double>(values(kRows * kChannels, 1));
    const auto gamma = as<double>(values(kChannels, 2)), beta = as<double>(values(kChannels, 3));
    const auto grad_y = as<double>(values(kRows * kChannels, 4));
    const auto loss = [&](const auto& from, const auto& g, const auto& b) {
        return weighted_sum(forward<double>(from, g, b, {}, Activation::none, kRows, kChannels).y,
                            grad_y);
    };
    const auto solved = forward<double>(x, gamma, beta, {}, Activation::none, kRows, kChannels);
    const auto gradients = backward(x, gamma, solved.mean, solved.rstd, grad_y, kRows, kChannels);
    check_gradient(
        "x", x, [&](const auto& v) { return loss(v, gamma, beta); }, gradients[0]);
    check_gradient(
        "gamma", gamma, [&](const auto& v) { return loss(x, v, beta); }, gradients[1]);
    check_gradient(
        "beta", beta, [&](const auto& v) { return loss(x, gamma, v); }, gradients[2]);
}

TEST_CASE("batch norm: results, running statistics and gradients are PyTorch's") {
    constexpr std::int64_t kRows = 8, kChannels = 3;
    const Shape shape{kRows, kChannels}, channels{kChannels};
    const auto x = golden_f32("batch_norm.x"), residual = golden_f32("batch_norm.residual");
    const auto gamma = golden_f32("batch_norm.gamma"), beta = golden_f32("batch_norm.beta");
    for (const std::string& name : backend_names()) {
        INFO(name);
        Backend& used = backend(name, 2);
        std::vector<float> y(x.size()), mean(3), rstd(3), running_mean(3), running_variance(3, 1);
        CallMemory memory;
        BatchNormArgs args;
        args.x = memory.in(x, shape);
        args.gamma = memory.in(gamma, channels);
        args.beta = memory.in(beta, channels);
        args.activation = Activation::relu;
        args.residual = memory.in(residual, shape);
        args.y = memory.through(y, shape);
        args.mean = memory.through(mean, channels);
        args.rstd = memory.through(rstd, channels);
        args.running_mean = memory.through(running_mean, channels);
        args.running_variance = memory.through(running_variance, channels);
        ops::batch_norm(used, args);
        memory.write_back();
        check_golden("batch_norm.y", y);
        check_golden("batch_norm.running_mean", running_mean);
        check_golden("batch_norm.running_variance", running_variance);
        auto grad = golden_f32("batch_norm.grad_y");
        const MutView grad_view = memory.through(grad, shape);
        ops::activation_backward(used, {args.y, grad_view, Activation::relu, grad_view});
        memory.write_back();
        check_golden("batch_norm.grad_residual", grad);
        std::vector<float> grad_gamma(3), grad_beta(3);
        BatchNormBackwardArgs back;
        back.x = args.x;
        back.gamma = args.gamma;
        back.mean = args.mean;
        back.rstd = args.rstd;
        back.grad_x = grad_view; // in place
        back.grad_y = back.grad_x;
        back.grad_gamma = memory.through(grad_gamma, channels);
        back.grad_beta = memory.through(grad_beta, channels);
        ops::batch_norm_backward(used, back);
        memory.write_back();
        check_golden("batch_norm.grad_x", grad);
        check_golden("batch_norm.grad_gamma", grad_gamma);
        check_golden("batch_norm.grad_beta", grad_beta);
    }
}

TEST_CASE("batch norm: every backend matches double arithmetic, whatever the threads") {
    struct Row {
        std::int64_t rows, channels;
    };
    for (const Row& row : {Row{1, 4}, Row{9, 33}, Row{700, 64}})
        for (const Regime regime : {Regime::normal, Regime::large_mean}) {
            const std::int64_t rows = row.rows, channels = row.channels;
            const auto x = values(rows * channels, 1, regime);
            const auto gamma = values(channels, 2), beta = values(channels, 3);
            const auto residual = values(rows * channels, 4);
            const auto grad_y = values(rows * channels, 5);
            const auto exact = forward<double>(as<double>(x), as<double>(gamma), as<double>(beta),
                                               {}, Activation::none, rows, channels);
            const std::vector<float> mean(exact.mean.begin(), exact.mean.end());
            const std::vector<float> rstd(exact.rstd.begin(), exact.rstd.end());
            const auto solve = [&]<typename T>(T) -> std::vector<std::vector<T>> {
                const auto solved = forward<T>(as<T>(x), as<T>(gamma), as<T>(beta), as<T>(residual),
                                               Activation::relu, rows, channels);
                auto gradients = backward<T>(as<T>(x), as<T>(gamma), as<T>(mean), as<T>(rstd),
                                             as<T>(grad_y), rows, channels);
                return {solved.y,     solved.mean,  solved.rstd,
                        gradients[0], gradients[1], gradients[2]};
            };
            OpCase test;
            test.name = concat("batch norm ", rows, " x ", channels, ", ", regime_name(regime));
            test.oracle = solve(double{});
            test.naive = solve(float{});
            test.items = 1;
            test.run = [&](Backend& used, std::int64_t, std::int64_t) {
                const Shape shape{rows, channels};
                CallMemory memory;
                BatchNormArgs args;
                args.x = memory.in(x, shape);
                args.gamma = memory.in(gamma, {channels});
                args.beta = memory.in(beta, {channels});
                args.activation = Activation::relu;
                args.residual = memory.in(residual, shape);
                args.y = memory.out(shape);
                args.mean = memory.out({channels});
                args.rstd = memory.out({channels});
                ops::batch_norm(used, args);
                BatchNormBackwardArgs back;
                back.x = args.x;
                back.gamma = args.gamma;
                back.mean = memory.in(mean, {channels});
                back.rstd = memory.in(rstd, {channels});
                back.grad_y = memory.in(grad_y, shape);
                back.grad_x = memory.out(shape);
                const std::vector<float> zeros(static_cast<std::size_t>(channels));
                back.grad_gamma = memory.in_out(zeros, {channels});
                back.grad_beta = memory.in_out(zeros, {channels});
                ops::batch_norm_backward(used, back);
                return memory.results();
            };
            check_op(test);
        }
}
