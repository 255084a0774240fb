// SPDX-License-Identifier: MIT
// The hand-written kernels of training: the same bits on every instruction set and number of
// threads.
#include <doctest/doctest.h>

#include <functional>

#include "ops/cpu_cases.hpp"

using namespace clip;
using namespace clip::test;

namespace {

/// Runs `op` on every CPU backend; it returns all its outputs, one after the other.
void check_same(const char* what, const std::function<std::vector<float>(Backend&)>& op) {
    std::vector<float> first;
    for (const auto& run : cpu_runs()) {
        INFO(what << ", " << run->name);
        const std::vector<float> got = op(*run->backend);
        if (first.empty())
            first = got;
        CHECK(same_bits(got, first));
    }
}

std::vector<float> together(std::initializer_list<const Unaligned*> parts) {
    std::vector<float> all;
    for (const Unaligned* part : parts) {
        CHECK(part->intact());
        const std::vector<float> copy = part->copy();
        all.insert(all.end(), copy.begin(), copy.end());
    }
    return all;
}

} // namespace

TEST_CASE("cpu linear_backward: the same bits everywhere") {
    for (const std::int64_t rows : {1, 45, 1300})
        for (const Activation activation :
             {Activation::none, Activation::relu, Activation::quick_gelu, Activation::gelu}) {
            constexpr std::int64_t kIn = 50, kOut = 37;
            Unaligned grad_y(spread(rows * kOut, 1)), x(spread(rows * kIn, 2));
            Unaligned weight(spread(kOut * kIn, 3)), pre(spread(rows * kIn, 4, 5));
            check_same("linear_backward", [&](Backend& backend) {
                Unaligned grad_x(static_cast<std::size_t>(rows * kIn));
                Unaligned grad_weight(spread(kOut * kIn, 5)), grad_bias(spread(kOut, 6));
                LinearBackwardArgs args;
                args.grad_y = grad_y.view({rows, kOut});
                args.x = x.view({rows, kIn});
                args.weight = weight.view({kOut, kIn});
                args.activation = activation;
                args.pre_activation = pre.view({rows, kIn});
                args.grad_x = grad_x.out({rows, kIn});
                args.grad_weight = grad_weight.out({kOut, kIn});
                args.grad_bias = grad_bias.out({kOut});
                backend.linear_backward(args);
                return together({&grad_x, &grad_weight, &grad_bias});
            });
        }
}

TEST_CASE("cpu layer_norm_backward and activations: the same bits everywhere") {
    for (const std::int64_t width : {1, 15, 16, 33, 768}) {
        constexpr std::int64_t kRows = 300;
        Unaligned x(spread(kRows * width, 1)), grad_y(spread(kRows * width, 2));
        Unaligned gamma(spread(width, 3)), mean(spread(kRows, 4)), rstd(spread(kRows, 5));
        check_same("layer_norm_backward", [&](Backend& backend) {
            Unaligned grad_x(spread(kRows * width, 6));
            Unaligned grad_gamma(spread(width, 7)), grad_beta(spread(width, 8));
            LayerNormBackwardArgs args;
            args.x = x.view({kRows, width});
            args.gamma = gamma.view({width});
            args.mean = mean.view({kRows});
            args.rstd = rstd.view({kRows});
            args.grad_y = grad_y.view({kRows, width});
            args.residual = grad_x.view({kRows, width});
            args.grad_x = grad_x.out({kRows, width});
            args.grad_gamma = grad_gamma.out({width});
            args.grad_beta = grad_beta.out({width});
            backend.layer_norm_backward(args);
            return together({&grad_x, &grad_gamma, &grad_beta});
        });
        for (const Activation activation :
             {Activation::none, Activation::relu, Activation::quick_gelu, Activation::gelu})
            check_same("activation", [&](Backend& backend) {
                Unaligned y(static_cast<std::size_t>(kRows * width)), grad_x(y.copy().size());
                backend.activation({x.view({kRows, width}), activation, y.out({kRows, width})});
                backend.activation_backward({x.view({kRows, width}), grad_y.view({kRows, width}),
                                             activation, grad_x.out({kRows, width})});
                return together({&y, &grad_x});
            });
    }
}

