// SPDX-License-Identifier: MIT
// exact_dots and screen: what a search stands on. Every backend and instruction set, int8 kernels
// included.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "backend/ref/ref_backend.hpp"
#include "ops/cpu_cases.hpp"
#include "ops/exact_dots.hpp"
#include "ops/screen.hpp"
#include "support/cases.hpp"

using namespace clip;
using namespace clip::test;

namespace {

struct SearchRun {
    std::string name;
    std::unique_ptr<ThreadPool> pool;
    std::unique_ptr<Backend> backend;
};

std::vector<SearchRun> search_runs() {
    std::vector<SearchRun> runs;
    const auto add = [&](std::string name, const auto& make) {
        auto pool = std::make_unique<ThreadPool>(2);
        auto backend = make(*pool);
        runs.push_back({std::move(name), std::move(pool), std::move(backend)});
    };
    add("ref", [](ThreadPool& pool) { return std::make_unique<RefBackend>(pool); });
    for (const Isa isa : usable_isas())
        add(std::string(isa_name(isa)),
            [&](ThreadPool& pool) { return make_cpu_backend(pool, nullptr, isa); });
    for (const std::string_view int8 : usable_int8_names())
        add(std::string(int8), [&](ThreadPool& pool) {
            return make_cpu_backend(pool, nullptr, usable_isas().back(), int8);
        });
    return runs;
}

/// Rows as the tests want them: float32, or the same rounded to float16.
struct Rows {
    std::vector<float> values; // what is stored, as float32
    std::vector<Half> halves;
    std::int64_t count, width;
    Rows(std::vector<float> from, std::int64_t width_, bool half)
        : values(std::move(from)), count(static_cast<std::int64_t>(values.size()) / width_),
          width(width_) {
        if (!half)
            return;
        for (float& value : values) {
            halves.emplace_back(value);
            value = static_cast<float>(halves.back());
        }
    }
    ConstView view() const {
        const Shape shape{count, width};
        return halves.empty() ? ConstView{values.data(), shape, DType::f32, {}}
                              : ConstView{halves.data(), shape, DType::f16, {}};
    }
};

/// The sum by another way: long double, in order.
double plain_dot(const float* a, const float* b, std::int64_t width) {
    long double sum = 0;
    for (std::int64_t i = 0; i < width; ++i)
        sum += static_cast<long double>(a[i]) * b[i];
    return static_cast<double>(sum);
}

/// Rows of length 1. `spike` makes one value of each large, as some dimensions of CLIP are.
std::vector<float> unit_rows(std::int64_t count, std::int64_t width, std::uint64_t seed,
                             float spike = 0) {
    std::vector<float> x = spread(count * width, seed);
    for (std::int64_t r = 0; r < count; ++r) {
        float* row = x.data() + r * width;
        row[3 % width] += spike;
        const double norm = std::sqrt(plain_dot(row, row, width));
        for (std::int64_t i = 0; i < width; ++i)
            row[i] = static_cast<float>(row[i] / norm);
    }
    return x;
}

} // namespace

TEST_CASE("exact_dots: right to float64, the same bits on every backend") {
    for (const std::int64_t width : {1, 3, 15, 16, 17, 40, 512, 1000})
        for (const bool half : {false, true})
            for (const std::int64_t queries : {0, 1, 2, 3, 4, 5, 9}) {
                const std::int64_t count = 70;
                const Rows rows(spread(count * width, 1), width, half);
                const std::vector<float> q = spread(queries * width, 2);
                std::vector<double> first;
                for (const SearchRun& run : search_runs()) {
                    INFO(run.name << ", width " << width << ", half " << half << ", queries "
                                  << queries);
                    std::vector<double> dots(static_cast<std::size_t>(count * queries)),
                        norms2(static_cast<std::size_t>(count));
                    ExactDotsArgs args{.rows = rows.view(), .dots = dots, .norms2 = norms2};
                    if (queries > 0)
                        args.queries = {q.data(), {queries, width}, DType::f32, {}};
                    ops::exact_dots(*run.backend, args);
                    double worst = 0;
                    for (std::int64_t r = 0; r < count; ++r) {
                        const float* row = rows.values.data() + r * width;
                        worst = std::max(worst, std::abs(norms2[static_cast<std::size_t>(r)] -
                                                         plain_dot(row, row, width)));
                        for (std::int64_t j = 0; j < queries; ++j)
                            worst = std::max(
                                worst, std::abs(dots[static_cast<std::size_t>(r * queries + j)] -
                                                plain_dot(row, q.data() + j * width, width)));
                    }
                    CHECK(worst < 1e-13 * static_cast<double>(width));
                    dots.insert(dots.end(), norms2.begin(), norms2.end());
                    if (first.empty())
                        first = dots;
                    CHECK(dots == first);
                }
            }
}

