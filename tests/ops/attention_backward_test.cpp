// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include "backend/ref/attention.hpp"
#include "base/concat.hpp"
#include "ops/attention.hpp"
#include "support/cases.hpp"
#include "support/central_differences.hpp"

using namespace clip;
using namespace clip::test;

namespace {

using Offsets = std::vector<std::int64_t>;

struct Row {
    const char* name;
    int heads, head_width;
    Offsets q_lengths, k_lengths;
    bool causal = false;
    DType compute = DType::f32; ///< of a device's products; values are such as it holds
};

std::vector<Row> rows() {
    return {
        {"one token", 1, 1, {1}, {1}},
        {"small", 2, 5, {3, 1, 7}, {3, 1, 7}},
        {"a picture of the bench", 3, 64, {65, 65}, {65, 65}},
        {"texts", 2, 64, {9, 1, 33, 77, 16}, {9, 1, 33, 77, 16}, true},
        {"causal, odd", 3, 17, {2, 40, 29}, {2, 40, 29}, true},
        {"pooled", 4, 32, {1, 1, 1}, {50, 3, 64}},
        {"the last queries", 2, 16, {5, 0, 33}, {70, 4, 40}, true},
        {"more keys", 1, 80, {20}, {100}},
    };
}

Offsets offsets_of(const Offsets& lengths, std::size_t first, std::size_t count) {
    Offsets offsets{0};
    for (std::size_t i = first; i < first + count; ++i)
        offsets.push_back(offsets.back() + lengths[i]);
    return offsets;
}

/// A forward pass and its backward pass; q, k, v lie in rows wider than needed.
template <typename T>
struct Solved {
    Solved(const Row& row, const std::vector<T>& q, const std::vector<T>& k,
           const std::vector<T>& v, const std::vector<T>& grad_y)
        : q_offsets(offsets_of(row.q_lengths, 0, row.q_lengths.size())),
          k_offsets(offsets_of(row.k_lengths, 0, row.k_lengths.size())), y(grad_y.size()),
          log_sum_exp(static_cast<std::size_t>(q_offsets.back() * row.heads)), grad_q(y.size()),
          grad_k(k.size()), grad_v(k.size()) {
        const std::int64_t width = row.heads * row.head_width;
        const T scale = T(0.3f);
        ref::attention(ref::AttentionSetup<T>{q.data(), k.data(), v.data(), width, width, q_offsets,
                                              k_offsets, row.heads, row.head_width, scale,
                                              row.causal, y.data(), log_sum_exp.data()});
        backward(row, q, k, v, grad_y);
    }
    void backward(const Row& row, const std::vector<T>& q, const std::vector<T>& k,
                  const std::vector<T>& v, const std::vector<T>& grad_y) {
        const std::int64_t width = row.heads * row.head_width;
        const ref::AttentionBackwardSetup<T> setup{q.data(),
                                                   k.data(),
                                                   v.data(),
                                                   width,
                                                   width,
                                                   q_offsets,
                                                   k_offsets,
                                                   row.heads,
                                                   row.head_width,
                                                   T(0.3f),
                                                   row.causal,
                                                   y.data(),
                                                   log_sum_exp.data(),
                                                   grad_y.data(),
                                                   grad_q.data(),
                                                   grad_k.data(),
                                                   grad_v.data(),
                                                   width,
                                                   width};
        for (std::size_t n = 0; n < row.q_lengths.size(); ++n)
            for (std::int64_t h = 0; h < row.heads; ++h)
                ref::attention_backward_head(setup, static_cast<std::int64_t>(n), h);
    }
    Offsets q_offsets, k_offsets;
    std::vector<T> y, log_sum_exp, grad_q, grad_k, grad_v;
};

struct Problem {
    Problem(const Row& of, Regime regime)
        : row(of), width(of.heads * of.head_width),
          q_all(offsets_of(of.q_lengths, 0, of.q_lengths.size())),
          k_all(offsets_of(of.k_lengths, 0, of.k_lengths.size())),
          q(rounded(values(q_all.back() * width, 1, regime), of.compute)),
          k(rounded(values(k_all.back() * width, 2, regime), of.compute)),
          v(rounded(values(k_all.back() * width, 3), of.compute)),
          grad_y(rounded(values(q_all.back() * width, 4), of.compute)) {
        const Solved<double> exact(row, as<double>(q), as<double>(k), as<double>(v),
                                   as<double>(grad_y));
        y.assign(exact.y.begin(), exact.y.end());
        log_sum_exp.assign(exact.log_sum_exp.begin(), exact.log_sum_exp.end());
    }

