// SPDX-License-Identifier: MIT
// The streaming search against sorting all cosines.
#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "search/row_sets.hpp"
#include "search/top_k_search.hpp"

using namespace clip;
using namespace clip::test;

namespace {

/// All rows of `sets` by cosine with a query, best first, ties in order.
std::vector<std::pair<std::uint64_t, double>>
all_by_cosine(const std::vector<const TestRows*>& sets, const float* query) {
    std::vector<std::pair<std::uint64_t, double>> out;
    for (const TestRows* set : sets)
        for (std::int64_t r = 0; r < set->rows(); ++r)
            out.emplace_back(out.size(), plain_cosine(set->values().data() + r * set->width(),
                                                      query, set->width()));
    std::stable_sort(out.begin(), out.end(), [](const auto& a, const auto& b) {
        return static_cast<float>(a.second) > static_cast<float>(b.second);
    });
    return out;
}

std::vector<std::vector<SearchHit>> search_all(const std::vector<const TestRows*>& sets,
                                               const SearchQueries& queries,
                                               const SearchOptions& options, std::size_t threads,
                                               std::vector<double>* log_sums = nullptr) {
    ThreadPool pool(threads);
    TopKSearch search(pool, queries, options);
    std::vector<BadRows> bad;
    std::uint64_t ordinal = 0;
    for (const TestRows* set : sets) {
        search.search(*set, ordinal, bad);
        ordinal += static_cast<std::uint64_t>(set->rows());
    }
    CHECK(bad.empty());
    if (log_sums != nullptr)
        *log_sums = search.log_sums();
    return search.hits();
}

bool same(const std::vector<std::vector<SearchHit>>& a,
          const std::vector<std::vector<SearchHit>>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
        return std::equal(x.begin(), x.end(), y.begin(), y.end(),
                          [](const SearchHit& h, const SearchHit& g) {
                              return h.ordinal == g.ordinal && h.cosine == g.cosine;
                          });
    });
}

} // namespace

TEST_CASE("search: the k best of several sets, as sorting all would give them") {
    for (const std::int64_t width : {3, 64, 100})
        for (const DType store : {DType::f32, DType::f16})
            for (const std::int64_t queries : {1, 4, 5, 40}) {
                const TestRows first(random_rows(700, width, 1), width, 64, store);
                const TestRows second(random_rows(333, width, 2), width, 50, DType::f32);
                const SearchQueries wanted =
                    make_search_queries(random_rows(queries, width, 3), width);
                const std::vector<const TestRows*> sets{&first, &second};
                for (const std::int64_t k : {1, 10, 100, 2000, 0}) {
                    INFO("width " << width << ", queries " << queries << ", k " << k);
                    const auto hits = search_all(sets, wanted, {.k = k}, 2);
                    CHECK(same(hits, search_all(sets, wanted, {.k = k}, 1)));
                    CHECK(same(hits, search_all(sets, wanted, {.k = k}, 3)));
                    for (std::int64_t q = 0; q < queries; ++q) {
                        const auto want = all_by_cosine(sets, wanted.row(q));
                        const auto& got = hits[static_cast<std::size_t>(q)];
                        REQUIRE(got.size() ==
                                (k == 0 ? want.size()
                                        : std::min(want.size(), static_cast<std::size_t>(k))));
                        double off = 0;
                        std::size_t elsewhere = 0;
                        for (std::size_t i = 0; i < got.size(); ++i) {
                            off = std::max(off, std::abs(got[i].cosine - want[i].second));
                            elsewhere += got[i].ordinal != want[i].first;
                        }
                        CHECK(off < 1e-7); // places may change where float32 rounds otherwise
                        CHECK(elsewhere <= got.size() / 50);
                    }
                }
            }
}

TEST_CASE("search: equal scores come in the order of the rows, whatever thread saw them") {
    // 1,000 rows of only three kinds.
    std::vector<float> values;
    const std::vector<float> kinds = random_rows(3, 32, 1);
    for (std::size_t r = 0; r < 1000; ++r)
        values.insert(values.end(), kinds.begin() + static_cast<std::ptrdiff_t>(r % 3) * 32,
                      kinds.begin() + static_cast<std::ptrdiff_t>(r % 3 + 1) * 32);
    const TestRows rows(values, 32, 7);
    const SearchQueries queries = make_search_queries(values, 32); // the same ones, 1,000 of them
    for (const std::size_t threads : {1, 2, 3}) {
        const auto hits = search_all({&rows}, queries, {.k = 5}, threads);
        for (std::size_t q = 0; q < hits.size(); ++q)
            for (std::size_t i = 0; i < 5; ++i) {
                CHECK(hits[q][i].ordinal == q % 3 + 3 * i);
                CHECK(hits[q][i].score() == 1.0F);
            }
    }
}

