// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <atomic>
#include <vector>

#include "base/error.hpp"
#include "base/thread_pool.hpp"

using namespace clip;

TEST_CASE("thread pool: every item is done exactly once, whatever the threads and the grain") {
    for (std::size_t threads : {1, 2, 5}) {
        ThreadPool pool(threads);
        for (std::size_t count : {0, 1, 7, 1000})
            for (std::size_t grain : {1, 3, 2000}) {
                std::vector<std::atomic<int>> hits(count);
                pool.parallel_for(count, grain, [&](std::size_t begin, std::size_t end) {
                    for (std::size_t i = begin; i < end; ++i)
                        ++hits[i];
                });
                for (auto& hit : hits)
                    REQUIRE(hit == 1);
            }
    }
}

TEST_CASE("thread pool: an exception reaches the caller and the pool stays usable") {
    ThreadPool pool(3);
    CHECK_THROWS_AS(pool.parallel_for(100, 1,
                                      [](std::size_t begin, std::size_t) {
                                          if (begin == 41)
                                              fail(ErrorCode::bad_format, "item 41");
                                      }),
                    Error);
    std::atomic<int> sum{0};
    pool.parallel_for(10, 1, [&](std::size_t begin, std::size_t) { sum += int(begin); });
    CHECK(sum == 45);
}

TEST_CASE("thread pool: a loop inside a loop runs on its own thread") {
    ThreadPool pool(2);
    std::atomic<int> sum{0};
    pool.parallel_for(4, 1, [&](std::size_t, std::size_t) {
        pool.parallel_for(5, 2, [&](std::size_t begin, std::size_t end) { sum += int(end - begin); });
    });
    CHECK(sum == 20);
}
