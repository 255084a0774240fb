// SPDX-License-Identifier: MIT
// Which strength of the penalty is best, by the paper's search.
#pragma once

#include <functional>
#include <vector>

namespace clip {

/// Steps between the smallest lambda, 1e-6, and the largest, 1e6: eight a decade.
inline constexpr int kLambdaSteps = 96;

/// 10^(-6 + step / 8), for step in [0, kLambdaSteps]. The same bits on every machine.
double lambda_at(int step);

struct LambdaPoint {
    int step = 0;
    double score = 0; ///< higher is better
};

struct LambdaSearch {
    int best = 0;                    ///< a step; of equal scores the larger lambda
    std::vector<LambdaPoint> points; ///< all that were looked at, by step
};

/// Looks at 1e-6, 1e-4, ... 1e6, from the largest to the smallest, then around the best of all at
/// half the distance, until that is one step: at most 15 calls of `score`.
/// Source: Radford et al. 2021, appendix A.3.
LambdaSearch search_lambda(const std::function<double(int step)>& score);

} // namespace clip
