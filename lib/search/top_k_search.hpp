// SPDX-License-Identifier: MIT
// The k nearest rows of each query, exactly, whatever the number of rows.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/thread_pool.hpp"
#include "search/queries.hpp"
#include "search/row_block.hpp"

namespace clip {

struct SearchOptions {
    std::int64_t k = 10;        ///< hits a query; 0: all
    std::optional<float> least; ///< only hits of at least this cosine
    /// Where given, sums of exp(scale * cosine) over all rows are kept, for softmax.
    std::optional<double> softmax_scale;
};

struct SearchHit {
    std::uint64_t ordinal = 0; ///< of the row, counted over all searched sets
    double cosine = 0;         ///< in float64; hits are ordered by it rounded to float32
    float score() const { return static_cast<float>(cosine); }
};

/// Collects the best rows of any number of row sets.
///
/// Cosines are those of float64 arithmetic on the values as they are stored. Hits are ordered by
/// their cosine rounded to float32, best first, then by ordinal: the result does not depend on
/// blocks, threads, instruction sets or the order in which sets were searched. Memory is that of
/// the queries, of k hits for each query and thread, and of one block a thread.
/// Source: the search of Radford et al. 2021 section 3.1.2 in the form of a streaming top-k.
class TopKSearch {
  public:
    /// `queries` and `pool` must outlive this.
    TopKSearch(ThreadPool& pool, const SearchQueries& queries, const SearchOptions& options);
    ~TopKSearch();

    /// Goes through all rows of a set, which get the ordinals from `first_ordinal` on. Rows that
    /// cannot be used are appended to `bad`, in order. `progress` is called from time to time with
    /// the number of rows done since its last call; returning false ends the search. `taken`, where
    /// given, gets the ordinals that were among the best of some thread for some time.
    /// Errors: shape_mismatch (rows of another width than the queries).
    void search(const RowSet& rows, std::uint64_t first_ordinal, std::vector<BadRows>& bad,
                const std::function<bool(std::int64_t rows)>& progress = {},
                std::vector<std::uint64_t>* taken = nullptr);

    /// The hits of each query so far, best first.
    std::vector<std::vector<SearchHit>> hits() const;
    /// log(sum of exp(scale * cosine)) over all rows so far, for each query.
    std::vector<double> log_sums() const;
    /// The rows that are among the best k of any thread for any query now, in order: all that
    /// hits() can return later.
    std::vector<std::uint64_t> held_ordinals() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

} // namespace clip
