// SPDX-License-Identifier: MIT
#include "search/queries.hpp"

#include <cmath>

#include "backend/ref/exact_dots.hpp"
#include "base/concat.hpp"
#include "base/error.hpp"

namespace clip {

SearchQueries make_search_queries(std::span<const float> values, std::int64_t width) {
    SearchQueries out{.width = width,
                      .values = {values.begin(), values.end()},
                      .unit = std::vector<float>(values.size())};
    for (std::size_t first = 0; first < values.size(); first += static_cast<std::size_t>(width)) {
        const float* row = values.data() + first;
        const double norm = std::sqrt(ref::exact_dot(row, row, width));
        if (!std::isfinite(norm) || norm == 0)
            fail(ErrorCode::invalid_argument,
                 concat("search: query ", out.norms.size() + 1,
                        norm == 0 ? " is all zeros" : " holds a value that is not finite"));
        out.norms.push_back(norm);
        for (std::size_t i = first; i < first + static_cast<std::size_t>(width); ++i)
            out.unit[i] = static_cast<float>(static_cast<double>(values[i]) / norm);
    }
    return out;
}

} // namespace clip
