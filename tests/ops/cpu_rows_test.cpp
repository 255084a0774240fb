// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <limits>

#include "ops/cpu_cases.hpp"

using namespace clip;
using namespace clip::test;

namespace {

constexpr std::int64_t kWidths[] = {1, 2, 15, 16, 17, 31, 33, 64, 768, 1000};
constexpr std::int64_t kRows = 45;

/// Runs `op` on unaligned rows with every backend and in place; all must give the same bits, which
/// are returned.
std::vector<float>
same_everywhere(const std::vector<float>& x, std::int64_t width,
                const std::function<void(Backend&, const ConstView& x, const MutView& y)>& op) {
    std::vector<float> first;
    const Shape shape{kRows, width};
    for (const auto& run : cpu_runs()) {
        INFO(run->name << ", width " << width);
        Unaligned from(x), to(x.size()), both(x);
        op(*run->backend, from.view(shape), to.out(shape));
        op(*run->backend, both.view(shape), both.out(shape));
        CHECK(to.intact());
        CHECK(both.intact());
        CHECK(same_bits(from.copy(), x));
        CHECK(same_bits(both.copy(), to.copy()));
        if (first.empty())
            first = to.copy();
        CHECK(same_bits(to.copy(), first));
    }
    return first;
}

} // namespace

TEST_CASE("cpu layer_norm: the same bits everywhere, right to the last bits for any mean") {
    for (const std::int64_t width : kWidths)
        for (const float mean : {0.0f, 1000.0f}) {
            std::vector<float> x = spread(kRows * width, 1);
            for (float& value : x)
                value += mean;
            const std::vector<float> gamma = spread(width, 2), beta = spread(width, 3);
            const std::vector<float> got = same_everywhere(
                x, width, [&](Backend& backend, const ConstView& from, const MutView& to) {
                    Unaligned g(gamma), b(beta);
                    LayerNormArgs args;
                    args.x = from;
                    args.gamma = g.view({width});
                    args.beta = b.view({width});
                    args.y = to;
                    backend.layer_norm(args);
                });
            for (std::int64_t r = 0; r < kRows; ++r) {
                const float* row = x.data() + r * width;
                double sum = 0, squares = 0;
                for (std::int64_t i = 0; i < width; ++i)
                    sum += row[i];
                const double average = sum / static_cast<double>(width);
                for (std::int64_t i = 0; i < width; ++i)
                    squares += (row[i] - average) * (row[i] - average);
                const double rstd = 1 / std::sqrt(squares / static_cast<double>(width) + 1e-5);
                for (std::int64_t i = 0; i < width; ++i) {
                    const auto at = static_cast<std::size_t>(i);
                    const double scaled = (row[i] - average) * rstd * gamma[at];
                    // One rounding before gamma, one after beta; statistics are nearly exact.
                    CHECK(std::fabs(got[static_cast<std::size_t>(r * width + i)] -
                                    (scaled + beta[at])) <=
                          1.3e-7 * (std::fabs(scaled) + std::fabs(scaled + beta[at])) + 1e-9);
                }
            }
        }
}

TEST_CASE("cpu softmax: the same bits everywhere; rows sum to 1; -infinity is 0 and NaN spreads") {
    for (const std::int64_t width : kWidths) {
        std::vector<float> x = spread(kRows * width, 5, 20);
        const float infinity = std::numeric_limits<float>::infinity();
        if (width > 1)
            for (std::int64_t r = 0; r < kRows; r += 3)
                x[static_cast<std::size_t>(r * width + r % width)] = -infinity;
        const std::vector<float> got = same_everywhere(
            x, width, [&](Backend& backend, const ConstView& from, const MutView& to) {
                backend.softmax({from, to});
            });
        for (std::int64_t r = 0; r < kRows; ++r) {
            const float* row = x.data() + r * width;
            const double most = *std::max_element(row, row + width);
            double sum = 0;
            for (std::int64_t i = 0; i < width; ++i)
                sum += std::exp(row[i] - most);
            for (std::int64_t i = 0; i < width; ++i) {
                const double want = std::exp(row[i] - most) / sum;
                // The rounding of x - max, up to 40, is a relative error of e^(x - max).
                CHECK(std::fabs(got[static_cast<std::size_t>(r * width + i)] - want) <=
                      3e-6 * want + 1e-37);
            }
        }
        x[0] = std::numeric_limits<float>::quiet_NaN();
        for (const auto& run : cpu_runs()) {
            Unaligned from(x), to(x.size());
            run->backend->softmax({from.view({kRows, width}), to.out({kRows, width})});
            const std::vector<float> y = to.copy();
            CHECK(std::all_of(y.begin(), y.begin() + width, [](float v) { return std::isnan(v); }));
            CHECK(same_bits({y.begin() + width, y.end()}, {got.begin() + width, got.end()}));
        }
    }
}

TEST_CASE("cpu l2_normalize: the same bits everywhere, also where squares leave float32") {
    for (const std::int64_t width : kWidths)
        for (const float scale : {1.0f, 1e-9f, 1e30f}) {
            const std::vector<float> x = spread(kRows * width, 7, scale);
            const std::vector<float> got = same_everywhere(
                x, width, [&](Backend& backend, const ConstView& from, const MutView& to) {
                    backend.l2_normalize({from, to, {}});
                });
            for (std::int64_t r = 0; r < kRows; ++r) {
                const float* row = x.data() + r * width;
                double squares = 0;
                for (std::int64_t i = 0; i < width; ++i)
                    squares += static_cast<double>(row[i]) * row[i];
                const double norm = std::max(1e-12, std::sqrt(squares));
                for (std::int64_t i = 0; i < width; ++i)
                    CHECK(std::fabs(got[static_cast<std::size_t>(r * width + i)] - row[i] / norm) <=
                          1.3e-7 * std::fabs(row[i] / norm));
            }
        }
}
