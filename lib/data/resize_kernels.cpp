// SPDX-License-Identifier: MIT
#include "data/resize_kernels.hpp"

namespace clip {

namespace {

class PortableKernels final : public ResizeKernels {
  public:
    void prepare(const Taps<std::int32_t>& taps, int channels) override {
        taps_ = &taps;
        channels_ = channels;
    }

    void rows(const std::uint8_t* from, std::size_t from_stride, int count, std::uint8_t* to,
              std::size_t to_stride) override {
        for (int y = 0; y < count; ++y, from += from_stride, to += to_stride) {
            switch (channels_) {
            case 1:
                row<1>(from, to);
                break;
            case 2:
                row<2>(from, to);
                break;
            case 3:
                row<3>(from, to);
                break;
            default:
                row<4>(from, to);
                break;
            }
        }
    }

    void accumulate(std::int32_t* sum, const std::uint8_t* row, std::int32_t weight,
                    std::size_t n) override {
        for (std::size_t i = 0; i < n; ++i)
            sum[i] += row[i] * weight;
    }

    const char* name() const override { return "portable"; }

  private:
    template <int Channels>
    void row(const std::uint8_t* from, std::uint8_t* to) const {
        const int outputs = taps_->outputs();
        for (int i = 0; i < outputs; ++i, to += Channels) {
            const std::int32_t* weight = taps_->weights(i);
            const auto first = static_cast<std::size_t>(taps_->first[static_cast<std::size_t>(i)]);
            const int taps = taps_->count[static_cast<std::size_t>(i)];
            const std::uint8_t* pixel = from + first * Channels;
            std::int32_t sum[Channels] = {};
            for (int t = 0; t < taps; ++t, pixel += Channels)
                for (int c = 0; c < Channels; ++c)
                    sum[c] += pixel[c] * weight[t];
            for (int c = 0; c < Channels; ++c)
                to[c] = round_to_byte(sum[c]);
        }
    }

    const Taps<std::int32_t>* taps_ = nullptr;
    int channels_ = 0;
};

} // namespace

std::unique_ptr<ResizeKernels> portable_resize_kernels() {
    return std::make_unique<PortableKernels>();
}

std::unique_ptr<ResizeKernels> resize_kernels() {
    auto kernels = avx2_resize_kernels();
    return kernels ? std::move(kernels) : portable_resize_kernels();
}

} // namespace clip
