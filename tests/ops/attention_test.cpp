// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "backend/ref/attention.hpp"
#include "base/concat.hpp"
#include "ops/attention.hpp"
#include "support/cases.hpp"

using namespace clip;
using namespace clip::test;

namespace {

using Offsets = std::vector<std::int64_t>;

struct Row {
    const char* name;
    int heads, head_width;
    Offsets q_lengths, k_lengths;
    bool causal = false, packed = false, saves = false;
    DType dtype = DType::f32, y_dtype = dtype; ///< float32 where a backend takes no other type
    int gap = 0;                               ///< elements between rows
};

const std::vector<Row>& rows() {
    static const std::vector<Row> table = {
        {"one token", 1, 1, {1}, {1}},
        {"odd sizes", 3, 7, {5, 2}, {5, 2}},
        {"a picture", 12, 64, {50}, {50}, false, true},
        {"three pictures, saved", 2, 64, {17, 17, 17}, {17, 17, 17}, false, true, true},
        {"texts of all lengths", 8, 64, {1, 9, 77, 3}, {1, 9, 77, 3}, true, true},
        {"texts, saved", 2, 40, {5, 33, 2}, {5, 33, 2}, true, true, true},
        {"the last query of each text", 4, 32, {1, 1, 1}, {4, 19, 1}, true},
        {"the last queries", 2, 16, {2, 3}, {9, 3}, true},
        {"one query of many keys", 4, 64, {1, 1}, {50, 50}},
        {"a sequence without queries", 2, 8, {3, 0, 2}, {4, 5, 2}},
    };
    return table;
}

/// What device kernels have of their own for 16 bits: other tiles for long sequences, other
/// instructions for heads of 64 and 128, other copies where rows are not aligned.
const std::vector<Row>& rows_of_16_bits() {
    constexpr DType f16 = DType::f16, bf16 = DType::bf16, f32 = DType::f32;
    static const std::vector<Row> table = {
        {"pictures", 2, 64, {50, 50}, {50, 50}, false, true, false, f16},
        {"texts", 2, 64, {1, 77, 3, 65}, {1, 77, 3, 65}, true, true, true, f16},
        {"long", 1, 64, {257, 64}, {257, 64}, false, true, true, bf16},
        {"long texts", 1, 64, {257, 2}, {257, 2}, true, true, true, f16},
        {"the last queries", 2, 64, {2, 70, 1}, {77, 130, 50}, true, false, true, bf16, f32},
        {"wide heads", 1, 128, {50, 5, 66}, {50, 5, 66}, false, true, true, f16},
        {"wide heads under a mask", 1, 128, {77, 1}, {77, 1}, true, true, true, bf16},
        {"wide heads, more keys", 1, 128, {5, 0, 33}, {65, 3, 257}, false, false, true, f16},
        {"heads of 80", 2, 80, {50, 65}, {50, 65}, false, true, true, bf16},
        {"heads of 80 under a mask", 1, 80, {77, 1, 9}, {80, 50, 9}, true, false, true, f16, f32},
        {"odd strides", 2, 64, {50, 65}, {50, 65}, true, false, true, f16, f16, 3},
        {"odd strides of wide heads", 1, 128, {33}, {77}, false, false, true, bf16, bf16, 1},
    };
    return table;
}

Offsets offsets_of(const Offsets& lengths, std::size_t first, std::size_t count) {
    Offsets offsets{0};
    for (std::size_t i = first; i < first + count; ++i)
        offsets.push_back(offsets.back() + lengths[i]);
    return offsets;
}

struct Problem {
    Problem(const Row& from, Regime regime)
        : row(from), width(row.heads * row.head_width),
          stride((row.packed ? 3 * width : width) + row.gap),
          q_all(offsets_of(row.q_lengths, 0, row.q_lengths.size())),
          k_all(offsets_of(row.k_lengths, 0, row.k_lengths.size())),
          q(rounded(values(q_all.back() * stride, 1), row.dtype)),
          k(rounded(values(k_all.back() * stride, 2), row.dtype)),
          v(rounded(values(k_all.back() * stride, 3, regime), row.dtype)),
          // Scores of deviation 1 times this: a huge one makes the softmax pick one key.
          scale(static_cast<float>((regime == Regime::huge ? 50 : 1) / std::sqrt(row.head_width))) {
        if (regime == Regime::all_equal)
            std::fill(k.begin(), k.end(), 1.5f);
    }

