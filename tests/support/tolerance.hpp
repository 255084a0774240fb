// SPDX-License-Identifier: MIT
// How far from the truth a result may be: never further than twice a naive computation in the same
// precision, plus a floor. No tolerance is tuned to what an implementation happens to give.
#pragma once

#include <span>
#include <string>

#include "base/dtype.hpp"

namespace clip::test {

/// What comparing two results gave; `ok` is the verdict.
struct Comparison {
    bool ok = true;
    std::string problem; ///< one line that says what was wrong where; empty when ok
    double max_error = 0;
    double allowed = 0; ///< what max_error was held against
    double nmse = 0;    ///< sum of squared errors / sum of the oracle's squares
};

/// Bounds of the normalised mean square error in float32.
constexpr double kElementwiseNmse = 1e-10;
constexpr double kReductionNmse = 1e-7;
/// That of sums whose factors or results have another type.
constexpr double reduction_nmse(DType dtype) {
    return dtype == DType::f16 ? 1e-6 : dtype == DType::bf16 ? 1e-4 : kReductionNmse;
}

/// Compares `got` with `oracle`, computed in double from the same inputs, and `naive`, computed by
/// plain loops in the precision of `got`.
///
/// max|got - oracle| may be 2 max|naive - oracle| + floor(dtype) max|oracle|, with floors f32 1e-6,
/// f16 1e-3, bf16 8e-3. NaN and infinities must be where the oracle, rounded to float32, has them.
Comparison compare(std::span<const float> got, std::span<const double> oracle,
                   std::span<const float> naive, DType dtype = DType::f32,
                   double nmse_bound = kReductionNmse);

/// Bit for bit, NaN included; the problem names the first element that differs.
Comparison compare_bits(std::span<const float> got, std::span<const float> want);

} // namespace clip::test
