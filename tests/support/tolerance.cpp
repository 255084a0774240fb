// SPDX-License-Identifier: MIT
#include "support/tolerance.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "base/concat.hpp"

namespace clip::test {

namespace {

double floor_of(DType dtype) {
    switch (dtype) {
    case DType::f16:
        return 1e-3;
    case DType::bf16:
        return 8e-3;
    default:
        return 1e-6;
    }
}

Comparison wrong(std::string problem) {
    Comparison result;
    result.ok = false;
    result.problem = std::move(problem);
    return result;
}

bool same_special(double got, double want) {
    return std::isnan(want) ? std::isnan(got) : got == want;
}

} // namespace

Comparison compare(std::span<const float> got, std::span<const double> oracle,
                   std::span<const float> naive, DType dtype, double nmse_bound) {
    if (got.size() != oracle.size() || naive.size() != oracle.size())
        return wrong(concat("sizes differ (got ", got.size(), " and ", naive.size(), ", want ",
                            oracle.size(), ")"));
    double largest = 0, naive_error = 0, squared_error = 0, squares = 0;
    Comparison result;
    std::size_t worst = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
        const double rounded = static_cast<float>(oracle[i]);
        if (!std::isfinite(rounded)) {
            if (!same_special(got[i], rounded))
                return wrong(concat("element ", i, " (got ", got[i], ", want ", rounded, ")"));
            continue;
        }
        if (!std::isfinite(got[i]))
            return wrong(concat("element ", i, " (got ", got[i], ", want ", oracle[i], ")"));
        if (!std::isfinite(naive[i]))
            return wrong(concat("the case is out of float32's range at element ", i));
        const double error = std::abs(got[i] - oracle[i]);
        if (error > result.max_error) {
            result.max_error = error;
            worst = i;
        }
        naive_error = std::max(naive_error, std::abs(naive[i] - oracle[i]));
        largest = std::max(largest, std::abs(oracle[i]));
        squared_error += error * error;
        squares += oracle[i] * oracle[i];
    }
    result.allowed = 2 * naive_error + floor_of(dtype) * largest;
    result.nmse = squares > 0 ? squared_error / squares : 0;
    if (result.max_error > result.allowed)
        result.problem =
            concat("element ", worst, " is off by ", result.max_error, " (got ", got[worst],
                   ", want ", oracle[worst], " within ", result.allowed, ")");
    else if (result.nmse > nmse_bound)
        result.problem = concat("nmse is ", result.nmse, ", want at most ", nmse_bound);
    result.ok = result.problem.empty();
    return result;
}

Comparison compare_bits(std::span<const float> got, std::span<const float> want) {
    if (got.size() != want.size())
        return wrong(concat("sizes differ (got ", got.size(), ", want ", want.size(), ")"));
    for (std::size_t i = 0; i < got.size(); ++i)
        if (std::bit_cast<std::uint32_t>(got[i]) != std::bit_cast<std::uint32_t>(want[i]))
            return wrong(
                concat("element ", i, " has other bits (got ", got[i], ", want ", want[i], ")"));
    return {};
}

} // namespace clip::test
