// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backend/backend.hpp"

namespace clip {

/// The vectors that are searched for.
struct SearchQueries {
    std::int64_t width = 0;    ///< E
    std::vector<float> values; ///< (Q, E) as given
    std::vector<float> unit;   ///< (Q, E) brought to length 1
    std::vector<double> norms; ///< (Q) lengths as given

    std::int64_t count() const { return static_cast<std::int64_t>(norms.size()); }
    const float* row(std::int64_t q) const { return values.data() + q * width; }
    ConstView view(std::int64_t first, std::int64_t count) const {
        return {row(first), Shape{count, width}, DType::f32, {}};
    }
};

/// Errors: invalid_argument (a row that is not finite, or all zeros; its number is in the message).
SearchQueries make_search_queries(std::span<const float> values, std::int64_t width);

} // namespace clip
