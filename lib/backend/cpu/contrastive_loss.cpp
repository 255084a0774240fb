// SPDX-License-Identifier: MIT
// Blocks of logits are made, used and forgotten; their sizes are fixed, and so is the order in
// which blocks of columns are added up.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "backend/cpu/cpu_ops.hpp"
#include "backend/cpu/gemm.hpp"
#include "backend/cpu/workspace.hpp"

namespace clip::cpu {

namespace {

constexpr std::int64_t kBlock = 1024; // 4 MiB of logits
constexpr std::size_t kRowsOfPart = 8;

/// Calls use(row, column, rows, columns, logits) for each block, `logits` (rows, columns) dense.
template <typename Args, typename Use>
void for_blocks(Context& context, const Args& args, const Use& use) {
    const std::int64_t width = args.rows.shape[1];
    const std::int64_t all_rows = args.rows.shape[0], all_columns = args.columns.shape[0];
    float* logits = context.workspace.floats(Workspace::left, std::min(kBlock, all_rows) *
                                                                  std::min(kBlock, all_columns));
    for (std::int64_t column = 0; column < all_columns; column += kBlock) {
        const std::int64_t columns = std::min(kBlock, all_columns - column);
        PackedPanels& panels = context.workspace.panels;
        panels.pack(context, columns, width, Storage::f32, nullptr,
                    args.columns.f32() + column * width);
        panels.set_scale(args.scale);
        for (std::int64_t row = 0; row < all_rows; row += kBlock) {
            const std::int64_t rows = std::min(kBlock, all_rows - row);
            GemmOutput output;
            output.y = logits;
            output.y_step = columns;
            run_gemm(context, rows, DenseRows(args.rows.f32() + row * width, width), panels,
                     output);
            use(row, column, rows, columns, logits);
        }
    }
}

/// body(r) for the rows of a block.
template <typename Body>
void for_rows(Context& context, std::int64_t rows, const Body& body) {
    context.pool.parallel_for(static_cast<std::size_t>(rows), kRowsOfPart,
                              [&](std::size_t begin, std::size_t end) {
                                  for (std::size_t r = begin; r < end; ++r)
                                      body(static_cast<std::int64_t>(r));
                              });
}

} // namespace

void contrastive_rows(Context& context, const ContrastiveRowsArgs& args) {
    const auto count = static_cast<std::size_t>(args.rows.shape[0]);
    std::vector<float> most(count, -std::numeric_limits<float>::infinity());
    std::vector<double> sums(count);
    for_blocks(context, args,
               [&](std::int64_t row, std::int64_t column, std::int64_t rows, std::int64_t columns,
                   const float* logits) {
                   for_rows(context, rows, [&](std::int64_t r) {
                       const auto at = static_cast<std::size_t>(row + r);
                       context.kernels.add_exponentials(logits + r * columns, columns, most[at],
                                                        sums[at]);
                       const std::int64_t own = args.first + row + r - column;
                       if (own >= 0 && own < columns)
                           args.target.f32()[row + r] = logits[r * columns + own];
                   });
               });
    for (std::size_t r = 0; r < count; ++r)
        args.log_sum_exp.f32()[r] = static_cast<float>(most[r] + std::log(sums[r]));
}

void contrastive_rows_backward(Context& context, const ContrastiveRowsBackwardArgs& args) {
    const std::int64_t width = args.rows.shape[1];
    const float factor = args.weight * args.scale;
    PackedPanels& panels = context.workspace.transposed;
    for_blocks(context, args,
               [&](std::int64_t row, std::int64_t column, std::int64_t rows, std::int64_t columns,
                   float* logits) {
                   for_rows(context, rows, [&](std::int64_t r) {
                       float* g = logits + r * columns;
                       context.kernels.contrastive_gradient(g, args.row_log_sum_exp.f32()[row + r],
                                                            args.column_log_sum_exp.f32() + column,
                                                            factor, columns);
                       const std::int64_t own = args.first + row + r - column;
                       if (own >= 0 && own < columns)
                           g[own] -= 2 * factor;
                   });
                   if (row == 0)
                       panels.pack_transposed(context, width, columns,
                                              args.columns.f32() + column * width);
                   GemmOutput output;
                   output.y = args.grad_rows.f32() + row * width;
                   output.y_step = width;
                   output.residual = column == 0 ? nullptr : output.y;
                   run_gemm(context, rows, DenseRows(logits, columns), panels, output);
               });
}

} // namespace clip::cpu
