// SPDX-License-Identifier: MIT
#include "base/random.hpp"

namespace clip {

namespace {

constexpr int kRounds = 10;
constexpr std::uint64_t kMultiplyFirst = 0xD2511F53U, kMultiplySecond = 0xCD9E8D57U;
constexpr std::uint32_t kWeylFirst = 0x9E3779B9U, kWeylSecond = 0xBB67AE85U;

std::uint32_t low(std::uint64_t x) {
    return static_cast<std::uint32_t>(x);
}
std::uint32_t high(std::uint64_t x) {
    return static_cast<std::uint32_t>(x >> 32U);
}

} // namespace

std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter,
                                    std::array<std::uint32_t, 2> key) {
    for (int round = 0; round < kRounds; ++round) {
        const std::uint64_t first = kMultiplyFirst * counter[0];
        const std::uint64_t second = kMultiplySecond * counter[2];
        counter = {high(second) ^ counter[1] ^ key[0], low(second),
                   high(first) ^ counter[3] ^ key[1], low(first)};
        key[0] += kWeylFirst;
        key[1] += kWeylSecond;
    }
    return counter;
}

void RandomStream::refill() {
    words_ =
        philox({low(block_), high(block_), low(stream_), high(stream_)}, {low(seed_), high(seed_)});
    ++block_;
    used_ = 0;
}

} // namespace clip
