// SPDX-License-Identifier: MIT
// The 8-bit resize with AVX2. A weight of 24 bits is split into two signed halves of 16 bits,
// weight = high * 2^kLowBits + low, so that the 16-bit multiply-add does two taps at once: twice
// the products a second of the 32-bit multiply, and still exact.
#include "data/resize_kernels.hpp"

#if defined(__x86_64__) && defined(__GNUC__)

#include <cstring>
#include <immintrin.h>

namespace clip {

namespace {

constexpr int kLowBits = 11;

std::int16_t high_half(std::int32_t weight) {
    return static_cast<std::int16_t>((weight + (1 << (kLowBits - 1))) >> kLowBits);
}

std::int16_t low_half(std::int32_t weight) {
    return static_cast<std::int16_t>(weight - high_half(weight) * (1 << kLowBits));
}

#define CLIP_AVX2 __attribute__((target("avx2")))

/// The two 16-bit halves' sums put together: what the 32-bit weights would have given.
CLIP_AVX2 inline __m128i join(__m256i high, __m256i low) {
    const __m256i sum = _mm256_add_epi32(_mm256_slli_epi32(high, kLowBits), low);
    return _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
}

CLIP_AVX2 inline __m128i to_bytes(__m128i sum) {
    const __m128i half = _mm_set1_epi32(1 << (kWeightBits - 1));
    const __m128i value = _mm_srai_epi32(_mm_add_epi32(sum, half), kWeightBits);
    const __m128i words = _mm_packs_epi32(value, value);
    return _mm_packus_epi16(words, words);
}

CLIP_AVX2 void accumulate_avx2(std::int32_t* sum, const std::uint8_t* row, std::int32_t weight,
                               std::size_t n) {
    const __m256i factor = _mm256_set1_epi32(weight);
    std::size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(row + i));
        auto* at = reinterpret_cast<__m256i*>(sum + i);
        const __m256i product = _mm256_mullo_epi32(_mm256_cvtepu8_epi32(bytes), factor);
        _mm256_storeu_si256(at, _mm256_add_epi32(_mm256_loadu_si256(at), product));
    }
    for (; i < n; ++i)
        sum[i] += row[i] * weight;
}

/// Halves of the weights of one column of outputs, in groups of `Group` taps: the high halves of a
/// group, then its low halves.
struct PackedTaps {
    std::vector<int> first;         // byte offset of the first tap
    std::vector<int> groups;        // how many groups
    std::vector<std::size_t> start; // where they begin in `halves`
    std::vector<std::int16_t> halves;
};

PackedTaps pack(const Taps<std::int32_t>& taps, int group, int channels) {
    PackedTaps packed;
    for (int i = 0; i < taps.outputs(); ++i) {
        const auto at = static_cast<std::size_t>(i);
        const int groups = (taps.count[at] + group - 1) / group;
        packed.first.push_back(taps.first[at] * channels);
        packed.groups.push_back(groups);
        packed.start.push_back(packed.halves.size());
        const std::int32_t* weight = taps.weights(i);
        for (int g = 0; g < groups; ++g) {
            const auto tap = [&](int t) {
                return g * group + t < taps.count[at] ? weight[g * group + t] : 0;
            };
            for (int t = 0; t < group; ++t)
                packed.halves.push_back(high_half(tap(t)));
            for (int t = 0; t < group; ++t)
                packed.halves.push_back(low_half(tap(t)));
        }
    }
    return packed;
}

/// `Rows` rows of pixels of 3 or 4 channels. Four neighbouring pixels are spread so that each
/// 32-bit lane holds one channel of two of them.
template <int Channels, int Rows>
CLIP_AVX2 void resize_pixels(const PackedTaps& taps, const std::uint8_t* from,
                             std::size_t from_stride, std::uint8_t* to, std::size_t to_stride) {
    constexpr char C = Channels, D = 2 * C, E = 3 * C;
    constexpr char Z = -1; // pshufb writes 0
    constexpr char A = Channels == 4 ? 3 : Z, B = Channels == 4 ? 7 : Z;
    constexpr char F = Channels == 4 ? 11 : Z, G = Channels == 4 ? 15 : Z;
    const __m256i spread =
        _mm256_setr_epi8(0, Z, C, Z, 1, Z, C + 1, Z, 2, Z, C + 2, Z, A, Z, B, Z, D, Z, E, Z, D + 1,
                         Z, E + 1, Z, D + 2, Z, E + 2, Z, F, Z, G, Z);
    // Lane 0 wants the weights of taps 0 and 1 four times, lane 1 those of taps 2 and 3.
    const __m256i pick_high = _mm256_setr_epi8(0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 4, 5,
                                               6, 7, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7);
    const __m256i pick_low = _mm256_add_epi8(pick_high, _mm256_set1_epi8(8));
    const std::size_t outputs = taps.first.size();
    for (std::size_t i = 0; i < outputs; ++i) {
        const std::uint8_t* pixels = from + taps.first[i];
        const std::int16_t* halves = taps.halves.data() + taps.start[i];
        __m256i high[Rows], low[Rows];
        for (int r = 0; r < Rows; ++r)
            high[r] = low[r] = _mm256_setzero_si256();
        for (int g = 0; g < taps.groups[i]; ++g, pixels += 4 * Channels, halves += 8) {
            const __m256i weights = _mm256_broadcastsi128_si256(
                _mm_loadu_si128(reinterpret_cast<const __m128i*>(halves)));
            const __m256i weights_high = _mm256_shuffle_epi8(weights, pick_high);
            const __m256i weights_low = _mm256_shuffle_epi8(weights, pick_low);
            for (int r = 0; r < Rows; ++r) {
                const auto* at = reinterpret_cast<const __m128i*>(
                    pixels + static_cast<std::size_t>(r) * from_stride);
                const __m256i four =
                    _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128(at)), spread);
                high[r] = _mm256_add_epi32(high[r], _mm256_madd_epi16(four, weights_high));
                low[r] = _mm256_add_epi32(low[r], _mm256_madd_epi16(four, weights_low));
            }
        }
        for (int r = 0; r < Rows; ++r) {
            const int four = _mm_cvtsi128_si32(to_bytes(join(high[r], low[r])));
            // A pixel of three bytes is written as four: the next one covers the fourth.
            std::memcpy(to + static_cast<std::size_t>(r) * to_stride + i * Channels, &four, 4);
        }
    }
}