TEST_CASE("search: only rows that reach the threshold") {
    const std::int64_t width = 48;
    const TestRows rows(random_rows(2000, width, 4), width, 128);
    for (const std::int64_t queries : {2, 20}) {
        const SearchQueries wanted = make_search_queries(random_rows(queries, width, 5), width);
        const auto all = search_all({&rows}, wanted, {.k = 0}, 2);
        // A threshold that one row meets exactly.
        const float least = all[1][20].score();
        for (const std::int64_t k : {0, 7, 100}) {
            const auto hits = search_all({&rows}, wanted, {.k = k, .least = least}, 2);
            for (std::size_t q = 0; q < hits.size(); ++q) {
                auto want = all[q];
                std::erase_if(want, [&](const SearchHit& hit) { return hit.score() < least; });
                if (k > 0 && want.size() > static_cast<std::size_t>(k))
                    want.resize(static_cast<std::size_t>(k));
                CHECK(same({hits[q]}, {want}));
            }
        }
    }
}

TEST_CASE("search: the sums for softmax are those of all rows, the same bits for any threads") {
    const std::int64_t width = 20;
    const TestRows rows(random_rows(900, width, 6), width, 32);
    for (const std::int64_t queries : {1, 9}) {
        const SearchQueries wanted = make_search_queries(random_rows(queries, width, 7), width);
        std::vector<double> sums, again;
        const auto hits = search_all({&rows}, wanted, {.k = 3, .softmax_scale = 100.0}, 1, &sums);
        search_all({&rows}, wanted, {.k = 3, .softmax_scale = 100.0}, 3, &again);
        CHECK(sums == again);
        for (std::size_t q = 0; q < sums.size(); ++q) {
            long double sum = 0;
            for (const auto& [row, cosine] :
                 all_by_cosine({&rows}, wanted.row(static_cast<std::int64_t>(q))))
                sum += std::exp(100.0L * cosine);
            CHECK(sums[q] == doctest::Approx(static_cast<double>(std::log(sum))).epsilon(1e-12));
            CHECK(hits[q].size() == 3);
        }
    }
}

TEST_CASE("search: rows that cannot be used are named and leave the others as they are") {
    const std::int64_t width = 40;
    std::vector<float> values = random_rows(300, width, 8);
    const auto row = [&](std::int64_t r) { return values.begin() + r * width; };
    std::fill_n(row(17), width, 0.0F);
    *(row(40) + 5) = std::numeric_limits<float>::quiet_NaN();
    *(row(41)) = std::numeric_limits<float>::infinity();
    std::fill_n(row(299), width, 1e-38F);
    const TestRows rows(values, width, 32, DType::f32, 130); // rows 128 to 159 cannot be read
    for (const std::int64_t queries : {3, 30}) {
        const SearchQueries wanted = make_search_queries(random_rows(queries, width, 9), width);
        for (const std::size_t threads : {1, 2}) {
            ThreadPool pool(threads);
            TopKSearch search(pool, wanted, {.k = 1000});
            std::vector<BadRows> bad;
            search.search(rows, 1000, bad);
            std::vector<std::uint64_t> places;
            for (const BadRows& one : bad)
                places.push_back(one.first);
            CHECK(places == std::vector<std::uint64_t>{1017, 1040, 1041, 1128, 1299});
            CHECK(bad[3].count == 32);
            CHECK(bad[3].error.code() == ErrorCode::io_failure);
            for (const auto& hits : search.hits()) {
                CHECK(hits.size() == 300 - 4 - 32);
                for (const SearchHit& hit : hits)
                    CHECK(std::none_of(bad.begin(), bad.end(), [&](const BadRows& one) {
                        return hit.ordinal >= one.first && hit.ordinal < one.first + one.count;
                    }));
            }
            CHECK(search.held_ordinals().size() == 300 - 4 - 32);
        }
    }
}

TEST_CASE("search: queries and widths are checked, and a search can be ended") {
    ThreadPool pool(1);
    std::vector<float> values(8, 1.0F);
    values[5] = std::numeric_limits<float>::quiet_NaN();
    CHECK_THROWS_WITH_AS(make_search_queries(values, 4),
                         "search: query 2 holds a value that is not finite", Error);
    CHECK_THROWS_WITH_AS(make_search_queries(std::vector<float>(4), 4),
                         "search: query 1 is all zeros", Error);
    const SearchQueries queries = make_search_queries(random_rows(1, 4, 1), 4);
    TopKSearch search(pool, queries, {});
    std::vector<BadRows> bad;
    CHECK_THROWS_AS(search.search(TestRows(random_rows(5, 3, 2), 3), 0, bad), Error);
    std::int64_t done = 0;
    search.search(TestRows(random_rows(10000, 4, 2), 4, 1), 0, bad, [&](std::int64_t rows) {
        done += rows;
        return false;
    });
    CHECK(done > 0);
    CHECK(done < 10000);
}
