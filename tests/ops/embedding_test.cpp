// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include "backend/ref/embedding.hpp"
#include "base/concat.hpp"
#include "ops/embedding.hpp"
#include "support/cases.hpp"

using namespace clip;
using namespace clip::test;

namespace {

// A table as a mapped file may hold it: of some type, at an odd address.
struct Table {
    Table(const std::vector<float>& from, DType type)
        : dtype(type), bytes(from.size() * dtype_size(type) + 1) {
        convert_from_f32(bytes.data() + 1, dtype, from.data(), from.size());
    }
    std::vector<float> rounded(std::size_t count) const {
        std::vector<float> out(count);
        convert_to_f32(out.data(), bytes.data() + 1, dtype, count);
        return out;
    }
    DType dtype;
    std::vector<unsigned char> bytes;
};

void check_case(std::int64_t width, DType dtype, Regime regime) {
    constexpr std::int64_t kVocabulary = 50, kPlaces = 9;
    const Table table(values(kVocabulary * width, 1, regime), dtype);
    const auto rounded = table.rounded(static_cast<std::size_t>(kVocabulary * width));
    const auto positions = values(kPlaces * width, 2);
    const std::vector<std::int32_t> ids{0, 49, 7, 7, 3, 21, 49}, places{0, 1, 2, 3, 0, 1, 8};
    const auto rows = static_cast<std::int64_t>(ids.size());
    const auto solve = [&]<typename T>(T) {
        const auto t = as<T>(rounded), s = as<T>(positions);
        std::vector<T> y(static_cast<std::size_t>(rows * width));
        const auto load = [&](std::int64_t i) { return t[static_cast<std::size_t>(i)]; };
        ref::embedding(y.data(), ids.data(), places.data(), load, s.data(), rows, width);
        return std::vector<std::vector<T>>{y};
    };
    OpCase test;
    test.name =
        concat("embedding, width ", width, ", ", dtype_name(dtype), ", ", regime_name(regime));
    test.oracle = solve(double{});
    test.naive = solve(float{});
    test.items = rows;
    test.nmse_bound = kElementwiseNmse;
    test.run = [&](Backend& used, std::int64_t first, std::int64_t count) {
        const auto at = static_cast<std::size_t>(first), number = static_cast<std::size_t>(count);
        CallMemory memory;
        EmbeddingArgs args;
        args.ids = std::span(ids).subspan(at, number);
        args.places = std::span(places).subspan(at, number);
        args.positions = memory.in(positions, {kPlaces, width});
        const auto* begin =
            static_cast<const std::byte*>(memory.bytes(table.bytes.data(), table.bytes.size()));
        args.table = {begin + 1, {kVocabulary, width}, dtype, args.positions.device};
        args.y = memory.out({count, width});
        ops::embedding(used, args);
        return memory.results();
    };
    check_op(test);
}

} // namespace

TEST_CASE("embedding: every backend reads tables of every floating type at any address") {
    for (std::int64_t width : {1, 31, 512})
        for (DType dtype : {DType::f32, DType::f16, DType::bf16, DType::f64})
            check_case(width, dtype, Regime::normal);
    for (Regime regime : {Regime::large_mean, Regime::huge, Regime::tiny, Regime::all_equal})
        check_case(33, DType::f32, regime);
}

TEST_CASE("embedding: rejects every wrong argument") {
    Backend& used = backend("automatic", 1);
    const auto table = values(20, 1), positions = values(12, 2);
    const std::vector<std::int32_t> ids{0, 4}, places{0, 2}, negative{0, -1}, large{5, 0}, one{1};
    std::vector<float> y(8);
    EmbeddingArgs good;
    good.ids = ids;
    good.places = places;
    good.table = {table.data(), {5, 4}, DType::f32, {}};
    good.positions = {positions.data(), {3, 4}, DType::f32, {}};
    good.y = {y.data(), {2, 4}, DType::f32, {}};
    CHECK_NOTHROW(ops::embedding(used, good));
    const auto bad = [&](ErrorCode code, const char* what, auto change) {
        EmbeddingArgs changed = good;
        change(changed);
        check_error(
            code, [&] { ops::embedding(used, changed); }, what);
    };
    bad(ErrorCode::invalid_argument, "negative id", [&](auto& a) { a.ids = negative; });
    bad(ErrorCode::invalid_argument, "id too large", [&](auto& a) { a.ids = large; });
    bad(ErrorCode::invalid_argument, "negative place", [&](auto& a) { a.places = negative; });
    bad(ErrorCode::invalid_argument, "place too large", [&](auto& a) { a.places = large; });
    bad(ErrorCode::shape_mismatch, "fewer places", [&](auto& a) { a.places = one; });
    bad(ErrorCode::shape_mismatch, "rank of table", [](auto& a) { a.table.shape = {20}; });
    bad(ErrorCode::dtype_mismatch, "table of i8", [](auto& a) { a.table.dtype = DType::i8; });
    bad(ErrorCode::invalid_argument, "table null", [](auto& a) { a.table.data = nullptr; });
    bad(ErrorCode::device_mismatch, "table",
        [](auto& a) { a.table.device.kind = Device::Kind::cuda; });
    bad(ErrorCode::shape_mismatch, "positions", [](auto& a) { a.positions.shape = {4, 3}; });
    bad(ErrorCode::shape_mismatch, "y", [](auto& a) { a.y.shape = {4, 2}; });
    bad(ErrorCode::invalid_argument, "y over table",
        [&](auto& a) { a.y.data = const_cast<float*>(table.data()) + 8; });
}