TEST_CASE("screen: reports every pair that reaches its limit, and few more") {
    struct Case {
        std::int64_t count, queries, width;
        float spike;
    };
    for (const Case& test :
         {Case{1, 1, 1, 0}, Case{3, 33, 7, 0}, Case{300, 1, 64, 0}, Case{270, 100, 65, 0},
          Case{65, 31, 512, 0}, Case{64, 64, 512, 0.7f}, Case{529, 257, 100, 3}})
        for (const bool half : {false, true})
            for (const float length : {1.0f, 1e-12f, 100.0f}) {
                std::vector<float> values = unit_rows(test.count, test.width, 5, test.spike);
                // Some rows are near to some queries, one is the same.
                const std::vector<float> queries =
                    unit_rows(test.queries, test.width, 6, test.spike);
                std::copy_n(queries.begin(), test.width, values.begin());
                for (float& value : values)
                    value *= half ? std::max(length, 1.0f) : length;
                const Rows rows(values, test.width, half);
                std::vector<double> norms2(static_cast<std::size_t>(test.count)),
                    dots(static_cast<std::size_t>(test.count * test.queries));
                ThreadPool pool(1);
                RefBackend ref(pool);
                const ConstView query_view{
                    queries.data(), {test.queries, test.width}, DType::f32, {}};
                ops::exact_dots(ref, {rows.view(), query_view, dots, norms2});
                std::vector<float> inverse;
                for (const double norm2 : norms2)
                    inverse.push_back(static_cast<float>(1 / std::sqrt(norm2)));
                // Limits that some cosines hit exactly.
                std::vector<float> limits;
                const auto cosine = [&](std::int64_t r, std::int64_t q) {
                    return static_cast<float>(dots[static_cast<std::size_t>(r * test.queries + q)] /
                                              std::sqrt(norms2[static_cast<std::size_t>(r)]));
                };
                for (std::int64_t q = 0; q < test.queries; ++q)
                    limits.push_back(q % 7 == 6 ? -std::numeric_limits<float>::infinity()
                                                : cosine(q % test.count, q));
                for (const SearchRun& run : search_runs()) {
                    INFO(run.name << ", count " << test.count << ", queries " << test.queries
                                  << ", width " << test.width << ", half " << half << ", length "
                                  << length);
                    const auto prepared = ops::prepare_screen(*run.backend, query_view);
                    std::vector<ScreenPair> pairs;
                    ops::screen(*run.backend,
                                {rows.view(), inverse, prepared.get(), limits, &pairs});
                    std::set<std::pair<std::int32_t, std::int32_t>> found;
                    for (const ScreenPair& pair : pairs)
                        found.emplace(pair.row, pair.query);
                    CHECK(found.size() == pairs.size());
                    std::int64_t missing = 0, far = 0;
                    // The most that int8 can be off by, with all values of a row alike.
                    const float bound =
                        2.2f * std::sqrt(static_cast<float>(test.width)) / 127.0f + 1e-4f;
                    for (std::int64_t r = 0; r < test.count; ++r)
                        for (std::int64_t q = 0; q < test.queries; ++q) {
                            const float limit = limits[static_cast<std::size_t>(q)];
                            const bool there = found.contains(
                                {static_cast<std::int32_t>(r), static_cast<std::int32_t>(q)});
                            missing += cosine(r, q) >= limit && !there;
                            far += there && cosine(r, q) < limit - bound;
                        }
                    CHECK(missing == 0);
                    CHECK(far == 0);
                }
            }
}

TEST_CASE("screen and exact_dots: arguments are checked") {
    ThreadPool pool(1);
    RefBackend ref(pool);
    const std::vector<float> x(12, 0.5f);
    std::vector<double> dots(6), norms2(3);
    const ConstView rows{x.data(), {3, 4}, DType::f32, {}},
        queries{x.data(), {2, 4}, DType::f32, {}};
    check_error(
        ErrorCode::shape_mismatch,
        [&] {
            ops::exact_dots(ref, {rows, {x.data(), {2, 5}, DType::f32, {}}, dots, norms2});
        },
        "another width");
    check_error(
        ErrorCode::dtype_mismatch,
        [&] {
            ops::exact_dots(ref, {{x.data(), {3, 4}, DType::i32, {}}, queries, dots, {}});
        },
        "integers");
    check_error(
        ErrorCode::shape_mismatch,
        [&] {
            ops::exact_dots(ref, {rows, queries, {dots.data(), 5}, {}});
        },
        "too few dots");
    const auto prepared = ops::prepare_screen(ref, queries);
    std::vector<ScreenPair> pairs;
    const std::vector<float> three(3, 1.0f), two(2, 0.0f);
    check_error(
        ErrorCode::shape_mismatch,
        [&] {
            ops::screen(ref, {rows, three, prepared.get(), three, &pairs});
        },
        "limits of another number");
    check_error(
        ErrorCode::invalid_argument,
        [&] {
            ops::screen(ref, {rows, three, nullptr, two, &pairs});
        },
        "no queries");
    check_error(
        ErrorCode::shape_mismatch,
        [&] {
            ops::prepare_screen(ref, {x.data(), {0, 4}, DType::f32, {}});
        },
        "none");
}
