// SPDX-License-Identifier: MIT
// Variants and alignments of l2_normalize and softmax that the case tables of tests/ops do not
// have.
#include <limits>

#include "backend/ref/l2_normalize.hpp"
#include "backend/ref/softmax.hpp"
#include "cuda/device_call.hpp"
#include "ops/gather_rows.hpp"
#include "ops/l2_normalize.hpp"
#include "ops/softmax.hpp"

using namespace clip;
using namespace clip::test;

namespace {

constexpr std::int64_t kWidths[] = {1, 31, 33, 64, 512, 768, 1000, 1024, 1025, 1028, 5000};
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

/// Rows of which one is all zeros, one has an infinity and one a NaN.
std::vector<float> rows_of(std::int64_t rows, std::int64_t width) {
    auto x = values(rows * width, 1);
    const auto at = static_cast<std::size_t>(width);
    std::fill_n(x.begin() + width, width, 0.0F);
    x[2 * at + at / 2] = kInfinity;
    x[3 * at + at / 2] = kNaN;
    return x;
}

template <typename T>
std::vector<std::vector<T>> normalize(const std::vector<T>& x, std::int64_t rows) {
    std::vector<T> y(x.size()), norms(static_cast<std::size_t>(rows));
    ref::l2_normalize<T>(y.data(), norms.data(), x.data(), rows,
                         static_cast<std::int64_t>(x.size()) / rows);
    return {y, norms};
}

template <typename T>
std::vector<T> softmax(const std::vector<T>& x, std::int64_t rows) {
    std::vector<T> y(x.size());
    ref::softmax<T>(y.data(), x.data(), rows, static_cast<std::int64_t>(x.size()) / rows);
    return y;
}

} // namespace

TEST_CASE("cuda l2 normalize: every width, and the same bits at any alignment") {
    EmulatedDevice device;
    constexpr std::int64_t kRows = 7;
    for (const std::int64_t width : kWidths) {
        const auto x = rows_of(kRows, width);
        const auto oracle = normalize(as<double>(x), kRows);
        const auto naive = normalize(x, kRows);
        Results first;
        for (const std::int64_t offset : {0, 1}) {
            DeviceCall call(device);
            L2NormalizeArgs args;
            args.x = call.in(x, {kRows, width}, DType::f32, offset);
            args.y = call.out({kRows, width});
            args.norms = call.out({kRows});
            ops::l2_normalize(device.backend(), args);
            const Results got = call.results();
            for (std::size_t o = 0; o < 2; ++o) {
                const std::string name =
                    concat("l2 normalize ", width, ", offset ", offset, ", output ", o);
                check_close(name, got[o], oracle[o], naive[o]);
                if (offset != 0)
                    check_same_bits(name, got[o], first[o]);
            }
            first = got;
        }
    }
}

TEST_CASE("cuda l2 normalize backward: every width, and the same bits at any alignment") {
    EmulatedDevice device;
    constexpr std::int64_t kRows = 6;
    for (const std::int64_t width : kWidths) {
        const auto made = normalize(values(kRows * width, 1), kRows);
        auto norms = made[1];
        norms[2] = 0;
        const auto grad_y = values(kRows * width, 2);
        const auto solve = [&]<typename T>(T) {
            std::vector<T> grad_x(grad_y.size());
            ref::l2_normalize_backward<T>(grad_x.data(), as<T>(made[0]).data(), as<T>(norms).data(),
                                          as<T>(grad_y).data(), kRows, width);
            return grad_x;
        };
        Results first;
        for (const std::int64_t offset : {0, 1}) {
            DeviceCall call(device);
            L2NormalizeBackwardArgs args;
            args.y = call.in(made[0], {kRows, width}, DType::f32, offset);
            args.norms = call.in(norms, {kRows});
            args.grad_y = call.in(grad_y, {kRows, width}, DType::f32, offset);
            args.grad_x = call.out({kRows, width});
            ops::l2_normalize_backward(device.backend(), args);
            const Results got = call.results();
            const std::string name = concat("l2 normalize backward ", width, ", offset ", offset);
            check_close(name, got[0], solve(double{}), solve(float{}));
            if (offset != 0)
                check_same_bits(name, got[0], first[0]);
            first = got;
        }
    }
}

TEST_CASE(
    "cuda softmax: every width, with masks, infinity and NaN; the same bits at any alignment") {
    EmulatedDevice device;
    constexpr std::int64_t kRows = 7;
    for (const std::int64_t width : kWidths) {
        auto x = rows_of(kRows, width);
        for (std::int64_t i = 0; i < width; ++i) {
            if (i % 3 == 1)
                x[static_cast<std::size_t>(4 * width + i)] = -kInfinity;
            x[static_cast<std::size_t>(5 * width + i)] = -kInfinity;
        }
        Results first;
        for (const std::int64_t offset : {0, 1}) {
            DeviceCall call(device);
            SoftmaxArgs args;
            args.x = call.in(x, {kRows, width}, DType::f32, offset);
            args.y = call.out({kRows, width});
            ops::softmax(device.backend(), args);
            const Results got = call.results();
            const std::string name = concat("softmax ", width, ", offset ", offset);
            check_close(name, got[0], softmax(as<double>(x), kRows), softmax(x, kRows));
            if (offset != 0)
                check_same_bits(name, got[0], first[0]);
            first = got;
        }
    }
}

TEST_CASE("cuda scatter add rows: every type, and rows that come twice are rounded once") {
    EmulatedDevice device;
    const std::vector<std::int64_t> targets{3, 0, 3, 3, 5};
    for (const DType dtype : kLayerTypes)
        for (const std::int64_t width : {1, 7, 64, 132, 300})
            for (const std::int64_t offset : {0, 1}) {
                const auto x = rounded(values(5 * width, 1), dtype);
                const auto y = rounded(values(6 * width, 2), dtype);
                std::vector<float> naive = y;
                for (std::size_t i = 0; i < targets.size(); ++i)
                    for (std::int64_t c = 0; c < width; ++c) {
                        const auto to = static_cast<std::size_t>(targets[i] * width + c);
                        naive[to] +=
                            x[i * static_cast<std::size_t>(width) + static_cast<std::size_t>(c)];
                    }
                DeviceCall call(device);
                ops::scatter_add_rows(device.backend(),
                                      {.x = call.in(x, {5, width}, dtype, offset),
                                       .rows = targets,
                                       .y = call.in_out(y, {6, width}, dtype, offset)});
                // Bit for bit what float32 gives, rounded.
                check_same_bits(concat("scatter add rows of ", width, ", ", dtype_name(dtype),
                                       ", offset ", offset),
                                call.results()[0], rounded(naive, dtype));
            }
}
