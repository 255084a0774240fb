// SPDX-License-Identifier: MIT
#include "io/hdf5/checksum.hpp"

#include <algorithm>
#include <array>
#include <bit>

namespace clip::io::hdf5 {

namespace {

std::uint32_t byte_at(std::string_view bytes, std::size_t at) {
    return static_cast<std::uint8_t>(bytes[at]);
}

} // namespace

std::uint32_t metadata_checksum(std::string_view bytes) {
    constexpr std::size_t kBlock = 12;
    const std::uint32_t start = 0xdeadbeef + static_cast<std::uint32_t>(bytes.size());
    std::array<std::uint32_t, 3> s = {start, start, start};
    const auto add = [&](std::size_t count) { // up to a block, the missing bytes as zeros
        for (std::size_t i = 0; i < count; ++i)
            s[i / 4] += byte_at(bytes, i) << (i % 4 * 8);
        bytes.remove_prefix(count);
    };
    while (bytes.size() > kBlock) {
        add(kBlock);
        constexpr std::array<int, 6> kTurns = {4, 6, 8, 16, 19, 4};
        for (std::size_t i = 0; i < kTurns.size(); ++i) {
            std::uint32_t &a = s[i % 3], &b = s[(i + 1) % 3], &c = s[(i + 2) % 3];
            a -= c;
            a ^= std::rotl(c, kTurns[i]);
            c += b;
        }
    }
    if (bytes.empty())
        return s[2];
    add(bytes.size());
    constexpr std::array<int, 7> kTurns = {14, 11, 25, 16, 4, 14, 24};
    for (std::size_t i = 0; i < kTurns.size(); ++i) {
        std::uint32_t &to = s[(i + 2) % 3], from = s[(i + 1) % 3];
        to ^= from;
        to -= std::rotl(from, kTurns[i]);
    }
    return s[2];
}

std::uint32_t fletcher32(std::string_view bytes) {
    constexpr std::uint32_t kModulus = 65535;
    std::uint64_t low = 0, high = 0;
    for (std::size_t at = 0; at < bytes.size(); at += 2) {
        const std::uint32_t second = at + 1 < bytes.size() ? byte_at(bytes, at + 1) : 0;
        low = (low + (byte_at(bytes, at) << 8 | second)) % kModulus;
        high = (high + low) % kModulus;
    }
    // This sum has two ways to write zero; the one that is written for data that is not zero is
    // 65535, as sums that are folded and never subtracted give.
    const auto fold = [&](std::uint64_t sum, bool zero) {
        return static_cast<std::uint32_t>(sum == 0 && !zero ? kModulus : sum);
    };
    const bool zero = std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == 0; });
    return fold(high, zero) << 16 | fold(low, zero);
}

} // namespace clip::io::hdf5
