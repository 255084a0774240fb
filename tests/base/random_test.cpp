// SPDX-License-Identifier: MIT
#include "base/random.hpp"

#include <cstdlib>
#include <vector>

#include <doctest/doctest.h>

using namespace clip;

TEST_CASE("philox: the known answers of its authors") {
    // Random123 1.09, tests/kat_vectors, "philox4x32 10".
    using Words = std::array<std::uint32_t, 4>;
    CHECK(philox({0, 0, 0, 0}, {0, 0}) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
    CHECK(philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) ==
          Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
    CHECK(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
          Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("random stream: four words a counter, another one for another stream") {
    RandomStream stream(7, 3);
    std::vector<std::uint32_t> words;
    for (int i = 0; i < 6; ++i)
        words.push_back(stream.next());
    const auto first = philox({0, 0, 3, 0}, {7, 0}), second = philox({1, 0, 3, 0}, {7, 0});
    CHECK(words ==
          std::vector<std::uint32_t>{first[0], first[1], first[2], first[3], second[0], second[1]});
    CHECK(RandomStream(7, 4).next() != words[0]);
    CHECK(RandomStream(8, 3).next() != words[0]);
}

TEST_CASE("random stream: numbers below a bound are spread evenly") {
    RandomStream stream(1, 0);
    std::vector<int> counts(7);
    for (int i = 0; i < 70000; ++i)
        ++counts[stream.below(7)];
    for (const int count : counts)
        CHECK(std::abs(count - 10000) < 500); // five standard deviations
    CHECK(stream.below(1) == 0);
}
