// SPDX-License-Identifier: MIT
// The gradient by the input is a product whose rows are input places: the inner index runs over
// (window row, window column, output channel) of the results that saw the place. The gradient by
// the weights is that of a linear layer whose rows are windows, gathered slice by slice.
#include <algorithm>
#include <vector>

#include "backend/cpu/cpu_ops.hpp"
#include "backend/cpu/gemm.hpp"
#include "backend/cpu/weight_gradient.hpp"

namespace clip::cpu {

namespace {

/// Where a window's pixels lie, or what is there outside of the picture.
class SeenRows : public RowSource {
  public:
    SeenRows(const Conv2dBackwardArgs& args)
        : args_(args), zeros_(static_cast<std::size_t>(args.grad_y.shape[3])) {}

    void pack(const KernelTable& kernels, ThreadScratch& scratch, std::int64_t first, int count,
              float* to) const override {
        const std::int64_t channels = args_.grad_y.shape[3];
        const std::int64_t window_rows = args_.weight.shape[2];
        const std::int64_t window_columns = args_.weight.shape[3];
        const std::int64_t depth = window_rows * window_columns * channels;
        const bool gather = channels % kLanes != 0; // whole vectors are transposed
        float* gathered = gather ? scratch.floats(ThreadScratch::work, count * depth) : nullptr;
        const float* rows[kMostRows];
        std::int64_t done = 0;
        for (std::int64_t i = 0; i < window_rows; ++i)
            for (std::int64_t j = 0; j < window_columns; ++j, done += channels) {
                for (int r = 0; r < count; ++r) {
                    rows[r] = source(first + r, i, j);
                    if (gather)
                        std::copy_n(rows[r], channels, gathered + r * depth + done);
                }
                if (!gather)
                    kernels.pack_rows(to + done * count, count, rows, count, channels);
            }
        if (!gather)
            return;
        for (int r = 0; r < count; ++r)
            rows[r] = gathered + r * depth;
        kernels.pack_rows(to, count, rows, count, depth);
    }

  private:
    const float* source(std::int64_t place, std::int64_t i, std::int64_t j) const {
        const Shape& x = args_.grad_x.shape;
        const Shape& y = args_.grad_y.shape;
        const std::int64_t column = place % x[2] + args_.padding - j;
        const std::int64_t line = place / x[2] % x[1] + args_.padding - i;
        const std::int64_t stride = args_.stride;
        if (line < 0 || column < 0 || line % stride != 0 || column % stride != 0 ||
            line / stride >= y[1] || column / stride >= y[2])
            return zeros_.data();
        const std::int64_t picture = place / x[2] / x[1];
        return args_.grad_y.f32() +
               ((picture * y[1] + line / stride) * y[2] + column / stride) * y[3];
    }

    const Conv2dBackwardArgs& args_;
    std::vector<float> zeros_;
};

void grad_x(Context& context, const Conv2dBackwardArgs& args) {
    const Shape& kernel = args.weight.shape;
    const std::int64_t out = kernel[0], in = kernel[1], window = kernel[2] * kernel[3];
    const float* weight = args.weight.f32();
    // Input channel c as a row (window, C_out).
    const auto rows = [=](std::int64_t first, int count, float* space, const float** to) {
        for (int r = 0; r < count; ++r) {
            float* row = space + r * window * out;
            to[r] = row;
            for (std::int64_t place = 0; place < window; ++place)
                for (std::int64_t o = 0; o < out; ++o)
                    *row++ = weight[(o * in + first + r) * window + place];
        }
    };
    PackedPanels& panels = context.workspace.transposed;
    panels.pack(context, in, window * out, Storage::f32, nullptr, true, rows);
    GemmOutput output;
    output.y = args.grad_x.f32();
    output.y_step = in;
    const Shape& x = args.grad_x.shape;
    run_gemm(context, x[0] * x[1] * x[2], SeenRows(args), panels, output);
}

/// The windows of places [first, first + count) as rows (window, C_in).
void gather_windows(Context& context, const Conv2dBackwardArgs& args, std::int64_t first,
                    std::int64_t count, float* to) {
    const Shape& x = args.x.shape;
    const Shape& y = args.grad_y.shape;
    const Shape& kernel = args.grad_weight.shape;
    const std::int64_t window = kernel[2] * kernel[3], channels = x[3];
    context.pool.parallel_for(
        static_cast<std::size_t>(count), 16, [&](std::size_t begin, std::size_t end) {
            for (auto r = static_cast<std::int64_t>(begin); r < static_cast<std::int64_t>(end);
                 ++r) {
                const std::int64_t place = first + r;
                const std::int64_t left = place % y[2] * args.stride - args.padding;
                const std::int64_t top = place / y[2] % y[1] * args.stride - args.padding;
                const float* picture = args.x.f32() + place / y[2] / y[1] * x[1] * x[2] * channels;
                float* row = to + r * window * channels;
                for (std::int64_t k = 0; k < window; ++k, row += channels) {
                    const std::int64_t line = top + k / kernel[3], column = left + k % kernel[3];
                    if (line < 0 || line >= x[1] || column < 0 || column >= x[2])
                        std::fill_n(row, channels, 0.0f);
                    else
                        std::copy_n(picture + (line * x[2] + column) * channels, channels, row);
                }
            }
        });
}

void grad_weight(Context& context, const Conv2dBackwardArgs& args) {
    const Shape& y = args.grad_y.shape;
    const Shape& kernel = args.grad_weight.shape;
    const std::int64_t out = kernel[0], in = kernel[1], window = kernel[2] * kernel[3];
    const std::int64_t places = y[0] * y[1] * y[2];
    const bool plain = window == 1 && args.stride == 1; // windows are pixels
    float* gradient = args.grad_weight.f32();
    float* gathered = nullptr;
    if (window > 1) {
        gradient = context.workspace.floats(Workspace::gradient, out * in * window);
        std::fill_n(gradient, out * in * window, 0.0f);
    }
    if (!plain)
        gathered = context.workspace.floats(Workspace::right, kRowsGathered * window * in);
    if (plain)
        add_product(context, gradient, args.grad_y.f32(), out, args.x.f32(), in, places);
    for (std::int64_t first = 0; first < places && !plain; first += kRowsGathered) {
        const std::int64_t count = std::min(kRowsGathered, places - first);
        gather_windows(context, args, first, count, gathered);
        add_product(context, gradient, args.grad_y.f32() + first * out, out, gathered, window * in,
                    count);
    }
    if (window == 1)
        return;
    float* to = args.grad_weight.f32(); // (window, C_in) of each output channel to (C_in, window)
    for (std::int64_t o = 0; o < out; ++o)
        for (std::int64_t c = 0; c < in; ++c)
            for (std::int64_t k = 0; k < window; ++k)
                *to++ += gradient[(o * window + k) * in + c];
}

} // namespace

void conv2d_backward(Context& context, const Conv2dBackwardArgs& args) {
    const Shape& y = args.grad_y.shape;
    if (!args.grad_x.empty())
        grad_x(context, args);
    if (!args.grad_weight.empty())
        grad_weight(context, args);
    if (!args.grad_bias.empty())
        add_column_sums(context, args.grad_bias.f32(), args.grad_y.f32(), y[0] * y[1] * y[2], y[3],
                        y[3]);
}

} // namespace clip::cpu
