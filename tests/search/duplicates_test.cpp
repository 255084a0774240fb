// SPDX-License-Identifier: MIT
// Groups of duplicates against comparing every pair and colouring the graph.
#include <doctest/doctest.h>

#include <limits>
#include <map>

#include "search/duplicates.hpp"
#include "search/row_sets.hpp"

using namespace clip;
using namespace clip::test;

namespace {

using Groups = std::vector<std::vector<std::uint64_t>>;

Groups brute_force(const std::vector<const TestRows*>& sets, float least, bool between) {
    std::vector<const float*> rows;
    std::vector<std::size_t> set_of;
    for (std::size_t s = 0; s < sets.size(); ++s)
        for (std::int64_t r = 0; r < sets[s]->rows(); ++r) {
            rows.push_back(sets[s]->values().data() + r * sets[s]->width());
            set_of.push_back(s);
        }
    std::vector<std::uint64_t> colour(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i)
        colour[i] = i;
    for (std::size_t i = 0; i < rows.size(); ++i)
        for (std::size_t j = i + 1; j < rows.size(); ++j)
            if ((!between || set_of[i] != set_of[j]) &&
                static_cast<float>(plain_cosine(rows[i], rows[j], sets[0]->width())) >= least) {
                const std::uint64_t from = std::max(colour[i], colour[j]);
                const std::uint64_t to = std::min(colour[i], colour[j]);
                for (std::uint64_t& one : colour)
                    one = one == from ? to : one;
            }
    std::map<std::uint64_t, std::vector<std::uint64_t>> by_colour;
    for (std::size_t i = 0; i < rows.size(); ++i)
        by_colour[colour[i]].push_back(i);
    Groups out;
    for (const auto& [root, members] : by_colour)
        if (members.size() > 1)
            out.push_back(members);
    return out;
}

/// Rows of which many are near to another one: `near` of noise around `count / 3` centres.
std::vector<float> clustered(std::int64_t count, std::int64_t width, std::uint64_t seed,
                             float near) {
    const std::vector<float> centres = random_rows(count / 3 + 1, width, seed);
    std::vector<float> out = random_rows(count, width, seed + 1);
    for (std::int64_t r = 0; r < count; ++r) {
        const std::int64_t centre = r * 7919 % (count / 3 + 1);
        for (std::int64_t i = 0; i < width; ++i)
            out[static_cast<std::size_t>(r * width + i)] =
                centres[static_cast<std::size_t>(centre * width + i)] +
                near * out[static_cast<std::size_t>(r * width + i)];
    }
    return out;
}

Groups ordinals(const std::vector<std::vector<DuplicateMember>>& groups) {
    Groups out;
    for (const auto& group : groups) {
        out.emplace_back();
        for (const DuplicateMember& member : group)
            out.back().push_back(member.ordinal);
    }
    return out;
}

} // namespace

TEST_CASE("duplicates: the groups that comparing every pair gives") {
    const std::int64_t width = 24;
    const TestRows first(clustered(400, width, 1, 0.3F), width, 32);
    const TestRows second(clustered(250, width, 1, 0.2F), width, 20, DType::f16);
    const TestRows third(random_rows(30, width, 9), width, 30);
    const std::vector<const TestRows*> tests{&first, &second, &third};
    const std::vector<const RowSet*> sets{&first, &second, &third};
    for (const float least : {0.9F, 0.95F, 0.98F})
        for (const bool between : {false, true}) {
            INFO("least " << least << ", between " << between);
            const Groups want = brute_force(tests, least, between);
            REQUIRE(want.size() > 2);
            for (const std::size_t threads : {1, 2, 3}) {
                ThreadPool pool(threads);
                std::vector<BadRows> bad;
                double share = 0;
                const auto groups = find_duplicates(
                    pool, sets, {.least = least, .between = between}, bad, [&](double now) {
                        CHECK(now >= share);
                        share = now;
                        return true;
                    });
                CHECK(bad.empty());
                CHECK(ordinals(groups) == want);
                CHECK(share == doctest::Approx(1));
                for (const auto& group : groups)
                    for (const DuplicateMember& member : group) {
                        const auto row = [&](std::uint64_t ordinal) {
                            return ordinal < 400 ? first.values().data() + ordinal * width
                                   : ordinal < 650
                                       ? second.values().data() + (ordinal - 400) * width
                                       : third.values().data() + (ordinal - 650) * width;
                        };
                        CHECK(member.cosine ==
                              doctest::Approx(plain_cosine(row(group.front().ordinal),
                                                           row(member.ordinal), width))
                                  .epsilon(1e-12));
                    }
            }
        }
}

TEST_CASE("duplicates: more rows than are compared at once") {
    // 20,000 rows in narrow blocks; each row r < 100 comes again as row 10,000 + r and 19,900 + r.
    const std::int64_t width = 8;
    std::vector<float> values = random_rows(20000, width, 3);
    for (std::int64_t r = 0; r < 100; ++r)
        for (const std::int64_t to : {10000 + r, 19900 + r})
            std::copy_n(values.begin() + r * width, width, values.begin() + to * width);
    const TestRows rows(values, width, 512);
    const std::vector<const RowSet*> sets{&rows};
    ThreadPool pool(2);
    std::vector<BadRows> bad;
    const auto groups = find_duplicates(pool, sets, {.least = 0.9999999F}, bad);
    std::size_t whole = 0;
    for (const auto& group : groups)
        whole += group.size() >= 3 && group.front().ordinal < 100;
    CHECK(whole == 100);
}

TEST_CASE("duplicates: bad rows belong to no group and are named once") {
    const std::int64_t width = 16;
    std::vector<float> values = random_rows(10, width, 4);
    for (int r = 1; r < 10; ++r)
        std::copy_n(values.begin(), width, values.begin() + r * width);
    std::fill_n(values.begin() + 3 * width, width, 0.0F);
    values[5 * width] = std::numeric_limits<float>::quiet_NaN();
    const TestRows rows(values, width, 2, DType::f32, 8); // rows 8 and 9 cannot be read
    const std::vector<const RowSet*> sets{&rows};
    ThreadPool pool(2);
    std::vector<BadRows> bad;
    const auto groups = find_duplicates(pool, sets, {.least = 0.5F}, bad);
    CHECK(ordinals(groups) == Groups{{0, 1, 2, 4, 6, 7}});
    REQUIRE(bad.size() == 3);
    CHECK(bad[0].first == 3);
    CHECK(bad[1].first == 5);
    CHECK(bad[2].first == 8);
    CHECK(bad[2].count == 2);
}

TEST_CASE("duplicates: nothing, one row, and widths that differ") {
    ThreadPool pool(1);
    std::vector<BadRows> bad;
    CHECK(find_duplicates(pool, {}, {}, bad).empty());
    const TestRows one(random_rows(1, 4, 1), 4), none({}, 4), other(random_rows(2, 5, 1), 5);
    CHECK(find_duplicates(pool, std::vector<const RowSet*>{&none, &one}, {}, bad).empty());
    CHECK_THROWS_AS(find_duplicates(pool, std::vector<const RowSet*>{&one, &other}, {}, bad),
                    Error);
}
