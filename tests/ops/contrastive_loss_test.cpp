// SPDX-License-Identifier: MIT
#include "ops/contrastive_loss.hpp"

#include "backend/ref/contrastive_loss.hpp"
#include "backend/ref/l2_normalize.hpp"
#include "base/concat.hpp"
#include "ops/training_golden.hpp"
#include "support/cases.hpp"
#include "support/central_differences.hpp"

using namespace clip;
using namespace clip::test;

namespace {

ConstView view(const std::vector<float>& of, const Shape& shape) {
    return {of.data(), shape, DType::f32, {}};
}
MutView view(std::vector<float>& of, const Shape& shape) {
    return {of.data(), shape, DType::f32, {}};
}

std::vector<float> normalised(std::int64_t rows, std::int64_t width, std::uint64_t seed) {
    std::vector<float> x = values(rows * width, seed);
    ref::l2_normalize<float>(x.data(), nullptr, x.data(), rows, width);
    return x;
}

template <typename T>
T cross_entropies(const std::vector<T>& a, const std::vector<T>& b, T scale, std::int64_t count,
                  std::int64_t width) {
    T loss = 0;
    for (std::int64_t i = 0; i < count; ++i) {
        T target = 0;
        const T sum =
            ref::contrastive_row(&target, a.data() + i * width, b.data(), scale, i, count, width);
        loss += sum - target;
    }
    return loss;
}

} // namespace

TEST_CASE("contrastive loss: the reference agrees with central differences") {
    constexpr std::int64_t kCount = 5, kWidth = 3;
    const auto a = as<double>(values(kCount * kWidth, 1));
    const auto b = as<double>(values(kCount * kWidth, 2));
    const double scale = 1.7;
    const auto loss = [&](const auto& x, const auto& y, double by) {
        return (cross_entropies(x, y, by, kCount, kWidth) +
                cross_entropies(y, x, by, kCount, kWidth)) /
               (2.0 * kCount);
    };
    std::vector<double> rows(kCount), columns(kCount), grad(a.size());
    double ignored = 0;
    for (std::int64_t i = 0; i < kCount; ++i) {
        const auto at = static_cast<std::size_t>(i);
        rows[at] = ref::contrastive_row(&ignored, a.data() + i * kWidth, b.data(), scale, i, kCount,
                                        kWidth);
        columns[at] = ref::contrastive_row(&ignored, b.data() + i * kWidth, a.data(), scale, i,
                                           kCount, kWidth);
    }
    for (std::int64_t i = 0; i < kCount; ++i)
        ref::contrastive_grad_row(grad.data() + i * kWidth, a.data() + i * kWidth, b.data(), scale,
                                  i, rows[static_cast<std::size_t>(i)], columns.data(),
                                  0.5 / kCount, kCount, kWidth);
    check_gradient(
        "a", a, [&](const auto& x) { return loss(x, b, scale); }, grad);
    check_gradient("log scale", {std::log(scale)},
                   [&](const auto& x) { return loss(a, b, std::exp(x[0])); },
                   {weighted_sum(a, grad)});
    // SigLIP
    std::vector<double> bias_parts(kCount);
    const auto siglip = [&](const auto& x, double bias, double* to, double* parts) {
        double sum = 0;
        for (std::int64_t i = 0; i < kCount; ++i)
            sum += ref::siglip_row(to == nullptr ? nullptr : to + i * kWidth,
                                   parts == nullptr ? nullptr : parts + i, x.data() + i * kWidth,
                                   b.data(), scale, bias, 1.0 / kCount, i, kCount, kWidth);
        return sum;
    };
    siglip(a, -1, grad.data(), bias_parts.data());
    check_gradient(
        "siglip a", a, [&](const auto& x) { return siglip(x, -1, nullptr, nullptr); }, grad);
    double bias_gradient = 0;
    for (const double part : bias_parts)
        bias_gradient += part;
    check_gradient("siglip bias", {-1},
                   [&](const auto& x) { return siglip(a, x[0], nullptr, nullptr); },
                   {bias_gradient});
}