    /// The gradients in T, from y and log_sum_exp as float32 holds them.
    template <typename T>
    std::vector<std::vector<T>> solve() const {
        Solved<T> solved(row, as<T>(q), as<T>(k), as<T>(v), as<T>(grad_y));
        solved.y = as<T>(y);
        solved.log_sum_exp = as<T>(log_sum_exp);
        solved.backward(row, as<T>(q), as<T>(k), as<T>(v), as<T>(grad_y));
        return {solved.grad_q, solved.grad_k, solved.grad_v};
    }

    Results run(Backend& used, std::int64_t first, std::int64_t count) const {
        const auto at = static_cast<std::size_t>(first), number = static_cast<std::size_t>(count);
        const Offsets q_offsets = offsets_of(row.q_lengths, at, number);
        const Offsets k_offsets = offsets_of(row.k_lengths, at, number);
        const auto part = [&](const std::vector<float>& all, const Offsets& offsets,
                              std::int64_t each) {
            return std::vector<float>(all.begin() + offsets[at] * each,
                                      all.begin() + offsets[at + number] * each);
        };
        const auto q_rows = q_offsets.back(), k_rows = k_offsets.back();
        CallMemory memory(used);
        AttentionBackwardArgs args;
        args.q = memory.in(part(q, q_all, width), {q_rows, width}).f32();
        args.k = memory.in(part(k, k_all, width), {k_rows, width}).f32();
        args.v = memory.in(part(v, k_all, width), {k_rows, width}).f32();
        args.q_stride = args.kv_stride = width;
        args.q_offsets = q_offsets;
        args.k_offsets = k_offsets;
        args.heads = row.heads;
        args.head_width = row.head_width;
        args.scale = 0.3f;
        args.causal = row.causal;
        args.y = memory.in(part(y, q_all, width), {q_rows, width});
        args.log_sum_exp = memory.in(part(log_sum_exp, q_all, row.heads), {q_rows, row.heads});
        args.grad_y = memory.in(part(grad_y, q_all, width), {q_rows, width});
        args.grad_q = memory.out({q_rows, width}).f32();
        args.grad_k = memory.out({k_rows, width}).f32();
        args.grad_v = memory.out({k_rows, width}).f32();
        args.grad_q_stride = args.grad_kv_stride = width;
        ops::attention_backward(used, args);
        return memory.results();
    }

    const Row& row;
    std::int64_t width;
    Offsets q_all, k_all;
    std::vector<float> q, k, v, grad_y, y, log_sum_exp;
};

void check_case(const Row& row, Regime regime) {
    const Problem problem(row, regime);
    OpCase test;
    test.name = concat("attention backward, ", row.name, ", ", regime_name(regime));
    test.oracle = problem.solve<double>();
    test.naive = problem.solve<float>();
    test.items = static_cast<std::int64_t>(row.q_lengths.size());
    test.begin = [&](std::size_t output, std::int64_t item) {
        const Offsets& offsets = output == 0 ? problem.q_all : problem.k_all;
        return static_cast<std::size_t>(offsets[static_cast<std::size_t>(item)] * problem.width);
    };
    test.run = [&](Backend& used, std::int64_t first, std::int64_t count) {
        return problem.run(used, first, count);
    };
    test.compute = row.compute;
    test.dtypes = {row.compute, row.compute, row.compute};
    check_op(test);
}

} // namespace

TEST_CASE("attention backward: the reference agrees with central differences") {
    for (const bool causal : {false, true}) {
        const Row row{"", 2, 3, {2, 4}, {2, 5}, causal};
        const Problem problem(row, Regime::normal);
        const auto q = as<double>(problem.q), k = as<double>(problem.k), v = as<double>(problem.v);
        const auto grad_y = as<double>(problem.grad_y);
        const Solved<double> solved(row, q, k, v, grad_y);
        const auto loss = [&](const auto& a, const auto& b, const auto& c) {
            return weighted_sum(Solved<double>(row, a, b, c, grad_y).y, grad_y);
        };
        check_gradient(
            "q", q, [&](const auto& x) { return loss(x, k, v); }, solved.grad_q);
        check_gradient(
            "k", k, [&](const auto& x) { return loss(q, x, v); }, solved.grad_k);
        check_gradient(
            "v", v, [&](const auto& x) { return loss(q, k, x); }, solved.grad_v);
    }
}

