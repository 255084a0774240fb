// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>

#include "ops/cpu_cases.hpp"

using namespace clip;
using namespace clip::test;

namespace {

struct Convolution {
    std::int64_t batch, height, width, in, out, window;
    int stride, padding;

    std::int64_t result(std::int64_t size) const {
        return (size + 2 * padding - window) / stride + 1;
    }
    Shape shape() const { return {batch, result(height), result(width), out}; }

    /// A chain of fused multiply-adds over (window row, window column, channel), then bias,
    /// residual and relu.
    std::vector<float> exact(const std::vector<float>& x, const std::vector<float>& w,
                             const std::vector<float>& bias,
                             const std::vector<float>& added) const {
        std::vector<float> y;
        for (std::int64_t n = 0; n < batch; ++n)
            for (std::int64_t i = 0; i < result(height); ++i)
                for (std::int64_t j = 0; j < result(width); ++j)
                    for (std::int64_t o = 0; o < out; ++o) {
                        float sum = 0;
                        for (std::int64_t a = 0; a < window; ++a)
                            for (std::int64_t b = 0; b < window; ++b)
                                for (std::int64_t c = 0; c < in; ++c) {
                                    const std::int64_t row = i * stride + a - padding;
                                    const std::int64_t column = j * stride + b - padding;
                                    const bool inside =
                                        row >= 0 && row < height && column >= 0 && column < width;
                                    const float value =
                                        inside
                                            ? x[static_cast<std::size_t>(
                                                  ((n * height + row) * width + column) * in + c)]
                                            : 0.0f;
                                    sum = std::fma(value,
                                                   w[static_cast<std::size_t>(
                                                       ((o * in + c) * window + a) * window + b)],
                                                   sum);
                                }
                        const float total =
                            (sum + bias[static_cast<std::size_t>(o)]) + added[y.size()];
                        y.push_back(total < 0 ? 0.0f : total);
                    }
        return y;
    }
};

} // namespace

TEST_CASE("cpu conv2d: the bits of one multiply-add chain for every window, stride and padding") {
    const Convolution cases[] = {
        {2, 9, 11, 3, 32, 3, 2, 1}, {1, 8, 8, 16, 40, 3, 1, 1}, {3, 7, 7, 48, 33, 1, 1, 0},
        {1, 9, 9, 32, 16, 1, 2, 0}, {1, 5, 6, 20, 7, 3, 1, 0},  {1, 12, 12, 4, 9, 5, 3, 2},
        {1, 1, 1, 16, 16, 3, 1, 1},
    };
    for (const Convolution& test : cases) {
        const std::vector<float> x = spread(test.batch * test.height * test.width * test.in, 1);
        const std::vector<float> w = spread(test.out * test.in * test.window * test.window, 2);
        const std::vector<float> bias = spread(test.out, 3);
        const std::vector<float> added = spread(test.shape().numel(), 4);
        const std::vector<float> want = test.exact(x, w, bias, added);
        for (const auto& run : cpu_runs()) {
            INFO(run->name << ", window " << test.window << ", channels " << test.in);
            Unaligned xs(x), ws(w), bs(bias), rs(added), y(added.size());
            Conv2dWeights weights;
            weights.weight = ws.view({test.out, test.in, test.window, test.window});
            weights.bias = bs.view({test.out});
            weights.stride = test.stride;
            weights.padding = test.padding;
            const auto prepared = run->backend->prepare_conv2d(weights);
            Conv2dArgs args;
            args.x = xs.view({test.batch, test.height, test.width, test.in});
            args.weights = prepared.get();
            args.activation = Activation::relu;
            args.residual = rs.view(test.shape());
            args.y = y.out(test.shape());
            run->backend->conv2d(args);
            CHECK(y.intact());
            CHECK(same_bits(y.copy(), want));
            args.y = rs.out(test.shape()); // in the residual's memory
            run->backend->conv2d(args);
            CHECK(same_bits(rs.copy(), want));
        }
    }
}

TEST_CASE("cpu patch_embedding: projected patches plus positions after the class token") {
    const std::int64_t pictures = 3, side = 28, patch = 7, width = 50, grid = side / patch;
    const std::int64_t depth = 3 * patch * patch;
    const std::vector<float> x = spread(pictures * 3 * side * side, 1),
                             w = spread(width * depth, 2);
    const std::vector<float> token = spread(width, 3),
                             positions = spread((grid * grid + 1) * width, 4);
    std::vector<float> want;
    for (std::int64_t n = 0; n < pictures; ++n)
        for (std::int64_t place = 0; place <= grid * grid; ++place)
            for (std::int64_t d = 0; d < width; ++d) {
                float sum = 0;
                for (std::int64_t k = 0; k < depth && place > 0; ++k) {
                    const std::int64_t row = (place - 1) / grid * patch + k / patch % patch;
                    const std::int64_t column = (place - 1) % grid * patch + k % patch;
                    const std::int64_t channel = k / patch / patch;
                    sum = std::fma(x[static_cast<std::size_t>(
                                       ((n * 3 + channel) * side + row) * side + column)],
                                   w[static_cast<std::size_t>(d * depth + k)], sum);
                }
                const float position = positions[static_cast<std::size_t>(place * width + d)];
                want.push_back(place == 0 ? token[static_cast<std::size_t>(d)] + position
                                          : sum + position);
            }
    for (const auto& run : cpu_runs()) {
        INFO(run->name);
        Unaligned xs(x), ws(w), ts(token), ps(positions), y(want.size());
        const auto prepared =
            run->backend->prepare_linear({ws.view({width, depth}), {}, DType::f32});
        PatchEmbeddingArgs args;
        args.pictures = xs.view({pictures, 3, side, side});
        args.patch = static_cast<int>(patch);
        args.projection = prepared.get();
        args.class_token = ts.view({width});
        args.positions = ps.view({grid * grid + 1, width});
        args.y = y.out({pictures, grid * grid + 1, width});
        run->backend->patch_embedding(args);
        CHECK(y.intact());
        CHECK(same_bits(y.copy(), want));
    }
}

TEST_CASE("cpu similarity: exact chains times the scale, also over many blocks of candidates") {
    for (const std::int64_t rows : {1, 3, 70}) {
        const std::int64_t columns = rows == 1 ? 9000 : 301, width = 64;
        const std::vector<float> a = spread(rows * width, 1), b = spread(columns * width, 2);
        std::vector<float> want;
        for (std::int64_t r = 0; r < rows; ++r)
            for (std::int64_t c = 0; c < columns; ++c) {
                float sum = 0;
                for (std::int64_t k = 0; k < width; ++k)
                    sum = std::fma(a[static_cast<std::size_t>(r * width + k)],
                                   b[static_cast<std::size_t>(c * width + k)], sum);
                want.push_back(sum * 14.3f);
            }
        for (const auto& run : cpu_runs()) {
            INFO(run->name << ", rows " << rows);
            Unaligned as(a), bs(b), y(want.size());
            run->backend->similarity(
                {as.view({rows, width}), bs.view({columns, width}), 14.3f, y.out({rows, columns})});
            CHECK(y.intact());
            CHECK(same_bits(y.copy(), want));
        }
    }
}