    template <typename T>
    std::vector<std::vector<T>> solve() const {
        const auto qs = as<T>(q), ks = as<T>(k), vs = as<T>(v);
        std::vector<T> y(static_cast<std::size_t>(q_all.back() * width));
        std::vector<T> saved(static_cast<std::size_t>(q_all.back() * row.heads));
        ref::attention(ref::AttentionSetup<T>{qs.data(), ks.data(), vs.data(), stride, stride,
                                              q_all, k_all, row.heads, row.head_width, T(scale),
                                              row.causal, y.data(), saved.data()});
        if (row.saves)
            return {y, saved};
        return {y};
    }

    Results run(Backend& used, std::int64_t first, std::int64_t count) const {
        const auto at = static_cast<std::size_t>(first);
        const auto number = static_cast<std::size_t>(count);
        const Offsets q_offsets = offsets_of(row.q_lengths, at, number);
        const Offsets k_offsets = offsets_of(row.k_lengths, at, number);
        const auto part = [&](const std::vector<float>& all, const Offsets& offsets) {
            return std::vector<float>(all.begin() + offsets[at] * stride,
                                      all.begin() + offsets[at + number] * stride);
        };
        CallMemory memory;
        AttentionArgs args;
        const auto q_rows = q_offsets.back(), k_rows = k_offsets.back();
        args.dtype = used.takes(row.dtype) ? row.dtype : DType::f32;
        args.q = memory.in(part(q, q_all), {q_rows, stride}, args.dtype).data;
        args.k = memory.in(part(k, k_all), {k_rows, stride}, args.dtype).data;
        args.v = memory.in(part(v, k_all), {k_rows, stride}, args.dtype).data;
        args.q_stride = args.kv_stride = stride;
        args.q_offsets = q_offsets;
        args.k_offsets = k_offsets;
        args.heads = row.heads;
        args.head_width = row.head_width;
        args.scale = scale;
        args.causal = row.causal;
        args.y = memory.out({q_rows, width}, used.takes(row.y_dtype) ? row.y_dtype : DType::f32);
        if (row.saves)
            args.log_sum_exp = memory.out({q_rows, row.heads});
        ops::attention(used, args);
        return memory.results();
    }

    const Row& row;
    std::int64_t width, stride;
    Offsets q_all, k_all;
    std::vector<float> q, k, v;
    float scale;
};

void check_case(const Row& row, Regime regime) {
    const Problem problem(row, regime);
    OpCase test;
    test.name = concat("attention, ", row.name, ", ", regime_name(regime));
    test.oracle = problem.solve<double>();
    test.naive = problem.solve<float>();
    test.naive[0] = rounded(test.naive[0], row.y_dtype);
    test.dtypes = {row.dtype, DType::f32}; // weights are rounded like their factors
    test.items = static_cast<std::int64_t>(row.q_lengths.size());
    test.begin = [&](std::size_t output, std::int64_t item) {
        const std::int64_t per_row = output == 0 ? problem.width : row.heads;
        return static_cast<std::size_t>(problem.q_all[static_cast<std::size_t>(item)] * per_row);
    };
    test.run = [&](Backend& used, std::int64_t first, std::int64_t count) {
        return problem.run(used, first, count);
    };
    check_op(test);
}

} // namespace

TEST_CASE("attention: every backend matches double arithmetic on every shape and regime") {
    for (const Row& row : rows())
        check_case(row, Regime::normal);
    for (Regime regime : kRegimes)
        for (std::size_t i : {1, 4})
            check_case(rows()[i], regime);
}

TEST_CASE("attention: 16 bits: every backend matches double arithmetic on every shape") {
    for (const Row& row : rows_of_16_bits())
        check_case(row, Regime::normal);
}

TEST_CASE("attention: a causal query has the value that it has without the tokens after it") {
    const Row whole{"", 8, 64, {20}, {20}, true, true};
    const Row cut{"", 8, 64, {11}, {11}, true, true};
    const Problem cut_problem(cut, Regime::normal);
    for (const std::string& name : backend_names()) {
        Backend& used = backend(name, 2);
        std::vector<float> long_one = Problem(whole, Regime::normal).run(used, 0, 1)[0];
        const std::vector<float> short_one = cut_problem.run(used, 0, 1)[0];
        long_one.resize(short_one.size());
        // Bit for bit, but for oneDNN: its gemm chooses its blocks by the number of keys.
        const Comparison same =
            used.name() == "onednn"
                ? compare(long_one, cut_problem.solve<double>()[0], cut_problem.solve<float>()[0])
                : compare_bits(long_one, short_one);
        INFO(name);
        CHECK_MESSAGE(same.ok, same.problem);
    }
}

