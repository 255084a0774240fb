// SPDX-License-Identifier: MIT
#include "data/resize.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "data/resize_kernels.hpp"

namespace clip {

namespace {

constexpr int kStripRows = 16; // rows resized along x at a time: a few hundred KB at most

/// a * b / 255 rounded, without a division.
inline unsigned multiply_255(unsigned a, unsigned b) {
    const unsigned product = a * b + 128;
    return (product + (product >> 8)) >> 8;
}

template <int Channels>
void premultiply_pixels(std::uint8_t* pixels, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i, pixels += Channels)
        for (int c = 0; c < Channels - 1; ++c)
            pixels[c] = static_cast<std::uint8_t>(multiply_255(pixels[c], pixels[Channels - 1]));
}

void divide_by_alpha(std::uint8_t* pixels, std::size_t count, int channels) {
    for (std::size_t i = 0; i < count; ++i, pixels += channels) {
        const unsigned alpha = pixels[channels - 1];
        if (alpha == 0 || alpha == 255)
            continue;
        for (int c = 0; c < channels - 1; ++c)
            pixels[c] = static_cast<std::uint8_t>(std::min(255U * pixels[c] / alpha, 255U));
    }
}

/// Pillow's rounding of 32-bit samples. The half is a float there too; the sum is in double.
std::int32_t round_away(double value) {
    return static_cast<std::int32_t>(value >= 0.0 ? std::floor(value + 0.5)
                                                  : -std::floor(std::fabs(value) + 0.5));
}

/// 8-bit samples: integer weights, so sums do not depend on their order.
class ByteSamples {
  public:
    using Weight = std::int32_t;
    using Middle = std::uint8_t;
    using Sum = std::int32_t;
    using Output = std::uint8_t;

    ByteSamples(int channels, bool premultiply, KernelChoice choice)
        : channels_(channels), premultiply_(premultiply),
          kernels_(choice == KernelChoice::fastest ? resize_kernels() : portable_resize_kernels()) {
    }

    int channels() const { return channels_; }
    static Taps<Weight> taps(const AxisWindow& window) { return bicubic_taps_fixed(window); }
    void prepare(const Taps<Weight>& taps) { kernels_->prepare(taps, channels_); }

    void rows(OrientedRows& source, int y, int count, Middle* to, std::size_t stride) {
        RowStrip strip{};
        if (premultiply_) {
            std::uint8_t* pixels = nullptr;
            strip = source.fetch_copy(y, count, pixels);
            const auto n = static_cast<std::size_t>(source.width()) * static_cast<unsigned>(count);
            if (channels_ == 4)
                premultiply_pixels<4>(pixels, n);
            else
                premultiply_pixels<2>(pixels, n);
        } else {
            strip = source.fetch(y, count);
        }
        kernels_->rows(strip.data, strip.stride, count, to, stride);
    }

    void accumulate(Sum* sum, const Middle* row, Weight weight, std::size_t n) {
        kernels_->accumulate(sum, row, weight, n);
    }
    static Output finish(Sum sum) { return round_to_byte(sum); }

  private:
    int channels_;
    bool premultiply_;
    std::unique_ptr<ResizeKernels> kernels_;
};

/// 16-bit grey in double: every sum runs over its inputs in rising order, as Pillow's does.
class WideSamples {
  public:
    using Weight = double;
    using Middle = std::int32_t;
    using Sum = double;
    using Output = std::int32_t;

    static int channels() { return 1; }
    static Taps<Weight> taps(const AxisWindow& window) { return bicubic_taps(window); }
    void prepare(const Taps<Weight>& taps) { taps_ = &taps; }

    void rows(OrientedRows& source, int y, int count, Middle* to, std::size_t stride) const {
        const RowStrip strip = source.fetch(y, count);
        for (int r = 0; r < count; ++r) {
            const std::uint8_t* row = strip.data + static_cast<std::size_t>(r) * strip.stride;
            for (int i = 0; i < taps_->outputs(); ++i) {
                const auto at = static_cast<std::size_t>(i);
                const double* weight = taps_->weights(i);
                double sum = 0.0;
                for (int t = 0; t < taps_->count[at]; ++t) {
                    std::uint16_t sample = 0;
                    std::memcpy(&sample, row + 2 * static_cast<std::size_t>(taps_->first[at] + t),
                                2);
                    sum += sample * weight[t];
                }
                to[static_cast<std::size_t>(r) * stride + at] = round_away(sum);
            }
        }
    }

    static void accumulate(Sum* sum, const Middle* row, Weight weight, std::size_t n) {
        for (std::size_t i = 0; i < n; ++i)
            sum[i] += row[i] * weight;
    }
    static Output finish(Sum sum) { return round_away(sum); }