TEST_CASE("contrastive loss: loss and gradients are PyTorch's") {
    if (on_cuda())
        return; // contrastive_loss() is for tensors of the host; its ops are compared below
    const auto a = golden_f32("loss.a"), b = golden_f32("loss.b");
    const auto scale = golden_f32("loss.scale")[0];
    const Shape shape{6, 4};
    for (const std::string& name : backend_names()) {
        INFO(name);
        Backend& used = backend(name, 2);
        std::vector<float> grad_a(24), grad_b(24);
        const auto loss = ops::contrastive_loss(used, {view(a, shape), view(b, shape), scale,
                                                       view(grad_a, shape), view(grad_b, shape)});
        check_golden("loss.clip", {static_cast<float>(loss.loss)});
        check_golden("loss.clip.grad_a", grad_a);
        check_golden("loss.clip.grad_b", grad_b);
        check_golden("loss.clip.grad_log_scale", {static_cast<float>(loss.grad_log_scale)}, 1e-5);
    }
}

TEST_CASE("siglip rows: loss and gradients are PyTorch's") {
    const auto a = golden_f32("loss.a"), b = golden_f32("loss.b");
    const auto scale = golden_f32("loss.scale")[0];
    const Shape shape{6, 4};
    for (const std::string& name : backend_names()) {
        INFO(name);
        Backend& used = backend(name, 2);
        std::vector<float> grad(24), parts(6), bias_parts(6);
        for (const bool other : {false, true}) {
            CallMemory memory;
            SiglipRowsArgs args;
            args.rows = memory.in(other ? b : a, shape);
            args.columns = memory.in(other ? a : b, shape);
            args.scale = scale;
            args.bias = -2;
            args.weight = 1.0f / 6;
            args.loss = memory.through(parts, {6});
            args.grad_rows = memory.through(grad, shape);
            args.grad_bias = memory.through(bias_parts, {6});
            ops::siglip_rows(used, args);
            memory.write_back();
            check_golden(other ? "loss.siglip.grad_b" : "loss.siglip.grad_a", grad);
            float sum = 0, bias = 0;
            for (std::size_t i = 0; i < 6; ++i) {
                sum += parts[i];
                bias += bias_parts[i];
            }
            check_golden("loss.siglip", {sum});
            check_golden("loss.siglip.grad_bias", {bias}, 1e-5);
        }
    }
}

TEST_CASE("contrastive rows: every backend matches double arithmetic, each row in any slice") {
    struct Row {
        const char* name;
        std::int64_t rows, columns, first, width;
        float scale;
    };
    for (const Row& row : {Row{"one pair", 1, 1, 0, 4, 10},
                           Row{"a rank's rows", 20, 70, 33, 31, 14}, Row{"all", 45, 45, 0, 64, 100},
                           Row{"more columns than a block", 3, 2100, 1500, 16, 50}}) {
        const auto columns = normalised(row.columns, row.width, 1);
        const auto rows = normalised(row.rows, row.width, 2);
        const auto other = scaled_values(row.columns, 3, 0.1f);
        const auto solve = [&]<typename T>(T) -> std::vector<std::vector<T>> {
            const auto from = as<T>(rows), all = as<T>(columns);
            const auto count = static_cast<std::size_t>(row.rows);
            std::vector<T> sums(count), target(count), grad(from.size());
            // Sums that the columns' side might have had: those of the logits' size.
            auto column_sums = as<T>(other);
            for (T& sum : column_sums)
                sum += T(row.scale);
            for (std::int64_t r = 0; r < row.rows; ++r) {
                const auto at = static_cast<std::size_t>(r);
                sums[at] =
                    ref::contrastive_row(&target[at], from.data() + r * row.width, all.data(),
                                         T(row.scale), row.first + r, row.columns, row.width);
                ref::contrastive_grad_row(grad.data() + r * row.width, from.data() + r * row.width,
                                          all.data(), T(row.scale), row.first + r,
                                          T(static_cast<float>(row.scale + T(0.3f))),
                                          column_sums.data(), T(0.01f), row.columns, row.width);
            }
            return {sums, target, grad};
        };
        OpCase test;
        test.name = concat("contrastive rows, ", row.name);
        test.oracle = solve(double{});
        test.naive = solve(float{});
        test.items = row.rows;
        test.run = [&](Backend& used, std::int64_t first, std::int64_t count) {
            const std::vector<float> part(rows.begin() + first * row.width,
                                          rows.begin() + (first + count) * row.width);
            auto column_sums = other;
            for (float& sum : column_sums)
                sum += row.scale;
            CallMemory memory;
            const ConstView some = memory.in(part, {count, row.width});
            const ConstView all = memory.in(columns, {row.columns, row.width});
            const std::int64_t from = row.first + first;
            ops::contrastive_rows(
                used, {some, all, from, row.scale, memory.out({count}), memory.out({count})});
            const std::vector<float> row_sums(static_cast<std::size_t>(count), row.scale + 0.3f);
            ops::contrastive_rows_backward(used, {some, all, from, row.scale,
                                                  memory.in(row_sums, {count}),
                                                  memory.in(column_sums, {row.columns}), 0.01f,
                                                  memory.out({count, row.width})});
            return memory.results();
        };
        check_op(test);
    }
}

