// SPDX-License-Identifier: MIT
// Variants, types of products and alignments of attention's gradients that the case tables of
// tests/ops do not have; and the lists of tiles that both passes go by.
#include <set>

#include "backend/cuda/attention_plan.hpp"
#include "cuda/attention_problem.hpp"

using namespace clip;
using namespace clip::test;

namespace {

void check_backward(const AttentionProblem& problem, EmulatedDevice& device,
                    const AttentionLayout& layout = {}) {
    const auto exact = problem.forward<double>();
    const std::vector<float> y =
        rounded({exact.y.begin(), exact.y.end()}, layout.dtype.value_or(DType::f32));
    const std::vector<float> saved(exact.log_sum_exp.begin(), exact.log_sum_exp.end());
    const auto oracle = problem.backward<double>(y, saved);
    const auto naive = problem.backward<float>(y, saved);
    const Results got = problem.run_backward(device, layout, y, saved);
    check_close(concat(problem.name(), ", grad_q"), got[0], oracle.grad_q, naive.grad_q,
                problem.dtype);
    check_close(concat(problem.name(), ", grad_k"), got[1], oracle.grad_k, naive.grad_k,
                problem.dtype);
    check_close(concat(problem.name(), ", grad_v"), got[2], oracle.grad_v, naive.grad_v,
                problem.dtype);
}

} // namespace

TEST_CASE("cuda attention backward: every width and type of products") {
    for (const DType compute : kLayerTypes) {
        EmulatedDevice device({.compute = compute});
        for (const int width : {1, 8, 33, 64, 80, 128})
            for (const bool causal : {false, true})
                check_backward({2, width, {1, 31, 33, 65, 77}, {}, causal, compute}, device);
    }
}

TEST_CASE("cuda attention backward: queries and keys of other lengths") {
    for (const DType compute : kLayerTypes) {
        EmulatedDevice device({.compute = compute});
        for (const int width : {64, 128})
            for (const bool causal : {false, true})
                check_backward({1, width, {5, 0, 70, 1, 0}, {70, 4, 100, 30, 0}, causal, compute},
                               device);
    }
}

TEST_CASE("cuda attention backward: wide heads, in float32 whatever is asked for") {
    for (const DType compute : {DType::f32, DType::f16}) {
        EmulatedDevice device({.compute = compute});
        for (const int width : {129, 300})
            for (const bool causal : {false, true})
                check_backward({1, width, {5, 0, 9, 1, 0}, {20, 4, 9, 3, 0}, causal, DType::f32},
                               device);
    }
}

TEST_CASE("cuda attention backward: 16 bits in memory are multiplied so, whatever is asked for") {
    for (const DType dtype : {DType::f16, DType::bf16})
        for (const DType compute : {DType::f32, dtype}) {
            EmulatedDevice device({.compute = compute});
            for (const int width : compute == dtype ? std::vector{1, 33, 64, 80, 128, 136, 300}
                                                    : std::vector{64, 72, 136})
                for (const bool causal : {false, true}) {
                    const AttentionProblem problem{
                        2, width, {1, 33, 5, 0, 65}, {1, 33, 20, 4, 65}, causal, dtype};
                    check_backward(problem, device, {.dtype = dtype});
                    check_backward(problem, device, {.dtype = dtype, .offset = 1, .gap = 3});
                }
        }
}

TEST_CASE("cuda attention backward: the same bits at any alignment, and alone") {
    struct Kind {
        DType compute, memory;
    };
    for (const auto [compute, memory] :
         {Kind{DType::f32, DType::f32}, Kind{DType::f16, DType::f32}, Kind{DType::bf16, DType::f32},
          Kind{DType::f16, DType::f16}, Kind{DType::bf16, DType::bf16}}) {
        EmulatedDevice device({.compute = compute});
        for (const int width : {64, 80, 136}) {
            if (width > 128 && memory == DType::f32 && compute != DType::f32)
                continue; // the same kernels
            const AttentionProblem problem{1, width, {20, 70, 1}, {30, 70, 9}, true, compute};
            const auto exact = problem.forward<float>();
            const auto run = [&](AttentionLayout layout, std::size_t first = 0,
                                 std::size_t count = 0) {
                layout.dtype = memory;
                return problem.run_backward(device, layout, exact.y, exact.log_sum_exp, first,
                                            count);
            };
            const Results want = run({});
            for (const AttentionLayout& layout :
                 {AttentionLayout{.offset = 1}, AttentionLayout{.gap = 3},
                  AttentionLayout{.offset = 2, .gap = 2}, AttentionLayout{.gap = 4 * width}}) {
                const Results got = run(layout);
                for (std::size_t o = 0; o < 3; ++o)
                    check_same_bits(concat(problem.name(), ", offset ", layout.offset, ", gap ",
                                           layout.gap, ", output ", o),
                                    got[o], want[o]);
            }
            for (std::size_t n = 0; n < 3; ++n) {
                const Results alone = run({}, n, 1);
                check_same_bits("grad_q alone", alone[0], problem.part_of_y(want[0], n));
                check_same_bits("grad_k alone", alone[1], problem.part_of_k(want[1], n));
                check_same_bits("grad_v alone", alone[2], problem.part_of_k(want[2], n));
            }
        }
    }
}

TEST_CASE("cuda attention plan: every row is in one tile or one row, long ones first") {
    using namespace clip::cuda;
    const std::vector<std::int64_t> q_offsets{0, 1, 1, 71, 75}, k_offsets{0, 9, 12, 82, 90};
    for (const bool causal : {false, true})
        for (const AttentionSide side : {AttentionSide::queries, AttentionSide::keys})
            for (const int tile : {0, 64}) {
                const bool by_keys = side == AttentionSide::keys;
                const AttentionPlan plan =
                    plan_attention(q_offsets, k_offsets, {side, causal, tile, !by_keys});
                std::multiset<std::int64_t> rows;
                for (const AttentionRow& row : plan.rows) {
                    rows.insert(row.row);
                    CHECK(row.others <= 70);
                }
                std::int64_t before = std::numeric_limits<std::int64_t>::max();
                for (const AttentionTile& of : plan.tiles) {
                    const std::int64_t count = by_keys ? of.keys : of.queries;
                    const std::int64_t end = std::min<std::int64_t>(of.first + tile, count);
                    for (std::int64_t i = of.first; i < end; ++i)
                        rows.insert((by_keys ? of.k_row : of.q_row) + i);
                    if (!causal) {
                        CHECK((by_keys ? of.queries : of.keys) <= before);
                        before = by_keys ? of.queries : of.keys;
                    }
                }
                CHECK(plan.tiles.empty() == (tile == 0));
                const std::int64_t all = by_keys ? k_offsets.back() : q_offsets.back();
                REQUIRE(static_cast<std::int64_t>(rows.size()) == all);
                std::int64_t next = 0;
                for (const std::int64_t row : rows)
                    CHECK(row == next++);
            }
}
