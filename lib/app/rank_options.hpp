// SPDX-License-Identifier: MIT
// What the options of clip-rank mean, and which of them do not go together.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "app/rank.hpp"

namespace clip::app {

enum class RankScores : std::uint8_t { cosine, softmax, logit };

/// Errors: invalid_argument.
RankScores parse_rank_scores(const std::string& text);

/// A term of query arithmetic: "2:a dog" is 2 and "a dog"; without a number before a colon the
/// weight is 1.
struct WeightedTerm {
    double weight = 1;
    std::string item;
};
/// Errors: invalid_argument (nothing after the weight; a weight that is not finite or not above 0).
WeightedTerm parse_weighted_term(std::string_view text);

/// Errors: invalid_argument.
void check_rank_options(const RankOptions& options);

} // namespace clip::app