TEST_CASE("contrastive loss: slices of rows give the gradient of the whole, bit for bit") {
    if (on_cuda())
        return; // as above; check_op() compares slices
    constexpr std::int64_t kCount = 60, kWidth = 40;
    const auto a = normalised(kCount, kWidth, 1), b = normalised(kCount, kWidth, 2);
    for (const std::string& name : backend_names()) {
        Backend& used = backend(name, 2);
        std::vector<float> grad_a(a.size()), grad_b(a.size()), sliced(a.size());
        std::vector<float> rows(kCount), columns(kCount), target(kCount);
        const Shape all{kCount, kWidth};
        ops::contrastive_loss(
            used, {view(a, all), view(b, all), 20, view(grad_a, all), view(grad_b, all)});
        constexpr std::int64_t kSlice = 15;
        const auto part = [&](const std::vector<float>& of, std::int64_t first) {
            return ConstView{of.data() + first * kWidth, {kSlice, kWidth}, DType::f32, {}};
        };
        const auto sums = [&](std::vector<float>& to, std::int64_t first) {
            return MutView{to.data() + first, {kSlice}, DType::f32, {}};
        };
        for (std::int64_t first = 0; first < kCount; first += kSlice) {
            ops::contrastive_rows(used, {part(a, first), view(b, all), first, 20, sums(rows, first),
                                         sums(target, first)});
            ops::contrastive_rows(used, {part(b, first), view(a, all), first, 20,
                                         sums(columns, first), sums(target, first)});
        }
        for (std::int64_t first = 0; first < kCount; first += kSlice)
            ops::contrastive_rows_backward(
                used, {part(a, first),
                       view(b, all),
                       first,
                       20,
                       sums(rows, first),
                       view(columns, {kCount}),
                       0.5f / kCount,
                       {sliced.data() + first * kWidth, {kSlice, kWidth}, DType::f32, {}}});
        INFO(name);
        CHECK(compare_bits(sliced, grad_a).ok);
    }
}

TEST_CASE("contrastive rows: rejects wrong arguments") {
    Backend& used = backend("automatic", 1);
    std::vector<float> in = values(40, 1), out(8);
    ContrastiveRowsArgs good;
    good.rows = view(in, {3, 4});
    good.columns = view(in, {5, 4});
    good.first = 2;
    good.log_sum_exp = {out.data(), {3}, DType::f32, {}};
    good.target = {out.data() + 3, {3}, DType::f32, {}};
    CHECK_NOTHROW(ops::contrastive_rows(used, good));
    const auto bad = [&](ErrorCode code, const char* what, auto change) {
        ContrastiveRowsArgs changed = good;
        change(changed);
        check_error(
            code, [&] { ops::contrastive_rows(used, changed); }, what);
    };
    bad(ErrorCode::invalid_argument, "past the columns", [](auto& a) { a.first = 3; });
    bad(ErrorCode::invalid_argument, "negative", [](auto& a) { a.first = -1; });
    bad(ErrorCode::invalid_argument, "scale", [](auto& a) { a.scale = INFINITY; });
    bad(ErrorCode::shape_mismatch, "width", [](auto& a) { a.columns.shape = {4, 5}; });
    bad(ErrorCode::shape_mismatch, "target", [](auto& a) { a.target.shape = {4}; });
}
