// SPDX-License-Identifier: MIT
// CLIP's vocabulary, and alignments that the case tables of tests/ops do not have.
#include <cmath>

#include "backend/ref/softmax.hpp"
#include "backend/ref/token_loss.hpp"
#include "cuda/device_call.hpp"
#include "ops/token_loss.hpp"

using namespace clip;
using namespace clip::test;

namespace {

constexpr std::int64_t kRows = 3;
const std::vector<std::int64_t> kOffsets{0, 1, 1, 3};
const std::vector<float> kWeights{0.5F, 1, -2};

/// Losses and gradients.
template <typename T>
std::vector<std::vector<T>> solve(std::vector<T> x, const TokenSets& targets) {
    const std::int64_t width = std::ssize(x) / kRows;
    std::vector<T> losses;
    for (std::int64_t r = 0; r < kRows; ++r) {
        T* row = x.data() + r * width;
        const auto tokens = targets[r];
        const T mean = tokens.empty() ? T(0) : static_cast<T>(ref::mean_at(row, tokens));
        const T sum = ref::softmax_row(row, width);
        losses.push_back(tokens.empty() ? T(0) : sum - mean);
        ref::token_gradient(row, width, tokens,
                            static_cast<T>(kWeights[static_cast<std::size_t>(r)]));
    }
    return {losses, x};
}

} // namespace

TEST_CASE("cuda token loss: every width, and the same bits at any alignment") {
    EmulatedDevice device;
    for (const std::int64_t width : {2, 31, 1024, 1028, 5000, 49408}) {
        const auto x = values(kRows * width, 1);
        const auto last = static_cast<std::int32_t>(width - 1);
        const std::vector<std::int32_t> ids{last, 0, last};
        const TokenSets targets{.ids = ids, .offsets = kOffsets};
        const auto oracle = solve(as<double>(x), targets);
        const auto naive = solve(x, targets);
        Results first;
        for (const std::int64_t offset : {0, 1}) {
            DeviceCall call(device);
            TokenLossArgs args;
            args.losses = call.out({kRows}, DType::f64);
            args.logits = call.in_out(x, {kRows, width}, DType::f32, offset);
            args.targets = targets;
            args.weights = kWeights;
            ops::token_loss(device.backend(), args);
            const Results got = call.results();
            for (std::size_t o = 0; o < 2; ++o) {
                const std::string name =
                    concat("token loss ", width, ", offset ", offset, ", output ", o);
                check_close(name, got[o], oracle[o], naive[o]);
                if (offset != 0)
                    check_same_bits(name, got[o], first[o]);
            }
            first = got;
        }
    }
}

TEST_CASE("cuda token scores: the same bits at any alignment, and a loss's") {
    EmulatedDevice device;
    for (const std::int64_t width : {2, 1028, 49408}) {
        const auto x = values(kRows * width, 1);
        const auto last = static_cast<std::int32_t>(width - 1);
        const std::vector<std::int32_t> ids{last, 0, last};
        const TokenSets sets{.ids = ids, .offsets = kOffsets};
        DeviceCall losses(device);
        TokenLossArgs loss;
        loss.losses = losses.out({kRows}, DType::f64);
        loss.logits = losses.in_out(x, {kRows, width});
        loss.targets = sets;
        ops::token_loss(device.backend(), loss);
        const Results want = losses.results();
        for (const std::int64_t offset : {0, 1}) {
            DeviceCall call(device);
            TokenScoresArgs args;
            args.scores = call.out({kRows, kRows});
            args.logits = call.in_out(x, {kRows, width}, DType::f32, offset);
            args.sets = sets;
            ops::token_scores(device.backend(), args);
            const std::vector<float> got = call.results()[0];
            CHECK(got[0] == -want[0][0]);
            CHECK(got[8] == -want[0][2]);
            for (std::size_t r = 0; r < 3; ++r)
                CHECK(got[3 * r + 1] == static_cast<float>(-std::log(static_cast<double>(width))));
        }
    }
}
