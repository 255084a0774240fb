// SPDX-License-Identifier: MIT
// The backward passes of the ops that make, move and pool tokens.
#include <doctest/doctest.h>

#include "backend/ref/avg_pool.hpp"
#include "backend/ref/embedding.hpp"
#include "backend/ref/gather_rows.hpp"
#include "backend/ref/mean_token.hpp"
#include "backend/ref/patch_embedding.hpp"
#include "base/concat.hpp"
#include "ops/avg_pool.hpp"
#include "ops/embedding.hpp"
#include "ops/gather_rows.hpp"
#include "ops/mean_token.hpp"
#include "ops/patch_embedding.hpp"
#include "support/cases.hpp"
#include "support/central_differences.hpp"

using namespace clip;
using namespace clip::test;

namespace {

using Ids = std::vector<std::int32_t>;

/// Runs a case whose outputs belong together: `solve` gives them in the type of its argument.
template <typename Solve>
void check_whole(const std::string& name, const Solve& solve,
                 const std::function<Results(Backend&)>& run) {
    OpCase test;
    test.name = name;
    test.oracle = solve(double{});
    test.naive = solve(float{});
    test.items = 1;
    test.run = [&](Backend& used, std::int64_t, std::int64_t) { return run(used); };
    check_op(test);
}

} // namespace

TEST_CASE("embedding backward: central differences, and every backend adds in the same order") {
    const Ids ids{3, 0, 3, 3, 1, 0, 4, 3}, places{0, 1, 2, 0, 1, 2, 0, 1};
    for (const std::int64_t width : {3, 100}) {
        const auto rows = static_cast<std::int64_t>(ids.size());
        const auto grad_y = values(rows * width, 1);
        const auto table = values(5 * width, 2), positions = values(3 * width, 3);
        const auto solve = [&]<typename T>(T) -> std::vector<std::vector<T>> {
            auto to_table = as<T>(table), to_positions = as<T>(positions);
            ref::scatter_add(to_table.data(), ids.data(), as<T>(grad_y).data(), rows, width, 0,
                             width);
            ref::scatter_add(to_positions.data(), places.data(), as<T>(grad_y).data(), rows, width,
                             0, width);
            return {to_table, to_positions};
        };
        check_whole(concat("embedding backward, width ", width), solve, [&](Backend& used) {
            CallMemory memory;
            EmbeddingBackwardArgs args;
            args.ids = ids;
            args.places = places;
            args.grad_y = memory.in(grad_y, {rows, width});
            args.grad_table = memory.in_out(table, {5, width});
            args.grad_positions = memory.in_out(positions, {3, width});
            ops::embedding_backward(used, args);
            return memory.results();
        });
        if (width > 3)
            continue;
        auto gradient = solve(double{})[0];
        for (std::size_t i = 0; i < gradient.size(); ++i)
            gradient[i] -= table[i];
        check_gradient(
            "table", as<double>(table),
            [&](const auto& t) {
                std::vector<double> y(grad_y.size());
                ref::embedding(
                    y.data(), ids.data(), places.data(),
                    [&](std::int64_t i) { return t[static_cast<std::size_t>(i)]; },
                    as<double>(positions).data(), rows, width);
                return weighted_sum(y, as<double>(grad_y));
            },
            gradient);
    }
    std::vector<float> grad(15);
    EmbeddingBackwardArgs args;
    args.ids = ids;
    args.places = places;
    const auto grad_y = values(24, 1);
    args.grad_y = {grad_y.data(), {8, 3}, DType::f32, {}};
    args.grad_table = {grad.data(), {4, 3}, DType::f32, {}};
    check_error(
        ErrorCode::invalid_argument, [&] { ops::embedding_backward(backend("ref", 1), args); },
        "an id past the table");
}

