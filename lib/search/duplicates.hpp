// SPDX-License-Identifier: MIT
// All pairs of rows that are alike, as groups.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/thread_pool.hpp"
#include "search/row_block.hpp"
#include "search/row_set.hpp"

namespace clip {

struct DuplicateOptions {
    float least = 0.95F;  ///< two rows are linked where their cosine is at least this
    bool between = false; ///< only rows of different sets
};

struct DuplicateMember {
    std::uint64_t ordinal = 0; ///< over all sets
    double cosine = 1;         ///< with the group's first member
};

/// Finds the groups of rows that links connect, of two rows at least, in order of their first
/// members; members are in ascending order.
///
/// Every pair of rows is compared (exactly, see TopKSearch): N (N - 1) / 2 of them. Memory is 8
/// bytes a row and a few blocks. Rows that cannot be used are appended to `bad`, in order.
/// `progress` is called with the share that is done, from 0 to 1; returning false ends the search
/// with what was found so far.
/// Errors: shape_mismatch (sets of different widths), truncated, bad_format, io_failure (members
/// that cannot be read again).
std::vector<std::vector<DuplicateMember>>
find_duplicates(ThreadPool& pool, std::span<const RowSet* const> sets,
                const DuplicateOptions& options, std::vector<BadRows>& bad,
                const std::function<bool(double share)>& progress = {});

} // namespace clip
