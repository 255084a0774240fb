// SPDX-License-Identifier: MIT
// The ops that move, convert and add up elements: simple enough that every backend must give the
// very numbers of a plain loop.
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "ops/adamw.hpp"
#include "ops/add.hpp"
#include "ops/channels_last.hpp"
#include "ops/convert.hpp"
#include "ops/gather_rows.hpp"
#include "ops/row_dots.hpp"
#include "ops/similarity.hpp"
#include "ops/similarity_top_k.hpp"
#include "ops/top_k.hpp"
#include "ops/transpose.hpp"
#include "support/cases.hpp"
#include "tensor/tensor.hpp"

using namespace clip;
using namespace clip::test;

namespace {

/// Calls body(backend) for every backend with 1 and 3 threads.
template <typename Body>
void on_every_backend(const Body& body) {
    for (const std::string& name : backend_names())
        for (const std::size_t threads : {1, 3}) {
            INFO(name, ", threads: ", threads);
            body(backend(name, threads));
        }
}

} // namespace

TEST_CASE("channels last: every element is where it belongs") {
    const std::int64_t n = 2, channels = 3, height = 4, width = 5;
    const auto x = values(n * channels * height * width, 1);
    std::vector<float> want;
    for (std::int64_t i = 0; i < n; ++i)
        for (std::int64_t place = 0; place < height * width; ++place)
            for (std::int64_t c = 0; c < channels; ++c)
                want.push_back(
                    x[static_cast<std::size_t>((i * channels + c) * height * width + place)]);
    on_every_backend([&](Backend& used) {
        CallMemory memory;
        ops::channels_last(used, {.x = memory.in(x, {n, channels, height, width}),
                                  .y = memory.out({n, height, width, channels})});
        CHECK(memory.results()[0] == want);
    });
    std::vector<float> y(x.size());
    check_error(
        ErrorCode::shape_mismatch,
        [&] {
            ops::channels_last(backend("ref", 1),
                               {.x = {x.data(), {n, channels, height, width}, DType::f32, {}},
                                .y = {y.data(), {n, channels, height, width}, DType::f32, {}}});
        },
        "y is not turned");
}

TEST_CASE("scatter add rows: adds in order, also to one row twice") {
    const std::vector<float> x = {1, 2, 10, 20, 100, 200};
    const std::vector<std::int64_t> rows = {2, 0, 2};
    on_every_backend([&](Backend& used) {
        CallMemory memory;
        ops::scatter_add_rows(used, {.x = memory.in(x, {3, 2}),
                                     .rows = rows,
                                     .y = memory.in_out({1, 1, 2, 2, 3, 3}, {3, 2})});
        CHECK(memory.results()[0] == std::vector<float>{11, 21, 2, 2, 104, 205});
    });
    std::vector<float> y(4);
    check_error(
        ErrorCode::invalid_argument,
        [&] {
            ops::scatter_add_rows(backend("ref", 1), {.x = {x.data(), {3, 2}, DType::f32, {}},
                                                      .rows = rows,
                                                      .y = {y.data(), {2, 2}, DType::f32, {}}});
        },
        "a row out of range");
}