TEST_CASE("attention: a NaN in a sequence reaches its result and no other sequence's") {
    const Row row{"", 2, 16, {5, 7}, {5, 7}};
    Problem problem(row, Regime::normal);
    problem.k[3] = std::numeric_limits<float>::quiet_NaN(); // key 0 of head 0
    for (const std::string& name : backend_names()) {
        const std::vector<float> y = problem.run(backend(name, 2), 0, 2)[0];
        INFO(name);
        for (std::size_t i = 0; i < y.size(); ++i)
            CHECK(std::isnan(y[i]) == (i < 5 * 32 && i % 32 < 16));
    }
}

TEST_CASE("attention: 16 bits: what is not finite stays in its sequence, head and column") {
    for (const int width : {64, 80, 128}) {
        const Row row{"", 2, width, {5, 7}, {5, 7}, false, false, false, DType::f16};
        Problem problem(row, Regime::normal);
        const std::size_t next = 5 * 2 * static_cast<std::size_t>(width); // row 0 of sequence 1
        problem.v[next + 3] = std::numeric_limits<float>::quiet_NaN();
        for (const std::string& name : backend_names()) {
            const std::vector<float> y = problem.run(backend(name, 2), 0, 2)[0];
            INFO(name);
            for (std::size_t i = 0; i < y.size(); ++i)
                CHECK(std::isnan(y[i]) ==
                      (i >= next && i % (2 * static_cast<std::size_t>(width)) == 3));
        }
    }
}

TEST_CASE("attention: rejects every wrong argument") {
    Backend& used = backend("automatic", 1);
    std::vector<float> q = values(12, 1), k = values(12, 2), v = values(12, 3), y(12);
    const Offsets offsets{0, 1, 3}, shorter{0, 3}, falling{0, 3, 1}, late{1, 1, 3}, few{0, 0, 3};
    AttentionArgs good;
    good.q = q.data();
    good.k = k.data();
    good.v = v.data();
    good.q_stride = good.kv_stride = 4;
    good.q_offsets = good.k_offsets = offsets;
    good.heads = 2;
    good.head_width = 2;
    good.scale = 0.7f;
    good.y = {y.data(), {3, 4}, DType::f32, {}};
    CHECK_NOTHROW(ops::attention(used, good));
    const auto bad = [&](ErrorCode code, const char* what, auto change) {
        AttentionArgs changed = good;
        change(changed);
        check_error(
            code, [&] { ops::attention(used, changed); }, what);
    };
    bad(ErrorCode::invalid_argument, "heads", [](auto& a) { a.heads = 0; });
    bad(ErrorCode::invalid_argument, "head width", [](auto& a) { a.head_width = -1; });
    bad(ErrorCode::invalid_argument, "scale",
        [](auto& a) { a.scale = std::numeric_limits<float>::quiet_NaN(); });
    bad(ErrorCode::dtype_mismatch, "16 bits", [](auto& a) { a.dtype = DType::f16; });
    bad(ErrorCode::invalid_argument, "q null", [](auto& a) { a.q = nullptr; });
    bad(ErrorCode::invalid_argument, "v null", [](auto& a) { a.v = nullptr; });
    bad(ErrorCode::invalid_argument, "stride", [](auto& a) { a.q_stride = 3; });
    bad(ErrorCode::invalid_argument, "huge stride",
        [](auto& a) { a.kv_stride = std::numeric_limits<std::int64_t>::max(); });
    bad(ErrorCode::shape_mismatch, "no offsets", [](auto& a) { a.q_offsets = {}; });
    bad(ErrorCode::shape_mismatch, "fewer offsets", [&](auto& a) { a.k_offsets = shorter; });
    bad(ErrorCode::invalid_argument, "falling offsets", [&](auto& a) { a.k_offsets = falling; });
    bad(ErrorCode::invalid_argument, "offsets from 1", [&](auto& a) { a.q_offsets = late; });
    bad(ErrorCode::invalid_argument, "no keys", [&](auto& a) { a.k_offsets = few; });
    bad(ErrorCode::invalid_argument, "causal with too few keys", [&](auto& a) {
        a.causal = true;
        a.k_offsets = few;
    });
    bad(ErrorCode::shape_mismatch, "y", [](auto& a) { a.y.shape = {4, 3}; });
    bad(ErrorCode::invalid_argument, "y over k", [&](auto& a) { a.y.data = k.data(); });
    bad(ErrorCode::shape_mismatch, "log_sum_exp", [&](auto& a) {
        a.log_sum_exp = {y.data(), {3, 1}, DType::f32, {}};
    });
}
