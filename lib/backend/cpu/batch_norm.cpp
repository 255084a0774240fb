// SPDX-License-Identifier: MIT
// Batch norm in training. Rows are summed slice by slice (see weight_gradient.hpp), so memory is
// read in order; what is done to a row is what the reference does.
#include <cmath>
#include <span>
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

/// ref::batch_norm_row with its choices made outside of the loop, which then is vectorised.
template <bool kAdds, bool kRelu>
void apply_row(float* y, const float* x, const BatchNormArgs& args, const float* residual,
               std::int64_t channels) {
    const float *mean = args.mean.f32(), *rstd = args.rstd.f32();
    const float *gamma = args.gamma.f32(), *beta = args.beta.f32();
#pragma GCC ivdep // y and residual may be the same memory, element by element
    for (std::int64_t c = 0; c < channels; ++c) {
        float sum = (x[c] - mean[c]) * rstd[c] * gamma[c] + beta[c];
        if constexpr (kAdds)
            sum = sum + residual[c];
        y[c] = kRelu ? ref::activate(Activation::relu, sum) : sum;
    }
}

using ApplyRow = void (*)(float*, const float*, const BatchNormArgs&, const float*, std::int64_t);

ApplyRow apply_row_of(const BatchNormArgs& args) {
    const bool relu = args.activation == Activation::relu;
    if (args.residual.empty())
        return relu ? apply_row<false, true> : apply_row<false, false>;
    return relu ? apply_row<true, true> : apply_row<true, false>;
}

/// Sums over this rank's rows, then over all ranks'.
class Sums {
  public:
    explicit Sums(std::int64_t count) : values_(static_cast<std::size_t>(count)) {}
    double& operator[](std::int64_t index) { return values_[static_cast<std::size_t>(index)]; }
    /// The first `count` of them, where there are other ranks.
    void add_up(SumAcross* across, std::int64_t count) {
        if (across != nullptr)
            across->sum(std::span(values_).first(static_cast<std::size_t>(count)));
    }
    std::vector<float> rounded() const { return {values_.begin(), values_.end()}; }

  private:
    std::vector<double> values_;
};

} // namespace

void batch_norm(Context& context, const BatchNormArgs& args) {
    const std::int64_t rows = args.x.shape[0], channels = args.x.shape[1];
    const float* x = args.x.f32();
    float *mean = args.mean.f32(), *rstd = args.rstd.f32();
    Sums sums(2 * channels + 1);
    sum_over_rows(
        context, rows, channels,
        [&](std::int64_t first, std::int64_t end, float* to) {
            for (std::int64_t r = first; r < end; ++r)
                for (std::int64_t c = 0; c < channels; ++c)
                    to[c] += x[r * channels + c];
        },
        [&](std::int64_t c, double sum) { sums[c] = sum; });
    sums[channels] = static_cast<double>(rows);
    sums.add_up(args.across, channels + 1);
    const double count = sums[channels];
    for (std::int64_t c = 0; c < channels; ++c)
        mean[c] = static_cast<float>(sums[c] / count);
    // The mean was rounded: sums of differences from it put that right. Their squares come second.
    sum_over_rows(
        context, rows, 2 * channels,
        [&](std::int64_t first, std::int64_t end, float* to) {
            for (std::int64_t r = first; r < end; ++r)
                for (std::int64_t c = 0; c < channels; ++c) {
                    const float apart = x[r * channels + c] - mean[c];
                    to[c] += apart;
                    to[channels + c] += apart * apart;
                }
        },
        [&](std::int64_t index, double sum) { sums[index] = sum; });
    sums.add_up(args.across, 2 * channels);
    for (std::int64_t c = 0; c < channels; ++c) {
        const double off = static_cast<float>(sums[c] / count);
        const double variance = sums[channels + c] / count - off * off;
        mean[c] = static_cast<float>(mean[c] + off);
        rstd[c] = static_cast<float>(1 / std::sqrt(variance + static_cast<double>(args.eps)));
        const double momentum = args.momentum;
        const auto run = [&](const MutView& running, double now) {
            if (!running.empty())
                running.f32()[c] = static_cast<float>(
                    (1 - momentum) * static_cast<double>(running.f32()[c]) + momentum * now);
        };
        run(args.running_mean, mean[c]);
        run(args.running_variance, count > 1 ? variance * count / (count - 1) : variance);
    }
    const ApplyRow apply = apply_row_of(args);
    for_rows(context, rows, [&](std::int64_t r) {
        apply(args.y.f32() + r * channels, x + r * channels, args,
              args.residual.empty() ? nullptr : args.residual.f32() + r * channels, channels);
    });
}

void batch_norm_backward(Context& context, const BatchNormBackwardArgs& args) {
    const std::int64_t rows = args.x.shape[0], channels = args.x.shape[1];
    const float *x = args.x.f32(), *grad_y = args.grad_y.f32();
    const float *mean = args.mean.f32(), *rstd = args.rstd.f32();
    Sums sums(2 * channels + 1);
    sum_over_rows(
        context, rows, 2 * channels,
        [&](std::int64_t first, std::int64_t end, float* to) {
            for (std::int64_t r = first; r < end; ++r)
                for (std::int64_t c = 0; c < channels; ++c) {
                    const float g = grad_y[r * channels + c];
                    to[c] += g;
                    to[channels + c] += g * ((x[r * channels + c] - mean[c]) * rstd[c]);
                }
        },
        [&](std::int64_t index, double sum) { sums[index] = sum; });
    for (std::int64_t c = 0; c < channels; ++c) {
        if (!args.grad_beta.empty())
            args.grad_beta.f32()[c] += static_cast<float>(sums[c]);
        if (!args.grad_gamma.empty())
            args.grad_gamma.f32()[c] += static_cast<float>(sums[channels + c]);
    }
    if (args.grad_x.empty())
        return;
    sums[2 * channels] = static_cast<double>(rows);
    sums.add_up(args.across, 2 * channels + 1);
    const auto all_rows = static_cast<std::int64_t>(sums[2 * channels]);
    const std::vector<float> totals = sums.rounded();
    for_rows(context, rows, [&](std::int64_t r) {
        ref::batch_norm_grad_row(args.grad_x.f32() + r * channels, x + r * channels, mean, rstd,
                                 args.gamma.f32(), grad_y + r * channels, totals.data(),
                                 totals.data() + channels, all_rows, channels);
    });
}

} // namespace clip::cpu
