// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "base/error.hpp"
#include "train/draws.hpp"
#include "train/epoch_order.hpp"
#include "train/row_choice.hpp"

using namespace clip;
using namespace clip::train;

namespace {

std::vector<std::uint64_t> order_of(std::uint64_t size, const std::vector<std::uint64_t>& shards,
                                    const OrderOptions& options, std::uint32_t epoch) {
    const EpochOrder order(size, shards, options, epoch);
    std::vector<std::uint64_t> out;
    for (std::uint64_t i = 0; i < order.size(); ++i)
        out.push_back(order[i]);
    return out;
}

bool is_permutation_of_all(std::vector<std::uint64_t> order) {
    std::sort(order.begin(), order.end());
    for (std::size_t i = 0; i < order.size(); ++i)
        if (order[i] != i)
            return false;
    return true;
}

} // namespace

TEST_CASE("epoch order: a permutation, another in every epoch and for every seed") {
    for (const std::vector<std::uint64_t>& shards :
         {std::vector<std::uint64_t>{}, std::vector<std::uint64_t>{10, 0, 57, 33}}) {
        const auto first = order_of(100, shards, {.seed = 1, .shuffle_buffer = 20}, 0);
        CHECK(is_permutation_of_all(first));
        CHECK(first == order_of(100, shards, {.seed = 1, .shuffle_buffer = 20}, 0));
        const auto next = order_of(100, shards, {.seed = 1, .shuffle_buffer = 20}, 1);
        CHECK(is_permutation_of_all(next));
        CHECK(first != next);
        CHECK(first != order_of(100, shards, {.seed = 2, .shuffle_buffer = 20}, 0));
        CHECK(order_of(0, {}, {}, 0).empty());
        CHECK(order_of(1, {}, {}, 0) == std::vector<std::uint64_t>{0});
    }
    std::vector<std::uint64_t> plain(100);
    std::iota(plain.begin(), plain.end(), 0U);
    CHECK(order_of(100, {}, {.shuffle = false}, 3) == plain);
    CHECK(order_of(100, {60, 40}, {.shuffle = false}, 3) == plain);
    CHECK_THROWS_AS(EpochOrder(std::uint64_t{1} << 32, {}, {.shuffle = false}, 0), Error);
}

TEST_CASE("epoch order: all orders of four are about equally likely") {
    for (const bool in_shard : {false, true}) {
        std::map<std::vector<std::uint64_t>, int> seen;
        constexpr int kDraws = 24000;
        for (std::uint32_t epoch = 0; epoch < kDraws; ++epoch)
            ++seen[order_of(4,
                            in_shard ? std::vector<std::uint64_t>{4} : std::vector<std::uint64_t>{},
                            {.seed = 11}, epoch)];
        CHECK(seen.size() == 24);
        double chi2 = 0;
        for (const auto& [order, count] : seen)
            chi2 += (count - 1000.0) * (count - 1000.0) / 1000.0;
        CHECK(chi2 < 49.7); // 23 degrees of freedom, p = 0.001
    }
}

TEST_CASE("epoch order: shards are read nearly in sequence") {
    // No pair comes earlier than the buffer allows: at position p, p + buffer were read.
    const std::vector<std::uint64_t> shards = {100, 200, 300};
    const auto order = order_of(600, shards, {.seed = 4, .shuffle_buffer = 50}, 2);
    CHECK(is_permutation_of_all(order));
    const auto shard_of = [](std::uint64_t index) { return index < 100 ? 0 : index < 300 ? 1 : 2; };
    std::vector<int> drawn; // the shards' order, by their mean position
    std::array<double, 3> mean{};
    for (std::size_t i = 0; i < order.size(); ++i)
        mean[static_cast<std::size_t>(shard_of(order[i]))] +=
            static_cast<double>(i) /
            static_cast<double>(shards[static_cast<std::size_t>(shard_of(order[i]))]);
    std::array<int, 3> by_mean = {0, 1, 2};
    std::sort(by_mean.begin(), by_mean.end(), [&](int a, int b) {
        return mean[static_cast<std::size_t>(a)] < mean[static_cast<std::size_t>(b)];
    });
    std::array<std::uint64_t, 3> begin{};
    std::uint64_t at = 0;
    for (const int shard : by_mean) {
        begin[static_cast<std::size_t>(shard)] = at;
        at += shards[static_cast<std::size_t>(shard)];
    }
    const std::array<std::uint64_t, 3> first = {0, 100, 300};
    for (std::size_t i = 0; i < order.size(); ++i) {
        const auto shard = static_cast<std::size_t>(shard_of(order[i]));
        const std::uint64_t in_stream = begin[shard] + order[i] - first[shard];
        CHECK(in_stream < i + 50);
    }
    // A buffer of one keeps the order inside shards.
    const auto kept = order_of(600, shards, {.seed = 4, .shuffle_buffer = 1}, 2);
    for (std::size_t i = 0; i + 1 < kept.size(); ++i)
        CHECK((kept[i + 1] == kept[i] + 1 || shard_of(kept[i]) != shard_of(kept[i + 1])));
}

TEST_CASE("draws: a stream is the draws of its places") {
    RandomStream stream = draw_stream(0x123456789abcdefU, Draw::sample, 7);
    for (std::uint64_t place = 0; place < 5; ++place)
        for (const std::uint32_t word : draw(0x123456789abcdefU, Draw::sample, 7, place))
            CHECK(stream.next() == word);
    CHECK(draw(1, Draw::sample, 7, 0) != draw(1, Draw::order, 7, 0));
}

TEST_CASE("row choice: rows of a batch try different pairs, and every pair in the end") {
    for (const auto& [size, batch_size] :
         {std::pair<std::uint64_t, std::uint64_t>{100, 16}, {64, 16}, {17, 16}, {16, 16}, {5, 1}}) {
        CAPTURE(size);
        const std::uint64_t batches = size / batch_size;
        for (std::uint64_t batch = 0; batch < batches; ++batch) {
            for (std::uint64_t attempt = 0; attempt < batches; ++attempt) {
                std::vector<std::uint64_t> tried;
                for (std::uint64_t row = 0; row < batch_size; ++row)
                    tried.push_back(position_of({size, batch_size, batch, row}, attempt));
                std::sort(tried.begin(), tried.end());
                CHECK(std::adjacent_find(tried.begin(), tried.end()) == tried.end());
            }
            for (std::uint64_t row = 0; row < batch_size; ++row) {
                const BatchRow place{size, batch_size, batch, row};
                CHECK(position_of(place, 0) == batch * batch_size + row);
                std::vector<bool> seen(size);
                for (std::uint64_t attempt = 0; attempt < tries_of(place); ++attempt) {
                    REQUIRE(position_of(place, attempt) < size);
                    seen[position_of(place, attempt)] = true;
                }
                CHECK(std::count(seen.begin(), seen.end(), true) ==
                      static_cast<std::ptrdiff_t>(size));
            }
        }
    }
}
