// SPDX-License-Identifier: MIT
#include "app/parts_that_fit.hpp"

#include <doctest/doctest.h>

#include <utility>
#include <vector>

#include "base/error.hpp"

using namespace clip;
using namespace clip::app;

namespace {

using Parts = std::vector<std::pair<std::size_t, std::size_t>>;

/// The parts that were computed, on a device with room for `room` items.
Parts parts_of(PartsThatFit& fit, std::size_t count, std::size_t room, bool smaller) {
    Parts done;
    CHECK(fit.run(count, [&](std::size_t first, std::size_t items) {
        if (items > room)
            fail(ErrorCode::out_of_memory, "no room");
        done.emplace_back(first, items);
    }) == smaller);
    return done;
}

} // namespace

TEST_CASE("parts that fit: are halved until they do, and stay so") {
    PartsThatFit fit;
    CHECK(parts_of(fit, 10, 100, false) == Parts{{0, 10}});
    CHECK(parts_of(fit, 10, 3, true) == Parts{{0, 2}, {2, 2}, {4, 2}, {6, 2}, {8, 2}});
    CHECK(fit.most() == 2);
    CHECK(parts_of(fit, 3, 100, false) == Parts{{0, 2}, {2, 1}});
    CHECK(parts_of(fit, 0, 0, false).empty());
}

TEST_CASE("parts that fit: where one item does not, or another thing went wrong, it is said") {
    PartsThatFit fit;
    int calls = 0;
    const auto refuse = [&](ErrorCode code) {
        try {
            fit.run(8, [&](std::size_t, std::size_t) {
                ++calls;
                fail(code, "refused");
            });
        } catch (const Error& error) {
            return error.code();
        }
        return ErrorCode::internal;
    };
    CHECK(refuse(ErrorCode::device_failure) == ErrorCode::device_failure);
    CHECK(calls == 1);
    CHECK(refuse(ErrorCode::out_of_memory) == ErrorCode::out_of_memory);
    CHECK(calls == 5); // 8, 4, 2, 1
}
