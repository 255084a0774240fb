// SPDX-License-Identifier: MIT
// Patches in 16 bits, with widths that are not multiples of 16 bytes, and pictures at addresses
// that the product cannot read itself; tests/ops has float32.
#include <doctest/doctest.h>

#include "backend/cuda/cuda_backend.hpp"
#include "backend/ref/patch_embedding.hpp"
#include "base/concat.hpp"
#include "ops/linear.hpp"
#include "ops/patch_embedding.hpp"
#include "support/cases.hpp"

using namespace clip;
using namespace clip::test;

namespace {

struct Row {
    std::int64_t pictures, side, patch, width;
    bool shifted = false; ///< pictures begin one element behind an aligned address
};

constexpr Row kRows[] = {
    {2, 28, 14, 40}, {3, 12, 4, 33}, {3, 12, 4, 32, true}, {1, 5, 5, 7},
    {2, 16, 8, 64},  {5, 6, 2, 130}, {9, 32, 8, 70}, // more tiles than one of each kind
};

struct Problem {
    Row row;
    std::int64_t tokens, in;
    std::vector<float> pictures, projection, class_token, positions, grad_y;

    Problem(const Row& of, DType type)
        : row(of), tokens(of.side / of.patch * (of.side / of.patch) + 1),
          in(3 * of.patch * of.patch),
          pictures(rounded(values(of.pictures * 3 * of.side * of.side, 1), type)),
          projection(rounded(scaled_values(of.width * in, 2, 0.1f), type)),
          class_token(values(of.width, 3)), positions(values(tokens * of.width, 4)),
          grad_y(rounded(values(of.pictures * tokens * of.width, 5), type)) {}

    template <typename T>
    std::vector<T> forward(T) const {
        std::vector<T> y(grad_y.size()), scratch(static_cast<std::size_t>(in));
        const auto p = as<T>(pictures), w = as<T>(projection), c = as<T>(class_token),
                   e = as<T>(positions);
        for (std::int64_t n = 0; n < row.pictures; ++n)
            for (std::int64_t t = 0; t < tokens; ++t)
                ref::patch_token(y.data() + (n * tokens + t) * row.width, scratch.data(),
                                 p.data() + n * 3 * row.side * row.side, w.data(), c.data(),
                                 e.data(), row.side, row.patch, row.width, t);
        return y;
    }

    /// Added to the projection, the class token and the positions themselves.
    template <typename T>
    std::vector<std::vector<T>> backward(T) const {
        auto projected = as<T>(projection), token = as<T>(class_token), places = as<T>(positions);
        const auto g = as<T>(grad_y), p = as<T>(pictures);
        std::vector<T> scratch(static_cast<std::size_t>(in));
        for (std::int64_t d = 0; d < row.width; ++d)
            ref::patch_grad_projection(projected.data(), scratch.data(), g.data(), p.data(),
                                       row.pictures, row.side, row.patch, row.width, d);
        for (std::size_t i = 0; i < g.size(); ++i) {
            const std::size_t place = i % places.size();
            places[place] += g[i];
            if (place < token.size())
                token[place] += g[i];
        }
        return {projected, token, places};
    }

    ConstView place(CallMemory& memory) const {
        const Shape shape{row.pictures, 3, row.side, row.side};
        if (!row.shifted)
            return memory.in(pictures, shape);
        std::vector<float> longer(1, 0.0f);
        longer.insert(longer.end(), pictures.begin(), pictures.end());
        return part_of(memory.in(longer, {static_cast<std::int64_t>(longer.size())}), 1, shape);
    }
};

void report(const std::string& what, const Row& row, const Comparison& comparison) {
    if (!comparison.ok)
        FAIL_CHECK(concat(what, " of ", row.pictures, " pictures of ", row.side, ", patches of ",
                          row.patch, ", width ", row.width, ": ", comparison.problem));
}

} // namespace

TEST_CASE("patch embedding on cuda: each storage type") {
    ThreadPool pool(1);
    cuda::CudaBackend used(0, {}, pool);
    for (const DType storage : {DType::f32, DType::f16, DType::bf16})
        for (const Row& row : kRows) {
            const Problem problem(row, storage);
            const auto projection = ops::prepare_linear(
                used, {{problem.projection.data(), {row.width, problem.in}, DType::f32, {}},
                       {},
                       storage});
            CallMemory memory(used);
            PatchEmbeddingArgs args;
            args.pictures = problem.place(memory);
            args.patch = static_cast<int>(row.patch);
            args.projection = projection.get();
            args.class_token = memory.in(problem.class_token, {row.width});
            args.positions = memory.in(problem.positions, {problem.tokens, row.width});
            args.y = memory.out({row.pictures, problem.tokens, row.width});
            ops::patch_embedding(used, args);
            report(
                concat("patch embedding, ", dtype_name(storage)), row,
                compare(memory.results()[0], problem.forward(double{}), problem.forward(float{})));
        }
}

TEST_CASE("patch embedding backward on cuda: each compute type, and each gradient alone") {
    ThreadPool pool(1);
    for (const DType compute : {DType::f32, DType::f16, DType::bf16}) {
        CudaOptions options;
        options.compute = compute;
        cuda::CudaBackend used(0, options, pool);
        for (const Row& row : kRows)
            for (int wanted = 1; wanted < 8; ++wanted) {
                if (wanted != 7 && (row.width != 33 || compute != DType::f32))
                    continue;
                const Problem problem(row, compute);
                CallMemory memory(used);
                PatchEmbeddingBackwardArgs args;
                args.pictures = problem.place(memory);
                args.patch = static_cast<int>(row.patch);
                args.grad_y = memory.in(problem.grad_y, {row.pictures, problem.tokens, row.width});
                std::vector<std::size_t> outputs;
                if ((wanted & 1) != 0) {
                    args.grad_projection =
                        memory.in_out(problem.projection, {row.width, problem.in});
                    outputs.push_back(0);
                }
                if ((wanted & 2) != 0) {
                    args.grad_class_token = memory.in_out(problem.class_token, {row.width});
                    outputs.push_back(1);
                }
                if ((wanted & 4) != 0) {
                    args.grad_positions =
                        memory.in_out(problem.positions, {problem.tokens, row.width});
                    outputs.push_back(2);
                }
                ops::patch_embedding_backward(used, args);
                const Results results = memory.results();
                const auto oracle = problem.backward(double{});
                const auto naive = problem.backward(float{});
                for (std::size_t i = 0; i < outputs.size(); ++i)
                    report(concat("patch embedding backward, ", dtype_name(compute), ", output ",
                                  outputs[i]),
                           row, compare(results[i], oracle[outputs[i]], naive[outputs[i]]));
            }
    }
}
