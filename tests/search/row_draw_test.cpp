// SPDX-License-Identifier: MIT
#include "search/row_draw.hpp"

#include <algorithm>
#include <numeric>

#include <doctest/doctest.h>

#include "base/error.hpp"

using namespace clip;

namespace {

using Rows = std::vector<std::uint32_t>;

/// Class 0: 50 rows, class 1: 5, class 2: one, class 3: two.
RowClasses uneven() {
    RowClasses out{.classes = 4};
    for (std::size_t i = 0; i < 58; ++i)
        out.add(std::vector<std::size_t>{i < 50 ? 0U : i < 55 ? 1U : i < 56 ? 2U : 3U});
    return out;
}

Rows all_rows(const RowClasses& classes) {
    Rows out(classes.rows());
    std::iota(out.begin(), out.end(), 0U);
    return out;
}

} // namespace

TEST_CASE("row draw: a share of each class is held out, never its last row") {
    const RowClasses classes = uneven();
    const RowSplit split = hold_out(classes, all_rows(classes), 0.2, 7);
    CHECK(count_rows(classes, split.held_out) == std::vector<std::uint64_t>{10, 1, 0, 1});
    CHECK(count_rows(classes, split.kept) == std::vector<std::uint64_t>{40, 4, 1, 1});
    CHECK(std::is_sorted(split.kept.begin(), split.kept.end()));
    Rows both = split.kept;
    both.insert(both.end(), split.held_out.begin(), split.held_out.end());
    std::sort(both.begin(), both.end());
    CHECK(both == all_rows(classes));
    CHECK(hold_out(classes, all_rows(classes), 0.2, 7).held_out == split.held_out);
    CHECK(hold_out(classes, all_rows(classes), 0.2, 8).held_out != split.held_out);
}

TEST_CASE("row draw: so many examples a class, and fewer are among more") {
    RowClasses classes{.classes = 3};
    for (std::size_t i = 0; i < 90; ++i)
        classes.add(std::vector<std::size_t>{i % 3});
    const Rows rows = all_rows(classes);
    const Rows four = draw_shots(classes, rows, 4, 1, 0),
               eight = draw_shots(classes, rows, 8, 1, 0);
    CHECK(count_rows(classes, four) == std::vector<std::uint64_t>{4, 4, 4});
    CHECK(count_rows(classes, eight) == std::vector<std::uint64_t>{8, 8, 8});
    CHECK(std::includes(eight.begin(), eight.end(), four.begin(), four.end()));
    CHECK(draw_shots(classes, rows, 4, 1, 1) != four);
    CHECK(draw_shots(classes, rows, 30, 1, 2) == rows);
    CHECK_THROWS_WITH_AS(draw_shots(classes, rows, 31, 1, 0), "draw 31 examples: class 0 has 30",
                         Error);
}
