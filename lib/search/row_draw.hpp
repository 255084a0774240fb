// SPDX-License-Identifier: MIT
// Rows drawn at random, the same on every machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "search/logistic_regression.hpp"

namespace clip {

/// Rows in two parts, each in ascending order.
struct RowSplit {
    std::vector<std::uint32_t> kept, held_out;
};

/// Holds out a share of each class's rows, rounded to the nearest row, at least one row of a class
/// with two or more, and never its last one. A row of several classes is taken by its first; rows
/// of none are a class of their own.
RowSplit hold_out(const RowClasses& classes, std::span<const std::uint32_t> rows, double share,
                  std::uint64_t seed);

/// `shots` rows of each class out of `rows`, in ascending order, each once (a row of several
/// classes may be drawn for each of them). What is drawn for more shots holds what is drawn for
/// fewer. Errors: invalid_argument (a class has fewer rows; the message gives its index as "class
/// N").
std::vector<std::uint32_t> draw_shots(const RowClasses& classes,
                                      std::span<const std::uint32_t> rows, std::size_t shots,
                                      std::uint64_t seed, std::uint64_t repeat);

/// How many of `rows` each class has: (C).
std::vector<std::uint64_t> count_rows(const RowClasses& classes,
                                      std::span<const std::uint32_t> rows);

} // namespace clip
