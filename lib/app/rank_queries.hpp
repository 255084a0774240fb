// SPDX-License-Identifier: MIT
// The queries of a command line as vectors.
#pragma once

#include <string>
#include <vector>

#include "app/input_vectors.hpp"
#include "app/rank.hpp"
#include "search/queries.hpp"

namespace clip::app {

struct RankQuery {
    std::string name; ///< what records call it: a text, or a path's raw bytes
    bool is_text = true;
    bool is_path = false; ///< the name is a path, and not a path with terms after it
};

struct RankQueries {
    std::vector<RankQuery> queries;
    SearchQueries vectors;
    std::uint64_t asked = 0; ///< how many there were, terms and those that failed too
};

/// Encodes -q, -i and the rows of --queries, in this order, and adds the terms of --plus and
/// --minus to each: the sum of unit vectors times their weights. Without a query of its own, the
/// terms are the query. What cannot be read goes to the failure log.
/// Errors: invalid_argument (terms that cancel each other), bad_format (no query is left; or a term
/// cannot be used, since all queries need it), and those of InputVectors.
RankQueries gather_queries(const RankOptions& options, InputVectors& vectors, Reporter& reporter);

} // namespace clip::app