TEST_CASE("attention backward: every backend matches double arithmetic on every shape") {
    for (const Row& row : rows())
        for (const Regime regime : {Regime::normal, Regime::tiny})
            check_case(row, regime);
}

TEST_CASE("attention backward: 16 bits: products of values that they hold") {
    constexpr DType f16 = DType::f16, bf16 = DType::bf16;
    const Row of_16_bits[] = {
        {"pictures", 2, 64, {50, 1}, {50, 1}, false, f16},
        {"texts", 1, 64, {77, 3, 65}, {77, 3, 65}, true, bf16},
        {"more keys", 1, 64, {33, 0, 2}, {130, 4, 50}, true, f16},
        {"heads of 80", 1, 80, {50, 9}, {77, 9}, false, bf16},
        {"wide heads under a mask", 1, 128, {66, 1}, {66, 5}, true, f16},
    };
    for (const Row& row : of_16_bits)
        check_case(row, Regime::normal);
}

TEST_CASE("attention backward: q, k and v and their gradients may lie side by side") {
    const Row row{"", 2, 16, {5, 40}, {5, 40}, true};
    const Problem problem(row, Regime::normal);
    for (const std::string& name : backend_names()) {
        Backend& used = backend(name, 2);
        const Results want = problem.run(used, 0, 2);
        const std::int64_t stride = 3 * problem.width, count = problem.q_all.back();
        std::vector<float> qkv(static_cast<std::size_t>(count * stride)), grads(qkv.size(), -1);
        const std::vector<float>* from[] = {&problem.q, &problem.k, &problem.v};
        for (std::int64_t r = 0; r < count; ++r)
            for (std::int64_t part = 0; part < 3; ++part)
                std::copy_n(from[part]->data() + r * problem.width, problem.width,
                            qkv.data() + r * stride + part * problem.width);
        CallMemory memory;
        AttentionBackwardArgs args;
        args.q = memory.in(qkv, {count, stride}).f32();
        args.k = args.q_f32() + problem.width;
        args.v = args.q_f32() + 2 * problem.width;
        args.q_stride = args.kv_stride = args.grad_q_stride = args.grad_kv_stride = stride;
        args.q_offsets = args.k_offsets = problem.q_all;
        args.heads = row.heads;
        args.head_width = row.head_width;
        args.scale = 0.3f;
        args.causal = true;
        args.y = memory.in(problem.y, {count, problem.width});
        args.log_sum_exp = memory.in(problem.log_sum_exp, {count, row.heads});
        args.grad_y = memory.in(problem.grad_y, {count, problem.width});
        args.grad_q = memory.through(grads, {count, stride}).f32();
        args.grad_k = args.grad_q_f32() + problem.width;
        args.grad_v = args.grad_q_f32() + 2 * problem.width;
        ops::attention_backward(used, args);
        memory.write_back();
        INFO(name);
        for (std::size_t part = 0; part < 3; ++part) {
            std::vector<float> got;
            for (std::int64_t r = 0; r < count; ++r) {
                const auto begin =
                    grads.begin() + r * stride + static_cast<std::int64_t>(part) * problem.width;
                got.insert(got.end(), begin, begin + problem.width);
            }
            CHECK(compare_bits(got, want[part]).ok);
        }
        const auto bad = [&](const char* what, auto change) {
            AttentionBackwardArgs changed = args;
            change(changed);
            check_error(
                ErrorCode::invalid_argument, [&] { ops::attention_backward(used, changed); }, what);
        };
        bad("gradients over one another", [](auto& a) { a.grad_k = a.grad_q_f32() + 1; });
        bad("gradients over inputs", [&](auto& a) { a.grad_q = const_cast<void*>(args.q); });
        bad("grad_v null", [](auto& a) { a.grad_v = nullptr; });
        bad("stride", [](auto& a) { a.grad_kv_stride = 3; });
        bad("another stride in the same rows", [](auto& a) { a.grad_q_stride *= 2; });
        // All have one type, and this backend has it.
        for (const auto change : {+[](AttentionBackwardArgs& a) { a.dtype = DType::f16; },
                                  +[](AttentionBackwardArgs& a) { a.y.dtype = DType::bf16; },
                                  +[](AttentionBackwardArgs& a) { a.grad_y.dtype = DType::f16; }}) {
            AttentionBackwardArgs changed = args;
            change(changed);
            check_error(
                ErrorCode::dtype_mismatch, [&] { ops::attention_backward(used, changed); },
                "types");
        }
    }
}