TEST_CASE("gather rows backward: rows taken twice get both, rows not taken get 0") {
    const std::vector<std::int64_t> rows{4, 1, 4};
    for (const std::int64_t width : {1, 70}) {
        const auto grad_y = values(3 * width, 1);
        const auto solve = [&]<typename T>(T) -> std::vector<std::vector<T>> {
            std::vector<T> grad_x(static_cast<std::size_t>(6 * width), T(7));
            ref::gather_rows_backward(grad_x.data(), as<T>(grad_y).data(), rows.data(),
                                      std::int64_t{3}, std::int64_t{6}, width);
            return {grad_x};
        };
        check_whole(concat("gather rows backward, width ", width), solve, [&](Backend& used) {
            CallMemory memory;
            GatherRowsBackwardArgs args;
            args.grad_y = memory.in(grad_y, {3, width});
            args.rows = rows;
            args.grad_x = memory.out({6, width});
            ops::gather_rows_backward(used, args);
            return memory.results();
        });
        const auto got = solve(double{})[0];
        for (std::int64_t d = 0; d < width; ++d) {
            const auto at = static_cast<std::size_t>(d);
            const auto w = static_cast<std::size_t>(width);
            CHECK(got[at] == 0);
            CHECK(got[w + at] == grad_y[w + at]);
            CHECK(got[4 * w + at] == static_cast<double>(grad_y[at]) + grad_y[2 * w + at]);
        }
    }
}

TEST_CASE("avg pool backward: central differences, and every backend") {
    struct Row {
        std::int64_t height, width, channels, window;
    };
    for (const Row& row : {Row{5, 7, 3, 2}, Row{4, 4, 33, 2}, Row{6, 6, 5, 3}}) {
        constexpr std::int64_t kPictures = 2;
        const Shape x{kPictures, row.height, row.width, row.channels};
        const Shape y{kPictures, row.height / row.window, row.width / row.window, row.channels};
        const auto grad_y = values(y.numel(), 1);
        const auto solve = [&]<typename T>(T) -> std::vector<std::vector<T>> {
            std::vector<T> grad_x(static_cast<std::size_t>(x.numel()));
            const auto from = as<T>(grad_y);
            for (std::int64_t n = 0; n < kPictures; ++n)
                ref::avg_pool_backward(grad_x.data() + n * x.numel() / kPictures,
                                       from.data() + n * y.numel() / kPictures, row.height,
                                       row.width, row.channels, row.window);
            return {grad_x};
        };
        check_whole(concat("avg pool backward ", x.to_string()), solve, [&](Backend& used) {
            CallMemory memory;
            AvgPoolBackwardArgs args;
            args.grad_y = memory.in(grad_y, y);
            args.window = static_cast<int>(row.window);
            args.grad_x = memory.out(x);
            ops::avg_pool_backward(used, args);
            return memory.results();
        });
        check_gradient(
            "x", as<double>(values(x.numel(), 2)),
            [&](const auto& from) {
                std::vector<double> to(grad_y.size());
                for (std::int64_t n = 0; n < kPictures; ++n)
                    ref::avg_pool(to.data() + n * y.numel() / kPictures,
                                  from.data() + n * x.numel() / kPictures, row.height, row.width,
                                  row.channels, row.window);
                return weighted_sum(to, as<double>(grad_y));
            },
            solve(double{})[0]);
    }
}

TEST_CASE("mean token backward: central differences, and every backend") {
    constexpr std::int64_t kPictures = 3;
    for (const std::int64_t places : {1, 7})
        for (const std::int64_t width : {2, 40}) {
            const std::int64_t each = (places + 1) * width;
            const auto grad_y = values(kPictures * each, 1), positions = values(each, 2);
            const auto solve = [&]<typename T>(T) -> std::vector<std::vector<T>> {
                std::vector<T> grad_x(static_cast<std::size_t>(kPictures * places * width));
                auto to_positions = as<T>(positions);
                const auto from = as<T>(grad_y);
                for (std::int64_t n = 0; n < kPictures; ++n)
                    ref::mean_token_grad_x(grad_x.data() + n * places * width,
                                           from.data() + n * each, places, width);
                for (std::int64_t i = 0; i < each; ++i)
                    ref::add_over_batch(to_positions.data(), from.data(), kPictures, each, i);
                return {grad_x, to_positions};
            };
            check_whole(concat("mean token backward, ", places, " places"), solve,
                        [&](Backend& used) {
                            CallMemory memory;
                            MeanTokenBackwardArgs args;
                            args.grad_y = memory.in(grad_y, {kPictures, places + 1, width});
                            args.grad_x = memory.out({kPictures, places, width});
                            args.grad_positions = memory.in_out(positions, {places + 1, width});
                            ops::mean_token_backward(used, args);
                            return memory.results();
                        });
            const auto x = as<double>(values(kPictures * places * width, 3));
            const auto loss = [&](const auto& from, const auto& added) {
                std::vector<double> y(grad_y.size());
                for (std::int64_t n = 0; n < kPictures; ++n)
                    ref::mean_token(y.data() + n * each, from.data() + n * places * width,
                                    added.data(), places, width);
                return weighted_sum(y, as<double>(grad_y));
            };
            auto gradients = solve(double{});
            for (std::size_t i = 0; i < positions.size(); ++i)
                gradients[1][i] -= positions[i];
            check_gradient(
                "x", x, [&](const auto& v) { return loss(v, as<double>(positions)); },
                gradients[0]);
            check_gradient(
                "positions", as<double>(positions), [&](const auto& v) { return loss(x, v); },
                gradients[1]);
        }
}

