// SPDX-License-Identifier: MIT
// Attention of sm_90a in emulation: against ref in double.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "backend/cuda/attention_hopper.hpp"
#include "backend/cuda/emulation/emulator.hpp"
#include "backend/ref/attention.hpp"
#include "cuda/device_call.hpp"
#include "cuda/emulated_hopper.hpp"
#include "ops/attention.hpp"

namespace clip::test {

namespace {

using Offsets = std::vector<std::int64_t>;

struct Case {
    const char* name;
    int heads, head_width;
    Offsets q_lengths, k_lengths;
    DType dtype, y_dtype;
    bool causal = false, saves = false;
    std::int64_t y_offset = 0; ///< elements; not 0: y is not aligned
};

const Case kCases[] = {
    {"pictures of ViT-B/32", 2, 64, {50, 50}, {50, 50}, DType::f16, DType::f16},
    {"a whole tile", 1, 64, {64}, {64}, DType::bf16, DType::bf16, false, true},
    {"a key less than a tile", 1, 64, {63}, {63}, DType::f16, DType::f16, false, true},
    {"a key more than a tile", 2, 64, {65}, {65}, DType::f16, DType::f16, true, true},
    {"many tiles", 1, 64, {257, 130}, {257, 130}, DType::bf16, DType::bf16, false, true},
    {"texts of all lengths",
     3,
     64,
     {1, 9, 77, 3, 64, 2},
     {1, 9, 77, 3, 64, 2},
     DType::f16,
     DType::f16,
     true,
     true},
    {"the last queries", 2, 64, {2, 70}, {90, 200}, DType::bf16, DType::f32, true},
    {"wide heads", 2, 128, {70, 5}, {70, 5}, DType::f16, DType::f16, false, true},
    {"wide heads under a mask", 1, 128, {140}, {140}, DType::bf16, DType::f32, true, true},
    {"y not aligned", 2, 64, {20}, {33}, DType::f16, DType::f16, false, false, 1},
    {"a sequence without queries", 2, 64, {3, 0, 2}, {4, 5, 2}, DType::f16, DType::bf16},
};

Offsets offsets_of(const Offsets& lengths) {
    Offsets offsets{0};
    for (const std::int64_t length : lengths)
        offsets.push_back(offsets.back() + length);
    return offsets;
}

struct Problem {
    explicit Problem(const Case& from)
        : c(from), width(std::int64_t{c.heads} * c.head_width), q_offsets(offsets_of(c.q_lengths)),
          k_offsets(offsets_of(c.k_lengths)),
          q(rounded(values(q_offsets.back() * width, 1), c.dtype)),
          k(rounded(values(k_offsets.back() * width, 2), c.dtype)),
          v(rounded(values(k_offsets.back() * width, 3), c.dtype)),
          scale(1 / std::sqrt(static_cast<float>(c.head_width))) {}

    template <typename T>
    std::vector<std::vector<T>> solve() const {
        const auto qs = as<T>(q), ks = as<T>(k), vs = as<T>(v);
        std::vector<T> y(static_cast<std::size_t>(q_offsets.back() * width));
        std::vector<T> saved(static_cast<std::size_t>(q_offsets.back() * c.heads));
        ref::attention(ref::AttentionSetup<T>{qs.data(), ks.data(), vs.data(), width, width,
                                              q_offsets, k_offsets, c.heads, c.head_width, T(scale),
                                              c.causal, y.data(), saved.data()});
        return {y, saved};
    }

    /// y, and log_sum_exp where it is saved.
    Results run(EmulatedDevice& device) const {
        DeviceCall call(device);
        AttentionArgs args;
        args.q = call.in(q, {q_offsets.back(), width}, c.dtype).data;
        args.k = call.in(k, {k_offsets.back(), width}, c.dtype).data;
        args.v = call.in(v, {k_offsets.back(), width}, c.dtype).data;
        args.dtype = c.dtype;
        args.q_stride = args.kv_stride = width;
        args.q_offsets = q_offsets;
        args.k_offsets = k_offsets;
        args.heads = c.heads;
        args.head_width = c.head_width;
        args.scale = scale;
        args.causal = c.causal;
        args.y = call.out({q_offsets.back(), width}, c.y_dtype, c.y_offset);
        if (c.saves)
            args.log_sum_exp = call.out({q_offsets.back(), c.heads});
        REQUIRE(cuda::takes_attention_hopper(device.backend().context(), args));
        ops::attention(device.backend(), args);
        return call.results();
    }

