// SPDX-License-Identifier: MIT
// Convolution as a matrix product: a row is an output place, the inner index runs over (window row,
// window column, input channel). Windows are gathered while a block of rows is packed, so nothing
// larger than that block is ever written.
#include <algorithm>

#include "backend/cpu/cpu_ops.hpp"
#include "backend/cpu/gemm.hpp"

namespace clip::cpu {

namespace {

class PackedConv2d : public PreparedConv2d {
  public:
    PackedConv2d(Shape shape, PackedPanels panels, int stride, int padding)
        : PreparedConv2d(shape, stride, padding), panels_(std::move(panels)),
          zeros_(Shape{shape[1]}) {
        std::fill_n(zeros_.f32(), zeros_.numel(), 0.0f);
    }
    const PackedPanels& panels() const { return panels_; }
    PackedPanels& panels() { return panels_; }
    /// One place outside of the picture: C_in zeros.
    const float* zeros() const { return zeros_.f32(); }

  private:
    PackedPanels panels_;
    Tensor zeros_;
};

class WindowRows : public RowSource {
  public:
    WindowRows(const Conv2dArgs& args, const PackedConv2d& weights)
        : weights_(weights), x_(args.x.f32()), height_(args.x.shape[1]), width_(args.x.shape[2]),
          channels_(args.x.shape[3]), out_height_(args.y.shape[1]), out_width_(args.y.shape[2]) {}

    void pack(const KernelTable& kernels, ThreadScratch& scratch, std::int64_t first, int count,
              float* to) const override {
        Place places[kMostRows];
        for (int r = 0; r < count; ++r)
            places[r] = place(first + r);
        const std::int64_t window_rows = weights_.weight_shape()[2];
        const std::int64_t window_columns = weights_.weight_shape()[3];
        const std::int64_t depth = window_rows * window_columns * channels_;
        // Few channels are brought together first, so that whole vectors are transposed.
        const bool gather = channels_ % kLanes != 0;
        float* gathered = gather ? scratch.floats(ThreadScratch::work, count * depth) : nullptr;
        const float* rows[kMostRows];
        std::int64_t done = 0;
        for (std::int64_t i = 0; i < window_rows; ++i)
            for (std::int64_t j = 0; j < window_columns; ++j, done += channels_) {
                for (int r = 0; r < count; ++r) {
                    rows[r] = source(places[r], i, j);
                    if (gather)
                        std::copy_n(rows[r], channels_, gathered + r * depth + done);
                }
                if (!gather)
                    kernels.pack_rows(to + done * count, count, rows, count, channels_);
            }
        if (!gather)
            return;
        for (int r = 0; r < count; ++r)
            rows[r] = gathered + r * depth;
        kernels.pack_rows(to, count, rows, count, depth);
    }

  private:
    struct Place {
        std::int64_t top, left; ///< of the window, in the picture
        const float* picture;
    };
    Place place(std::int64_t row) const {
        const std::int64_t column = row % out_width_;
        const std::int64_t line = row / out_width_ % out_height_;
        const std::int64_t picture = row / out_width_ / out_height_;
        return {line * weights_.stride() - weights_.padding(),
                column * weights_.stride() - weights_.padding(),
                x_ + picture * height_ * width_ * channels_};
    }
    const float* source(const Place& place, std::int64_t i, std::int64_t j) const {
        const std::int64_t y = place.top + i;
        const std::int64_t x = place.left + j;
        if (y < 0 || y >= height_ || x < 0 || x >= width_)
            return weights_.zeros();
        return place.picture + (y * width_ + x) * channels_;
    }

    const PackedConv2d& weights_;
    const float* x_;
    std::int64_t height_, width_, channels_, out_height_, out_width_;
};

void pack_weights(Context& context, const Conv2dWeights& weights, PackedPanels& panels) {
    const Shape& shape = weights.weight.shape;
    const std::int64_t channels = shape[1];
    const std::int64_t window = shape[2] * shape[3];
    const std::int64_t depth = channels * window;
    const float* source = weights.weight.f32();
    // (C_in, window) of each output channel becomes (window, C_in).
    const auto rows = [=](std::int64_t first, int count, float* space, const float** out) {
        for (int r = 0; r < count; ++r) {
            const float* from = source + (first + r) * depth;
            out[r] = from;
            if (window == 1)
                continue;
            float* to = space + r * depth;
            out[r] = to;
            for (std::int64_t place = 0; place < window; ++place)
                for (std::int64_t c = 0; c < channels; ++c)
                    *to++ = from[c * window + place];
        }
    };
    panels.pack(context, shape[0], depth, storage_of(weights.storage),
                weights.bias.empty() ? nullptr : weights.bias.f32(), window > 1, rows);
}

} // namespace

std::unique_ptr<PreparedConv2d> prepare_conv2d(Context& context, const Conv2dWeights& weights) {
    PackedPanels panels;
    pack_weights(context, weights, panels);
    return std::make_unique<PackedConv2d>(weights.weight.shape, std::move(panels), weights.stride,
                                          weights.padding);
}

void update_conv2d(Context& context, PreparedConv2d& prepared, const Conv2dWeights& weights) {
    pack_weights(context, weights, static_cast<PackedConv2d&>(prepared).panels());
}

void conv2d(Context& context, const Conv2dArgs& args) {
    const auto& weights = static_cast<const PackedConv2d&>(*args.weights);
    const Shape& shape = args.y.shape;
    GemmOutput output;
    output.y = args.y.f32();
    output.y_step = shape[3];
    output.residual = args.residual.empty() ? nullptr : args.residual.f32();
    output.activation = args.activation;
    output.activation_last = true;
    run_gemm(context, shape[0] * shape[1] * shape[2], WindowRows(args, weights), weights.panels(),
             output);
}

} // namespace clip::cpu