TEST_CASE("convert: rounds as the scalar types do, and back") {
    const auto x = values(100'000, 3);
    on_every_backend([&](Backend& used) {
        for (const DType dtype : {DType::f16, DType::bf16}) {
            const Shape shape{100'000};
            CallMemory memory;
            const MutView narrow = memory.out(shape, dtype), wide = memory.out(shape);
            ops::convert(used, {.x = memory.in(x, shape), .y = narrow});
            ops::convert(used, {.x = narrow, .y = wide});
            const std::vector<float> got = memory.results()[1];
            bool same = true;
            for (std::size_t i = 0; i < x.size(); ++i)
                same = same && got[i] == (dtype == DType::f16 ? static_cast<float>(Half(x[i]))
                                                              : static_cast<float>(BFloat16(x[i])));
            CHECK(same);
        }
    });
    Tensor bytes(Shape{100'000}, DType::u8);
    check_error(
        ErrorCode::dtype_mismatch,
        [&] {
            ops::convert(backend("ref", 1),
                         {.x = {x.data(), bytes.shape(), DType::f32, {}}, .y = bytes});
        },
        "u8");
}

TEST_CASE("add, blend, transpose: the same bits as one loop") {
    const std::int64_t rows = 311, columns = 457;
    const auto x = values(rows * columns, 4), y = values(rows * columns, 5);
    std::vector<float> sum(x.size()), mixed(x.size()), turned(x.size()), added(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
        sum[i] = y[i] + x[i];
        mixed[i] = y[i] + 0.25F * (x[i] - y[i]);
    }
    for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t c = 0; c < columns; ++c) {
            const auto to = static_cast<std::size_t>(c * rows + r);
            turned[to] = x[static_cast<std::size_t>(r * columns + c)];
            added[to] = y[to] + turned[to];
        }
    on_every_backend([&](Backend& used) {
        const Shape shape{rows, columns}, other{columns, rows};
        CallMemory memory;
        ops::add(used, {.x = memory.in(x, shape), .y = memory.in_out(y, shape)});
        ops::blend(used, {.x = memory.in(x, shape), .amount = 0.25F, .y = memory.in_out(y, shape)});
        ops::transpose(used, {.x = memory.in(x, shape), .y = memory.out(other)});
        ops::transpose(used, {.x = memory.in(x, shape), .add = true, .y = memory.in_out(y, other)});
        CHECK(memory.results() == Results{sum, mixed, turned, added});
    });
}

TEST_CASE("row dots: float64, row by row, of rows that may be the same") {
    const auto x = values(5 * 700, 6), y = values(5 * 700, 7);
    on_every_backend([&](Backend& used) {
        CallMemory memory;
        const ConstView a = memory.in(x, {5, 700}), b = memory.in(y, {5, 700});
        std::vector<double> dots(5), own(5);
        ops::row_dots(used, {.x = a, .y = b, .dots = dots});
        ops::row_dots(used, {.x = a, .y = a, .dots = own});
        for (std::size_t r = 0; r < 5; ++r) {
            double want = 0, square = 0;
            for (std::size_t i = r * 700; i < (r + 1) * 700; ++i) {
                want += static_cast<double>(x[i]) * y[i];
                square += static_cast<double>(x[i]) * x[i];
            }
            CHECK(dots[r] == doctest::Approx(want).epsilon(1e-12));
            CHECK(own[r] == doctest::Approx(square).epsilon(1e-12));
        }
    });
}

TEST_CASE("sum of squares: of all gradients, whatever pieces they are cut into") {
    const auto x = values(50'003, 8);
    double want = 0;
    for (const float value : x)
        want += static_cast<double>(value) * value;
    on_every_backend([&](Backend& used) {
        CallMemory memory;
        const float* at = memory.in(x, {50'003}).f32();
        const AdamWParameter parts[] = {
            {.grad = at, .count = 40'000}, {.grad = at + 40'000, .count = 10'003}, {.count = 0}};
        CHECK(used.sum_of_squares({.parameters = parts}) == doctest::Approx(want).epsilon(1e-12));
        CHECK(ops::grad_norm(used, parts) == std::sqrt(used.sum_of_squares({.parameters = parts})));
    });
}

TEST_CASE("similarity top k: what similarity and top k give, to the bit") {
    // More rows than some, so that not all queries go at once.
    const std::int64_t queries = 7, rows = 300'000, width = 8, k = 6;
    auto b = values(rows * width, 9);
    for (std::int64_t i = 0; i < 50 * width; ++i) // ties
        b[static_cast<std::size_t>(200'000 * width + i)] = b[static_cast<std::size_t>(i)];
    const auto a = values(queries * width, 10);
    on_every_backend([&](Backend& used) {
        CallMemory memory;
        const ConstView left = memory.in(a, {queries, width});
        const ConstView right = memory.in(b, {rows, width});
        const MutView all = memory.out({queries, rows});
        const MutView want = memory.out({queries, k}), got = memory.out({queries, k});
        std::vector<std::int64_t> want_at(static_cast<std::size_t>(queries * k)), got_at(want_at);
        ops::similarity(used, {.a = left, .b = right, .scale = 100, .y = all});
        ops::top_k(used, {.x = all, .k = k, .values = want, .indices = want_at});
        ops::similarity_top_k(used, {.queries = left,
                                     .rows = right,
                                     .scale = 100,
                                     .k = k,
                                     .values = got,
                                     .indices = got_at});
        CHECK(got_at == want_at);
        const Results found = memory.results();
        CHECK(found[2] == found[1]);
    });
    std::vector<float> found(4);
    std::vector<std::int64_t> at(4);
    check_error(
        ErrorCode::invalid_argument,
        [&] {
            ops::similarity_top_k(backend("ref", 1),
                                  {.queries = {a.data(), {1, 8}, DType::f32, {}},
                                   .rows = {b.data(), {3, 8}, DType::f32, {}},
                                   .k = 4,
                                   .values = {found.data(), {1, 4}, DType::f32, {}},
                                   .indices = at});
        },
        "k 4 of 3");
}