  private:
    const Taps<Weight>* taps_ = nullptr;
};

AxisWindow part(const AxisWindow& window, int begin, int count) {
    return {window.in, window.out, window.begin + begin, count};
}

/// One block of outputs. Rows of the source stream through: each is resized along x once and added
/// to every output row that uses it, so that no picture of the middle size is ever held.
template <typename Samples>
void resize_block(Samples& samples, OrientedRows& source,
                  const Taps<typename Samples::Weight>& across,
                  const Taps<typename Samples::Weight>& down, typename Samples::Output* to,
                  std::size_t to_stride) {
    const std::size_t n =
        static_cast<std::size_t>(across.outputs()) * static_cast<std::size_t>(samples.channels());
    const std::size_t stride = n + 4; // kernels write whole groups of four
    std::vector<typename Samples::Middle> strip(stride * kStripRows);
    const auto outputs = static_cast<std::size_t>(down.outputs());
    std::vector<typename Samples::Sum> sums(n * outputs);
    std::size_t done = 0; // output rows before this one are finished
    const int end = down.end_input();
    for (int y = down.begin_input(); y < end; y += kStripRows) {
        const int count = std::min(kStripRows, end - y);
        samples.rows(source, y, count, strip.data(), stride);
        for (int r = 0; r < count; ++r) {
            while (done < outputs && down.first[done] + down.count[done] <= y + r)
                ++done;
            for (std::size_t o = done; o < outputs && down.first[o] <= y + r; ++o) {
                const auto tap = static_cast<std::size_t>(y + r - down.first[o]);
                samples.accumulate(sums.data() + o * n,
                                   strip.data() + static_cast<std::size_t>(r) * stride,
                                   down.weights(static_cast<int>(o))[tap], n);
            }
        }
    }
    for (std::size_t o = 0; o < outputs; ++o)
        for (std::size_t i = 0; i < n; ++i)
            to[o * to_stride + i] = Samples::finish(sums[o * n + i]);
}

template <typename Samples>
std::vector<typename Samples::Output> resize_window(Samples& samples, OrientedRows& source,
                                                    const ResizeWindow& window) {
    const auto channels = static_cast<std::size_t>(samples.channels());
    const std::size_t stride = static_cast<std::size_t>(window.x.count) * channels;
    std::vector<typename Samples::Output> out(stride * static_cast<std::size_t>(window.y.count));
    const int block_x = taps_block(window.x);
    const int block_y = taps_block(window.y);
    for (int y = 0; y < window.y.count; y += block_y) {
        const auto down = Samples::taps(part(window.y, y, std::min(block_y, window.y.count - y)));
        for (int x = 0; x < window.x.count; x += block_x) {
            const auto across =
                Samples::taps(part(window.x, x, std::min(block_x, window.x.count - x)));
            samples.prepare(across);
            resize_block(samples, source, across, down,
                         out.data() + static_cast<std::size_t>(y) * stride +
                             static_cast<std::size_t>(x) * channels,
                         stride);
        }
    }
    return out;
}

} // namespace

std::vector<std::uint8_t> resize_bytes(OrientedRows& rows, int channels, bool premultiply,
                                       const ResizeWindow& window, KernelChoice choice) {
    ByteSamples samples(channels, premultiply, choice);
    std::vector<std::uint8_t> out = resize_window(samples, rows, window);
    if (premultiply)
        divide_by_alpha(out.data(), out.size() / static_cast<std::size_t>(channels), channels);
    return out;
}

std::vector<std::int32_t> resize_grey16(OrientedRows& rows, const ResizeWindow& window) {
    WideSamples samples;
    return resize_window(samples, rows, window);
}

std::vector<int> nearest_inputs(const AxisWindow& window) {
    // Pillow steps through the outputs by adding the scale, and so do we, rounding errors included.
    // It cannot make a side longer than this; there a product saves hours.
    constexpr std::int64_t kMaxSteps = std::int64_t{1} << 26;
    const double scale = static_cast<double>(window.in) / static_cast<double>(window.out);
    const bool steps = window.begin < kMaxSteps;
    double position = scale * 0.5;
    if (steps)
        for (std::int64_t i = 0; i < window.begin; ++i)
            position += scale;
    std::vector<int> inputs(static_cast<std::size_t>(window.count));
    for (int i = 0; i < window.count; ++i) {
        if (!steps)
            position = (static_cast<double>(window.begin + i) + 0.5) * scale;
        inputs[static_cast<std::size_t>(i)] =
            static_cast<int>(std::min(position, static_cast<double>(window.in - 1)));
        position += scale;
    }
    return inputs;
}

} // namespace clip