/// One row of grey pixels, 16 taps at a time.
CLIP_AVX2 void resize_grey(const PackedTaps& taps, const std::uint8_t* from, std::uint8_t* to) {
    const std::size_t outputs = taps.first.size();
    for (std::size_t i = 0; i < outputs; ++i) {
        const std::uint8_t* pixels = from + taps.first[i];
        const auto* halves = reinterpret_cast<const __m256i*>(taps.halves.data() + taps.start[i]);
        __m256i high = _mm256_setzero_si256(), low = _mm256_setzero_si256();
        for (int g = 0; g < taps.groups[i]; ++g, pixels += 16, halves += 2) {
            const __m256i words =
                _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(pixels)));
            high = _mm256_add_epi32(high, _mm256_madd_epi16(words, _mm256_loadu_si256(halves)));
            low = _mm256_add_epi32(low, _mm256_madd_epi16(words, _mm256_loadu_si256(halves + 1)));
        }
        __m128i sum = join(high, low);
        sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4E));
        sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xB1));
        to[i] = static_cast<std::uint8_t>(_mm_cvtsi128_si32(to_bytes(sum)));
    }
}

class Avx2Kernels final : public ResizeKernels {
  public:
    void prepare(const Taps<std::int32_t>& taps, int channels) override {
        channels_ = channels;
        if (channels == 2)
            portable_->prepare(taps, channels);
        else
            taps_ = pack(taps, channels == 1 ? 16 : 4, channels);
    }

    void rows(const std::uint8_t* from, std::size_t from_stride, int count, std::uint8_t* to,
              std::size_t to_stride) override {
        if (channels_ == 2)
            return portable_->rows(from, from_stride, count, to, to_stride);
        int y = 0;
        const auto from_row = [&] { return from + static_cast<std::size_t>(y) * from_stride; };
        const auto to_row = [&] { return to + static_cast<std::size_t>(y) * to_stride; };
        if (channels_ == 1) {
            for (; y < count; ++y)
                resize_grey(taps_, from_row(), to_row());
            return;
        }
        // Weights are loaded once for four rows.
        for (; y + 4 <= count; y += 4) {
            if (channels_ == 3)
                resize_pixels<3, 4>(taps_, from_row(), from_stride, to_row(), to_stride);
            else
                resize_pixels<4, 4>(taps_, from_row(), from_stride, to_row(), to_stride);
        }
        for (; y < count; ++y) {
            if (channels_ == 3)
                resize_pixels<3, 1>(taps_, from_row(), from_stride, to_row(), to_stride);
            else
                resize_pixels<4, 1>(taps_, from_row(), from_stride, to_row(), to_stride);
        }
    }

    void accumulate(std::int32_t* sum, const std::uint8_t* row, std::int32_t weight,
                    std::size_t n) override {
        accumulate_avx2(sum, row, weight, n);
    }

    const char* name() const override { return "avx2"; }

  private:
    PackedTaps taps_;
    int channels_ = 0;
    std::unique_ptr<ResizeKernels> portable_ = portable_resize_kernels();
};

} // namespace

std::unique_ptr<ResizeKernels> avx2_resize_kernels() {
    if (!__builtin_cpu_supports("avx2"))
        return nullptr;
    return std::make_unique<Avx2Kernels>();
}

} // namespace clip

#else

namespace clip {

std::unique_ptr<ResizeKernels> avx2_resize_kernels() {
    return nullptr;
}

} // namespace clip

#endif
