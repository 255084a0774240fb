// SPDX-License-Identifier: MIT
#include "search/lambda_search.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <map>

namespace clip {

namespace {

constexpr int kStepsOfDecade = 8;
constexpr int kFirstDistance = 16; // two decades

} // namespace

double lambda_at(int step) {
    // 10^(k/8) and powers of ten as literals: pow() is not the same everywhere.
    constexpr std::array<double, kStepsOfDecade> kEighths{1,
                                                          1.333521432163324,
                                                          1.7782794100389228,
                                                          2.371373705661655,
                                                          3.1622776601683795,
                                                          4.216965034285822,
                                                          5.623413251903491,
                                                          7.498942093324558};
    constexpr std::array<double, 13> kDecades{1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1,
                                              1e1,  1e2,  1e3,  1e4,  1e5,  1e6};
    return kEighths[static_cast<std::size_t>(step % kStepsOfDecade)] *
           kDecades[static_cast<std::size_t>(step / kStepsOfDecade)];
}

LambdaSearch search_lambda(const std::function<double(int step)>& score) {
    std::map<int, double> seen;
    const auto look = [&](int step) {
        if (step >= 0 && step <= kLambdaSteps && !seen.contains(step))
            seen.emplace(step, score(step));
    };
    const auto best = [&] {
        return std::max_element(seen.begin(), seen.end(),
                                [](const auto& a, const auto& b) { return a.second <= b.second; })
            ->first;
    };
    for (int step = kLambdaSteps; step >= 0; step -= kFirstDistance)
        look(step);
    for (int distance = kFirstDistance / 2; distance >= 1; distance /= 2) {
        const int peak = best();
        look(peak + distance);
        look(peak - distance);
    }
    LambdaSearch out{.best = best()};
    for (const auto& [step, value] : seen)
        out.points.push_back({step, value});
    return out;
}

} // namespace clip
