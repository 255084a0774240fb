// SPDX-License-Identifier: MIT
#include "ops/contrastive_loss.hpp"

#include <algorithm>
#include <cmath>

#include "base/concat.hpp"
#include "ops/argument_check.hpp"
#include "tensor/tensor.hpp"

namespace clip::ops {

namespace {

template <typename Args>
void check_sides(ArgumentCheck& check, const Args& args) {
    check.rank("rows", args.rows, 2);
    check.rank("columns", args.columns, 2);
    const std::int64_t width = args.rows.shape[1];
    const std::int64_t rows = args.rows.shape[0];
    check.input("rows", args.rows, {rows, width});
    check.input("columns", args.columns, {args.columns.shape[0], width});
    check.require(args.first >= 0 && args.first <= args.columns.shape[0] - rows,
                  ErrorCode::invalid_argument, "rows have no columns of their own");
    check.require(std::isfinite(args.scale), ErrorCode::invalid_argument, "scale is not finite");
}

/// The sum of a . b over all elements, in double.
double dot(const ConstView& a, const ConstView& b) {
    double sum = 0;
    for (std::int64_t i = 0; i < a.numel(); ++i)
        sum += static_cast<double>(a.f32()[i]) * b.f32()[i];
    return sum;
}

} // namespace

void contrastive_rows(Backend& backend, const ContrastiveRowsArgs& args) {
    ArgumentCheck check("contrastive rows", backend);
    check_sides(check, args);
    const std::int64_t rows = args.rows.shape[0];
    check.output("log_sum_exp", args.log_sum_exp, {rows});
    check.output("target", args.target, {rows});
    check.overlaps();
    if (rows > 0)
        backend.contrastive_rows(args);
}

void contrastive_rows_backward(Backend& backend, const ContrastiveRowsBackwardArgs& args) {
    ArgumentCheck check("contrastive rows backward", backend);
    check_sides(check, args);
    check.input("row_log_sum_exp", args.row_log_sum_exp, {args.rows.shape[0]});
    check.input("column_log_sum_exp", args.column_log_sum_exp, {args.columns.shape[0]});
    check.output("grad_rows", args.grad_rows, args.rows.shape);
    check.overlaps();
    if (args.rows.numel() > 0)
        backend.contrastive_rows_backward(args);
}

void siglip_rows(Backend& backend, const SiglipRowsArgs& args) {
    ArgumentCheck check("siglip rows", backend);
    check_sides(check, args);
    const std::int64_t rows = args.rows.shape[0];
    check.output("loss", args.loss, {rows});
    check.optional_output("grad_rows", args.grad_rows, args.rows.shape);
    check.optional_output("grad_bias", args.grad_bias, {rows});
    check.overlaps();
    if (rows > 0)
        backend.siglip_rows(args);
}

ContrastiveLoss contrastive_loss(Backend& backend, const ContrastiveLossArgs& args) {
    const std::int64_t count = args.a.shape[0];
    if (args.a.shape != args.b.shape)
        fail(ErrorCode::shape_mismatch,
             concat("contrastive loss: b has another shape than a (got ", args.b.shape.to_string(),
                    ", want ", args.a.shape.to_string(), ")"));
    ContrastiveLoss result;
    Tensor row_sums{Shape{count}}, column_sums{Shape{count}}, target{Shape{count}};
    contrastive_rows(backend, {args.a, args.b, 0, args.scale, row_sums, target});
    for (std::int64_t i = 0; i < count; ++i)
        result.loss += static_cast<double>(row_sums.f32()[i]) - target.f32()[i];
    contrastive_rows(backend, {args.b, args.a, 0, args.scale, column_sums, target});
    for (std::int64_t i = 0; i < count; ++i)
        result.loss += static_cast<double>(column_sums.f32()[i]) - target.f32()[i];
    result.loss /= 2 * static_cast<double>(std::max<std::int64_t>(1, count));
    const float weight = 0.5f / static_cast<float>(std::max<std::int64_t>(1, count));
    if (!args.grad_a.empty()) {
        contrastive_rows_backward(
            backend, {args.a, args.b, 0, args.scale, row_sums, column_sums, weight, args.grad_a});
        result.grad_log_scale = dot(args.a, args.grad_a);
    }
    if (!args.grad_b.empty())
        contrastive_rows_backward(
            backend, {args.b, args.a, 0, args.scale, column_sums, row_sums, weight, args.grad_b});
    return result;
}

} // namespace clip::ops
