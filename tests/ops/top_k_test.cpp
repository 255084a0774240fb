// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "backend/ref/top_k.hpp"
#include "base/concat.hpp"
#include "ops/top_k.hpp"
#include "support/cases.hpp"

using namespace clip;
using namespace clip::test;

namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Found {
    std::vector<float> values;
    std::vector<std::int64_t> indices;
};

Found find(Backend& used, const std::vector<float>& x, std::int64_t rows, std::int64_t k) {
    const std::int64_t count = static_cast<std::int64_t>(x.size()) / rows;
    CallMemory memory;
    GuardedBuffer<std::int64_t> indices(static_cast<std::size_t>(rows * k));
    TopKArgs args;
    args.x = memory.in(x, {rows, count});
    args.k = k;
    args.values = memory.out({rows, k});
    args.indices = {indices.data(), indices.size()};
    ops::top_k(used, args);
    CHECK(indices.intact());
    return {memory.results()[0], indices.copy()};
}

} // namespace

TEST_CASE("top k: every backend finds what sorting finds, with any threads and in any company") {
    struct Size {
        std::int64_t rows, count, k;
    };
    for (const Size size : {Size{1, 1, 1}, {3, 33, 5}, {5, 1000, 10}, {4, 50, 50}})
        for (Regime regime : kRegimes)
            for (const std::string& name : backend_names()) {
                const auto x = values(size.rows * size.count, 1, regime);
                std::vector<double> want(static_cast<std::size_t>(size.rows * size.k));
                std::vector<std::int64_t> want_indices(want.size());
                ref::top_k(want.data(), want_indices.data(), as<double>(x).data(), size.rows,
                           size.count, size.k);
                INFO(concat("top k, ", size.count, " choose ", size.k, ", ", regime_name(regime),
                            " [", name, "]"));
                for (std::size_t threads : {1, 2, 3}) {
                    const Found found = find(backend(name, threads), x, size.rows, size.k);
                    CHECK(as<double>(found.values) == want);
                    CHECK(found.indices == want_indices);
                }
                const Found last =
                    find(backend(name, 2), {x.end() - size.count, x.end()}, 1, size.k);
                CHECK(std::equal(last.indices.begin(), last.indices.end(),
                                 want_indices.end() - size.k));
            }
}

TEST_CASE("top k: equal values keep their order, NaN comes last") {
    for (const std::string& name : backend_names()) {
        INFO(name);
        const Found ties = find(backend(name, 1), {1, 2, 2, 0, 2, 1, -0.0f, 0}, 1, 8);
        CHECK(ties.indices == std::vector<std::int64_t>{1, 2, 4, 0, 5, 3, 6, 7});
        const Found odd = find(backend(name, 1), {kNan, -kInfinity, 3, kInfinity, kNan}, 1, 5);
        CHECK(odd.indices == std::vector<std::int64_t>{3, 2, 1, 0, 4});
        CHECK(std::isnan(odd.values[4]));
    }
}

TEST_CASE("top k: rejects every wrong argument") {
    Backend& used = backend("automatic", 1);
    auto x = values(12, 1);
    std::vector<float> y(6);
    std::vector<std::int64_t> indices(6);
    TopKArgs good;
    good.x = {x.data(), {3, 4}, DType::f32, {}};
    good.k = 2;
    good.values = {y.data(), {3, 2}, DType::f32, {}};
    good.indices = indices;
    CHECK_NOTHROW(ops::top_k(used, good));
    const auto bad = [&](ErrorCode code, const char* what, auto change) {
        TopKArgs changed = good;
        change(changed);
        check_error(
            code, [&] { ops::top_k(used, changed); }, what);
    };
    bad(ErrorCode::invalid_argument, "k 0", [](auto& a) { a.k = 0; });
    bad(ErrorCode::invalid_argument, "k 5", [](auto& a) { a.k = 5; });
    bad(ErrorCode::shape_mismatch, "rank", [](auto& a) { a.x.shape = {12}; });
    bad(ErrorCode::shape_mismatch, "values", [](auto& a) { a.values.shape = {2, 3}; });
    bad(ErrorCode::shape_mismatch, "indices", [](auto& a) { a.indices = a.indices.first(5); });
    bad(ErrorCode::invalid_argument, "null", [](auto& a) { a.x.data = nullptr; });
    bad(ErrorCode::dtype_mismatch, "dtype", [](auto& a) { a.x.dtype = DType::i32; });
    bad(ErrorCode::device_mismatch, "device",
        [](auto& a) { a.x.device.kind = Device::Kind::cuda; });
    bad(ErrorCode::invalid_argument, "overlap", [&](auto& a) { a.values.data = x.data(); });
}
