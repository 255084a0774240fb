// SPDX-License-Identifier: MIT
// Variants, element types and alignments of attention that the case tables of tests/ops do not
// have.
#include "ops/attention.hpp"

#include <cmath>
#include <limits>

#include "cuda/attention_problem.hpp"

using namespace clip;
using namespace clip::test;

namespace {

/// y and log_sum_exp of a whole problem against double arithmetic.
void check_forward(const AttentionProblem& problem, EmulatedDevice& device,
                   const AttentionLayout& layout) {
    const auto oracle = problem.forward<double>();
    const auto naive = problem.forward<float>();
    const Results got = problem.run(device, layout);
    // What y may be off is set by the coarser of what products and y are rounded to.
    const bool coarsest = problem.dtype == DType::bf16 || layout.y_dtype == DType::bf16;
    const DType dtype = coarsest                      ? DType::bf16
                        : problem.dtype == DType::f16 ? DType::f16
                                                      : layout.y_dtype;
    check_close(concat(problem.name(), ", y"), got[0], oracle.y, naive.y, dtype);
    check_close(concat(problem.name(), ", log_sum_exp"), got[1], oracle.log_sum_exp,
                naive.log_sum_exp);
}

} // namespace

TEST_CASE("cuda attention: every width and type of the tiles, with tails of tiles and fragments") {
    EmulatedDevice device;
    for (const int width : {1, 8, 32, 33, 64, 80, 128})
        for (const DType dtype : kLayerTypes)
            for (const bool causal : {false, true}) {
                AttentionProblem problem{2, width, {1, 31, 33, 50, 64, 65, 77}, {}, causal, dtype};
                check_forward(problem, device, {.y_dtype = dtype});
            }
}

TEST_CASE(
    "cuda attention: long sequences have taller tiles and the same bits as in short company") {
    EmulatedDevice device;
    for (const bool causal : {false, true}) {
        const AttentionProblem problem{1, 64, {50, 257, 1, 197}, {}, causal, DType::f16};
        const AttentionLayout layout{.y_dtype = DType::f16};
        check_forward(problem, device, layout);
        const Results all = problem.run(device, layout);
        for (std::size_t n = 0; n < 4; ++n) {
            const Results alone = problem.run(device, layout, n, 1);
            check_same_bits(concat(problem.name(), ", alone ", n), alone[0],
                            problem.part_of_y(all[0], n));
        }
    }
    const AttentionProblem cross{1, 40, {200, 192}, {300, 192}, true, DType::bf16};
    check_forward(cross, device, {.y_dtype = DType::bf16});
}

TEST_CASE("cuda attention: queries and keys of other lengths, and sequences without queries") {
    EmulatedDevice device;
    for (const DType dtype : kLayerTypes)
        for (const bool causal : {false, true})
            for (const int width : {64, 128}) {
                const AttentionProblem problem{2,      width, {5, 0, 70, 1, 2}, {70, 4, 100, 50, 2},
                                               causal, dtype};
                check_forward(problem, device, {.y_dtype = dtype});
            }
}

TEST_CASE("cuda attention: single queries, a warp each") {
    EmulatedDevice device;
    for (const int width : {1, 8, 33, 64, 80, 128})
        for (const DType dtype : kLayerTypes) {
            const AttentionProblem problem{3,    width, {1, 1, 1, 1, 1}, {1, 3, 16, 50, 77},
                                           true, dtype};
            check_forward(problem, device, {.y_dtype = dtype});
        }
}

TEST_CASE("cuda attention: heads wider than the tiles") {
    EmulatedDevice device;
    for (const int width : {129, 256, 300, 520})
        for (const DType dtype : kLayerTypes) {
            const AttentionProblem problem{2, width, {9, 1}, {9, 20}, width % 2 == 0, dtype};
            check_forward(problem, device, {.y_dtype = dtype});
        }
}

TEST_CASE("cuda attention: the same bits at any alignment and stride") {
    EmulatedDevice device;
    for (const DType dtype : kLayerTypes)
        for (const int width : {64, 80, 264}) {
            const AttentionProblem problem{2, width, {20, 70, 1}, {}, false, dtype};
            const Results want = problem.run(device, {.y_dtype = dtype});
            const AttentionLayout layouts[] = {
                {.y_dtype = dtype, .offset = 1},
                {.y_dtype = dtype, .gap = 3},
                {.y_dtype = dtype, .offset = 2, .gap = 2},
                {.y_dtype = dtype, .gap = 4 * width}, // side by side, aligned
            };
            for (const AttentionLayout& layout : layouts) {
                const Results got = problem.run(device, layout);
                const std::string name =
                    concat(problem.name(), ", offset ", layout.offset, ", gap ", layout.gap);
                check_same_bits(name, got[0], want[0]);
                check_same_bits(name, got[1], want[1]);
            }
        }
}

TEST_CASE("cuda attention: y may be of another type than q, k and v") {
    EmulatedDevice device;
    for (const DType dtype : kLayerTypes)
        for (const DType y_dtype : kLayerTypes)
            for (const std::int64_t offset : {0, 1})
                check_forward({2, 64, {18, 1}, {18, 5}, false, dtype}, device,
                              {.y_dtype = y_dtype, .offset = offset});
}

TEST_CASE("cuda attention: huge, tiny and equal scores") {
    EmulatedDevice device;
    for (const DType dtype : kLayerTypes)
        for (const float factor : {50.0F, 1e-6F, 0.0F}) { // of the usual scale
            AttentionProblem problem{2, 64, {70, 1}, {70, 30}, true, dtype};
            problem.scale *= factor;
            check_forward(problem, device, {.y_dtype = dtype});
        }
}

TEST_CASE("cuda attention: what is not finite reaches its sequence and head, and no others") {
    EmulatedDevice device;
    for (const DType dtype : kLayerTypes)
        for (const bool in_values : {false, true}) {
            AttentionProblem problem{2, 16, {5, 1, 7, 1}, {5, 9, 7, 9}, false, dtype};
            std::vector<float>& spoilt = in_values ? problem.v : problem.k;
            spoilt[3] = std::numeric_limits<float>::quiet_NaN(); // sequence 0, head 0
            spoilt[static_cast<std::size_t>(6 * problem.row_width() + 20)] =
                std::numeric_limits<float>::quiet_NaN(); // sequence 1, head 1
            const Results got = problem.run(device, {.y_dtype = dtype});
            for (std::size_t i = 0; i < got[0].size(); ++i) {
                const std::size_t row = i / 32, column = i % 32;
                const bool head0 = row < 5 && column < 16, head1 = row == 5 && column >= 16;
                const bool wanted =
                    in_values ? (head0 && column == 3) || (head1 && column == 20) : head0 || head1;
                CHECK(std::isnan(got[0][i]) == wanted);
            }
        }
}

TEST_CASE("cuda attention: float32 in the type that training's products run in") {
    for (const DType compute : {DType::f16, DType::bf16}) {
        EmulatedDevice device({.compute = compute});
        for (const int width : {33, 64, 80}) {
            // Values that the type holds, in float32 tensors.
            const AttentionProblem problem{2, width, {50, 1, 77}, {}, true, compute};
            check_forward(problem, device, {.dtype = DType::f32, .y_dtype = DType::f32});
        }
    }
}