    Case c;
    std::int64_t width;
    Offsets q_offsets, k_offsets;
    std::vector<float> q, k, v;
    float scale;
};

/// What 16 bits of the weights cost: ref in float32 with its weights rounded as the kernel rounds
/// them, before they are divided by their sum.
std::vector<float> naive_of(const Problem& problem) {
    const Case& c = problem.c;
    std::vector<float> y(static_cast<std::size_t>(problem.q_offsets.back() * problem.width));
    for (std::size_t n = 0; n < c.q_lengths.size(); ++n)
        for (int h = 0; h < c.heads; ++h)
            for (std::int64_t j = 0; j < c.q_lengths[n]; ++j) {
                const std::int64_t keys = c.k_lengths[n];
                const std::int64_t visible = c.causal ? j + keys - c.q_lengths[n] + 1 : keys;
                const auto at = [&](const std::vector<float>& x, std::int64_t row, int i) {
                    return x[static_cast<std::size_t>(row * problem.width + h * c.head_width + i)];
                };
                const std::int64_t row = problem.q_offsets[n] + j;
                std::vector<float> scores(static_cast<std::size_t>(visible));
                float largest = -std::numeric_limits<float>::infinity(), sum = 0;
                for (std::size_t i = 0; i < scores.size(); ++i) {
                    for (int e = 0; e < c.head_width; ++e)
                        scores[i] +=
                            at(problem.q, row, e) *
                            at(problem.k, problem.k_offsets[n] + static_cast<std::int64_t>(i), e);
                    largest = std::max(largest, scores[i]);
                }
                for (float& score : scores) {
                    score = std::exp((score - largest) * problem.scale);
                    sum += score;
                }
                const std::vector<float> weights = rounded(scores, c.dtype);
                for (int e = 0; e < c.head_width; ++e) {
                    float total = 0;
                    for (std::size_t i = 0; i < weights.size(); ++i)
                        total +=
                            weights[i] *
                            at(problem.v, problem.k_offsets[n] + static_cast<std::int64_t>(i), e);
                    y[static_cast<std::size_t>(row * problem.width + h * c.head_width + e)] =
                        total / sum;
                }
            }
    return y;
}

} // namespace

TEST_CASE("hopper attention: softmax(scale q k^T) v of every sequence") {
    const EmulatedHopper hopper;
    EmulatedDevice device;
    for (const Case& c : kCases) {
        const Problem problem(c);
        const auto oracle = problem.solve<double>();
        const auto naive = problem.solve<float>();
        const Results got = problem.run(device);
        // Where y is float32, what is allowed is still that of the weights' 16 bits.
        const DType weights = c.y_dtype == DType::f32 ? c.dtype : c.y_dtype;
        check_close(c.name, got[0], oracle[0], naive_of(problem), weights);
        if (c.saves)
            check_close(concat(c.name, ", log_sum_exp"), got[1], oracle[1], naive[1]);
        cuda::emulation::set_order_seed(7);
        check_same_bits(concat(c.name, ", again"), problem.run(device)[0], got[0]);
    }
}

TEST_CASE("hopper attention: a sequence's bits depend on no other, finite or not") {
    const EmulatedHopper hopper;
    EmulatedDevice device;
    for (const bool causal : {false, true}) {
        const Case both{"two", 2, 64, {70, 30}, {70, 30}, DType::f16, DType::f16, causal};
        const Case one{"one", 2, 64, {70}, {70}, DType::f16, DType::f16, causal};
        Problem together(both), alone(one);
        const auto count = static_cast<std::ptrdiff_t>(alone.q.size());
        for (std::vector<float>* each : {&together.q, &together.k, &together.v})
            std::fill(each->begin() + count, each->end(), std::numeric_limits<float>::quiet_NaN());
        alone.q.assign(together.q.begin(), together.q.begin() + count);
        alone.k.assign(together.k.begin(), together.k.begin() + count);
        alone.v.assign(together.v.begin(), together.v.begin() + count);
        const std::vector<float> y = together.run(device)[0];
        check_same_bits("first of two", {y.begin(), y.begin() + count}, alone.run(device)[0]);
        for (std::size_t i = alone.q.size(); i < y.size(); ++i)
            REQUIRE(std::isnan(y[i]));
    }
}

TEST_CASE("hopper attention: is chosen by device, type, width and alignment") {
    const EmulatedHopper hopper;
    EmulatedDevice device;
    const cuda::Context& context = device.backend().context();
    alignas(16) static std::uint16_t rows[1024];
    const Offsets offsets{0, 1};
    AttentionArgs args;
    args.q = args.k = args.v = rows;
    args.dtype = DType::f16;
    args.q_stride = args.kv_stride = 128;
    args.q_offsets = args.k_offsets = offsets;
    args.heads = 2;
    args.head_width = 64;
    CHECK(cuda::takes_attention_hopper(context, args));
    const auto changed = [&](auto change) {
        AttentionArgs other = args;
        change(other);
        return cuda::takes_attention_hopper(context, other);
    };
    CHECK(!changed([](AttentionArgs& a) { a.dtype = DType::f32; }));
    CHECK(!changed([](AttentionArgs& a) { a.head_width = 32; }));
    CHECK(!changed([](AttentionArgs& a) { a.kv_stride = 132; }));
    CHECK(!changed([](AttentionArgs& a) { a.v = rows + 4; }));
    cuda::emulation::set_machine({.capability = 80});
    EmulatedDevice ampere;
    CHECK(!cuda::takes_attention_hopper(ampere.backend().context(), args));
}

} // namespace clip::test
