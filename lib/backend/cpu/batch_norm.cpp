// SPDX-License-Identifier: MIT
// Batch norm in training. Rows are summed slice by slice (see weight_gradient.hpp), so memory is
// read in order; what is done to a row is the reference's loop.
#include <cmath>
#include <vector>

#include "backend/cpu/cpu_ops.hpp"
#include "backend/cpu/weight_gradient.hpp"
#include "backend/ref/batch_norm.hpp"

namespace clip::cpu {

namespace {

constexpr std::size_t kRowsOfPart = 64;

template <typename Body>
void for_rows(Context& context, std::int64_t rows, const Body& body) {
    context.pool.parallel_for(static_cast<std::size_t>(rows), kRowsOfPart,
                              [&](std::size_t begin, std::size_t end) {
                                  for (std::size_t r = begin; r < end; ++r)
                                      body(static_cast<std::int64_t>(r));
                              });
}

} // namespace

void batch_norm(Context& context, const BatchNormArgs& args) {
    const std::int64_t rows = args.x.shape[0], channels = args.x.shape[1];
    const float* x = args.x.f32();
    float* mean = args.mean.f32();
    const auto count = static_cast<double>(rows);
    sum_over_rows(
        context, rows, channels,
        [&](std::int64_t first, std::int64_t end, float* sums) {
            for (std::int64_t r = first; r < end; ++r)
                for (std::int64_t c = 0; c < channels; ++c)
                    sums[c] += x[r * channels + c];
        },
        [&](std::int64_t c, double sum) { mean[c] = static_cast<float>(sum / count); });
    // The mean was rounded: sums of differences from it put that right. Their squares come second.
    sum_over_rows(
        context, rows, 2 * channels,
        [&](std::int64_t first, std::int64_t end, float* sums) {
            for (std::int64_t r = first; r < end; ++r)
                for (std::int64_t c = 0; c < channels; ++c) {
                    const float apart = x[r * channels + c] - mean[c];
                    sums[c] += apart;
                    sums[channels + c] += apart * apart;
                }
        },
        [&](std::int64_t index, double sum) {
            // First the differences of all channels, then the squares: kept in rstd meanwhile.
            if (index < channels) {
                args.rstd.f32()[index] = static_cast<float>(sum / count);
                return;
            }
            const std::int64_t c = index - channels;
            const double off = args.rstd.f32()[c];
            const double variance = sum / count - off * off;
            mean[c] = static_cast<float>(mean[c] + off);
            args.rstd.f32()[c] =
                static_cast<float>(1 / std::sqrt(variance + static_cast<double>(args.eps)));
            const double momentum = args.momentum;
            const auto run = [&](const MutView& running, double now) {
                if (!running.empty())
                    running.f32()[c] = static_cast<float>(
                        (1 - momentum) * static_cast<double>(running.f32()[c]) + momentum * now);
            };
            run(args.running_mean, mean[c]);
            run(args.running_variance, rows > 1 ? variance * count / (count - 1) : variance);
        });
    for_rows(context, rows, [&](std::int64_t r) {
        ref::batch_norm_row(args.y.f32() + r * channels, x + r * channels, mean, args.rstd.f32(),
                            args.gamma.f32(), args.beta.f32(),
                            args.residual.empty() ? nullptr : args.residual.f32() + r * channels,
                            args.activation, channels);
    });
}

void batch_norm_backward(Context& context, const BatchNormBackwardArgs& args) {
    const std::int64_t rows = args.x.shape[0], channels = args.x.shape[1];
    const float *x = args.x.f32(), *grad_y = args.grad_y.f32();
    const float *mean = args.mean.f32(), *rstd = args.rstd.f32();
    std::vector<float> totals(static_cast<std::size_t>(2 * channels));
    sum_over_rows(
        context, rows, 2 * channels,
        [&](std::int64_t first, std::int64_t end, float* sums) {
            for (std::int64_t r = first; r < end; ++r)
                for (std::int64_t c = 0; c < channels; ++c) {
                    const float g = grad_y[r * channels + c];
                    sums[c] += g;
                    sums[channels + c] += g * ((x[r * channels + c] - mean[c]) * rstd[c]);
                }
        },
        [&](std::int64_t index, double sum) {
            totals[static_cast<std::size_t>(index)] = static_cast<float>(sum);
        });
    for (std::int64_t c = 0; c < channels; ++c) {
        if (!args.grad_beta.empty())
            args.grad_beta.f32()[c] += totals[static_cast<std::size_t>(c)];
        if (!args.grad_gamma.empty())
            args.grad_gamma.f32()[c] += totals[static_cast<std::size_t>(channels + c)];
    }
    if (!args.grad_x.empty())
        for_rows(context, rows, [&](std::int64_t r) {
            ref::batch_norm_grad_row(args.grad_x.f32() + r * channels, x + r * channels, mean, rstd,
                                     args.gamma.f32(), grad_y + r * channels, totals.data(),
                                     totals.data() + channels, rows, channels);
        });
}

} // namespace clip::cpu
