// SPDX-License-Identifier: MIT
#include "search/retrieval.hpp"

#include <cmath>

#include <doctest/doctest.h>

#include "backend/registry.hpp"
#include "base/error.hpp"
#include "base/random.hpp"

using namespace clip;

namespace {

/// Whole numbers, so that many cosines are equal.
std::vector<float> small_numbers(std::size_t count, std::uint64_t stream) {
    RandomStream random(2, stream);
    std::vector<float> out(count);
    for (float& value : out)
        value = static_cast<float>(random.below(5)) - 2;
    return out;
}

ConstView view(const std::vector<float>& values, std::size_t dim) {
    return {values.data(),
            Shape{static_cast<std::int64_t>(values.size() / dim), static_cast<std::int64_t>(dim)}};
}

/// By the definition: sort nothing, count who is before the best of the right ones.
std::vector<std::uint64_t> ranks_by_definition(const std::vector<float>& queries,
                                               const std::vector<float>& candidates,
                                               std::size_t dim,
                                               const std::vector<std::vector<std::size_t>>& right) {
    std::vector<std::uint64_t> out;
    for (std::size_t q = 0; q * dim < queries.size(); ++q) {
        std::vector<float> scores;
        for (std::size_t c = 0; c * dim < candidates.size(); ++c) {
            double dot = 0, a = 0, b = 0;
            for (std::size_t d = 0; d < dim; ++d) {
                const double x = queries[q * dim + d], y = candidates[c * dim + d];
                dot += x * y;
                a += x * x;
                b += y * y;
            }
            scores.push_back(static_cast<float>(dot / (std::sqrt(a) * std::sqrt(b))));
        }
        std::uint64_t best = 0;
        for (const std::size_t r : right[q]) {
            std::uint64_t rank = 1;
            for (std::size_t c = 0; c < scores.size(); ++c)
                rank += scores[c] > scores[r] || (scores[c] == scores[r] && c < r) ? 1 : 0;
            best = best == 0 ? rank : std::min(best, rank);
        }
        out.push_back(best);
    }
    return out;
}

} // namespace

TEST_CASE("retrieval: ranks are those of the definition, ties and blocks included") {
    constexpr std::size_t kDim = 6;
    for (const auto& [pictures, captions] :
         {std::pair<std::size_t, std::size_t>{1, 1}, {7, 30}, {300, 2100}, {600, 50}}) {
        CAPTURE(pictures);
        std::vector<float> a = small_numbers(pictures * kDim, 1);
        std::vector<float> b = small_numbers(captions * kDim, 2);
        for (std::size_t i = 0; i < pictures; ++i)
            a[i * kDim] += 3; // no row is zero
        for (std::size_t i = 0; i < captions; ++i)
            b[i * kDim] += 3;
        std::vector<ItemPair> pairs;
        std::vector<std::vector<std::size_t>> of_picture(pictures), of_caption(captions);
        RandomStream random(2, 3);
        // Several a picture, several a caption, some of neither, some twice.
        for (std::size_t k = 0; k < captions + 5; ++k) {
            const auto i = random.below(static_cast<std::uint32_t>(pictures));
            const auto c = random.below(static_cast<std::uint32_t>(captions));
            pairs.push_back({i, c});
            of_picture[i].push_back(c);
            of_caption[c].push_back(i);
        }
        for (const std::size_t threads : {1, 3}) {
            ThreadPool pool(threads);
            const auto backend = make_backend(parse_device("auto"), pool);
            const PairRanks ranks = rank_pairs(*backend, view(a, kDim), view(b, kDim), pairs);
            CHECK(ranks.pictures == ranks_by_definition(a, b, kDim, of_picture));
            CHECK(ranks.captions == ranks_by_definition(b, a, kDim, of_caption));
        }
    }
}

TEST_CASE("retrieval: what has no direction, no room or no time is refused") {
    ThreadPool pool(1);
    const auto backend = make_backend(parse_device("auto"), pool);
    const std::vector<float> good{1, 0, 0, 1}, zero{1, 0, 0, 0};
    const std::vector<ItemPair> pairs{{0, 0}}, out_of_range{{2, 0}};
    CHECK(rank_pairs(*backend, view(good, 2), view(good, 2), pairs).pictures ==
          std::vector<std::uint64_t>{1, 0});
    CHECK_THROWS_AS(rank_pairs(*backend, view(zero, 2), view(good, 2), pairs), Error);
    CHECK_THROWS_AS(rank_pairs(*backend, view(good, 4), view(good, 2), pairs), Error);
    CHECK_THROWS_AS(rank_pairs(*backend, view(good, 2), view(good, 2), out_of_range), Error);
    const std::atomic<bool> stop{true};
    CHECK_THROWS_AS(rank_pairs(*backend, view(good, 2), view(good, 2), pairs, &stop), Error);
}