TEST_CASE("patch embedding backward: central differences, and every backend") {
    struct Row {
        std::int64_t pictures, side, patch, width;
    };
    for (const Row& row : {Row{2, 4, 2, 3}, Row{3, 32, 8, 48}, Row{70, 16, 4, 20}}) {
        const std::int64_t grid = row.side / row.patch, tokens = grid * grid + 1;
        const std::int64_t depth = 3 * row.patch * row.patch;
        const auto pictures = values(row.pictures * 3 * row.side * row.side, 1);
        const auto grad_y = values(row.pictures * tokens * row.width, 2);
        const auto projection = values(row.width * depth, 3);
        const auto class_token = values(row.width, 4), positions = values(tokens * row.width, 5);
        const auto solve = [&]<typename T>(T) -> std::vector<std::vector<T>> {
            auto to_projection = as<T>(projection), to_class = as<T>(class_token);
            auto to_positions = as<T>(positions);
            const auto from = as<T>(grad_y), seen = as<T>(pictures);
            std::vector<T> scratch(static_cast<std::size_t>(depth));
            for (std::int64_t d = 0; d < row.width; ++d) {
                ref::patch_grad_projection(to_projection.data(), scratch.data(), from.data(),
                                           seen.data(), row.pictures, row.side, row.patch,
                                           row.width, d);
                ref::add_over_batch(to_class.data(), from.data(), row.pictures, tokens * row.width,
                                    d);
            }
            for (std::int64_t i = 0; i < tokens * row.width; ++i)
                ref::add_over_batch(to_positions.data(), from.data(), row.pictures,
                                    tokens * row.width, i);
            return {to_projection, to_class, to_positions};
        };
        check_whole(concat("patch embedding backward, side ", row.side), solve, [&](Backend& used) {
            CallMemory memory;
            PatchEmbeddingBackwardArgs args;
            args.pictures = memory.in(pictures, {row.pictures, 3, row.side, row.side});
            args.patch = static_cast<int>(row.patch);
            args.grad_y = memory.in(grad_y, {row.pictures, tokens, row.width});
            args.grad_projection = memory.in_out(projection, {row.width, depth});
            args.grad_class_token = memory.in_out(class_token, {row.width});
            args.grad_positions = memory.in_out(positions, {tokens, row.width});
            ops::patch_embedding_backward(used, args);
            return memory.results();
        });
        if (row.side > 4)
            continue;
        const auto loss = [&](const auto& w, const auto& c, const auto& p) {
            std::vector<double> y(grad_y.size()), scratch(static_cast<std::size_t>(depth));
            const auto seen = as<double>(pictures);
            for (std::int64_t n = 0; n < row.pictures; ++n)
                for (std::int64_t token = 0; token < tokens; ++token)
                    ref::patch_token(y.data() + (n * tokens + token) * row.width, scratch.data(),
                                     seen.data() + n * 3 * row.side * row.side, w.data(), c.data(),
                                     p.data(), row.side, row.patch, row.width, token);
            return weighted_sum(y, as<double>(grad_y));
        };
        auto gradients = solve(double{});
        const auto w = as<double>(projection), c = as<double>(class_token);
        const auto p = as<double>(positions);
        const std::vector<double>* starts[] = {&w, &c, &p};
        for (std::size_t o = 0; o < 3; ++o)
            for (std::size_t i = 0; i < gradients[o].size(); ++i)
                gradients[o][i] -= (*starts[o])[i];
        check_gradient(
            "projection", w, [&](const auto& v) { return loss(v, c, p); }, gradients[0]);
        check_gradient(
            "class token", c, [&](const auto& v) { return loss(w, v, p); }, gradients[1]);
        check_gradient(
            "positions", p, [&](const auto& v) { return loss(w, c, v); }, gradients[2]);
    }
}