TEST_CASE("cpu attention_backward: the same bits everywhere") {
    for (const int width : {7, 64, 80})
        for (const bool causal : {false, true}) {
            constexpr int kHeads = 2;
            const std::vector<std::int64_t> q_offsets{0, 5, 45, 46, 123};
            const std::vector<std::int64_t> k_offsets{0, 5, 55, 80, 157};
            const std::int64_t row = kHeads * width;
            const std::int64_t queries = q_offsets.back(), keys = k_offsets.back();
            Unaligned q(spread(queries * row, 1)), k(spread(keys * row, 2));
            Unaligned v(spread(keys * row, 3)), y(spread(queries * row, 4));
            Unaligned grad_y(spread(queries * row, 5)), sums(spread(queries * kHeads, 6));
            check_same("attention_backward", [&](Backend& backend) {
                Unaligned grad_q(static_cast<std::size_t>(queries * row));
                Unaligned grad_k(static_cast<std::size_t>(keys * row)),
                    grad_v(grad_k.copy().size());
                AttentionBackwardArgs args;
                args.q = q.data(), args.k = k.data(), args.v = v.data();
                args.q_stride = args.kv_stride = row;
                args.grad_q_stride = args.grad_kv_stride = row;
                args.q_offsets = q_offsets, args.k_offsets = k_offsets;
                args.heads = kHeads, args.head_width = width;
                args.scale = 0.2f;
                args.causal = causal;
                args.y = y.view({queries, row});
                args.log_sum_exp = sums.view({queries, kHeads});
                args.grad_y = grad_y.view({queries, row});
                args.grad_q = grad_q.data(), args.grad_k = grad_k.data();
                args.grad_v = grad_v.data();
                backend.attention_backward(args);
                return together({&grad_q, &grad_k, &grad_v});
            });
        }
}

TEST_CASE("cpu conv2d_backward, contrastive rows: the same bits everywhere") {
    for (const std::int64_t channels : {5, 32}) {
        Unaligned x(spread(2 * 9 * 8 * channels, 1)), grad_y(spread(2 * 9 * 8 * channels, 2));
        Unaligned weight(spread(channels * channels * 9, 3));
        check_same("conv2d_backward", [&](Backend& backend) {
            Unaligned grad_x(x.copy().size()), grad_weight(spread(channels * channels * 9, 4));
            Conv2dBackwardArgs args;
            args.grad_y = grad_y.view({2, 9, 8, channels});
            args.x = x.view({2, 9, 8, channels});
            args.weight = weight.view({channels, channels, 3, 3});
            args.padding = 1;
            args.grad_x = grad_x.out({2, 9, 8, channels});
            args.grad_weight = grad_weight.out({channels, channels, 3, 3});
            backend.conv2d_backward(args);
            return together({&grad_x, &grad_weight});
        });
        Unaligned rows(spread(20 * channels, 1)), columns(spread(1100 * channels, 2));
        Unaligned row_sums(spread(20, 3)), column_sums(spread(1100, 4));
        check_same("contrastive rows", [&](Backend& backend) {
            Unaligned sums(std::size_t{20}), target(std::size_t{20}), grad(rows.copy().size());
            const ConstView some = rows.view({20, channels}), all = columns.view({1100, channels});
            backend.contrastive_rows({some, all, 1010, 3, sums.out({20}), target.out({20})});
            backend.contrastive_rows_backward({some, all, 1010, 3, row_sums.view({20}),
                                               column_sums.view({1100}), 0.1f,
                                               grad.out({20, channels})});
            return together({&sums, &target, &grad});
        });
    }
}
