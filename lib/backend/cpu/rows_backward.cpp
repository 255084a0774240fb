// SPDX-License-Identifier: MIT
// Backward passes of ops that work on rows one by one.
#include <algorithm>

#include "backend/cpu/cpu_ops.hpp"
#include "backend/cpu/weight_gradient.hpp"

namespace clip::cpu {

namespace {

constexpr std::int64_t kElementsOfPart = 16384;

/// Element-wise ops do not care for rows.
void each_part(Context& context, std::int64_t count,
               const std::function<void(std::int64_t first, std::int64_t count)>& body) {
    context.pool.parallel_for(
        static_cast<std::size_t>((count + kElementsOfPart - 1) / kElementsOfPart), 1,
        [&](std::size_t begin, std::size_t end) {
            for (auto i = static_cast<std::int64_t>(begin); i < static_cast<std::int64_t>(end); ++i)
                body(i * kElementsOfPart, std::min(kElementsOfPart, count - i * kElementsOfPart));
        });
}

} // namespace

void activation(Context& context, const ActivationArgs& args) {
    each_part(context, args.x.numel(), [&](std::int64_t first, std::int64_t count) {
        context.kernels.activation(args.y.f32() + first, args.x.f32() + first, nullptr,
                                   args.activation, count);
    });
}

void activation_backward(Context& context, const ActivationBackwardArgs& args) {
    each_part(context, args.x.numel(), [&](std::int64_t first, std::int64_t count) {
        context.kernels.activation(args.grad_x.f32() + first, args.x.f32() + first,
                                   args.grad_y.f32() + first, args.activation, count);
    });
}

void layer_norm_backward(Context& context, const LayerNormBackwardArgs& args) {
    const std::int64_t rows = args.x.shape[0];
    const std::int64_t width = args.x.shape[1];
    const bool gamma = !args.grad_gamma.empty(), beta = !args.grad_beta.empty();
    sum_over_rows(
        context, rows, 2 * width,
        [&](std::int64_t first, std::int64_t end, float* sums) {
            LayerNormBackwardRow row;
            row.gamma = args.gamma.f32();
            row.width = width;
            row.gamma_sums = gamma ? sums : nullptr;
            row.beta_sums = beta ? sums + width : nullptr;
            for (std::int64_t r = first; r < end; ++r) {
                row.x = args.x.f32() + r * width;
                row.grad_y = args.grad_y.f32() + r * width;
                row.residual = args.residual.empty() ? nullptr : args.residual.f32() + r * width;
                row.grad_x = args.grad_x.empty() ? nullptr : args.grad_x.f32() + r * width;
                row.mean = args.mean.f32()[r];
                row.rstd = args.rstd.f32()[r];
                context.kernels.layer_norm_backward(row);
            }
        },
        [&](std::int64_t index, double sum) {
            if (index < width && gamma)
                args.grad_gamma.f32()[index] += static_cast<float>(sum);
            if (index >= width && beta)
                args.grad_beta.f32()[index - width] += static_cast<float>(sum);
        });
}

} // namespace clip::cpu
