// SPDX-License-Identifier: MIT
// exp and log from IEEE operations alone: the same bits on every processor. The C library picks
// between variants with and without fused multiply-adds, which differ in the last digit.
#pragma once

#include <bit>
#include <cstdint>

namespace clip {

/// e^x for x in [-700, 700]; below and above, that of the bound. Relative error below 1e-15.
inline double exact_exp(double x) {
    constexpr double kLog2E = 1.4426950408889634074;
    constexpr double kLn2High = 6.93147180369123816490e-01, kLn2Low = 1.90821492927058770002e-10;
    constexpr double kRound = 6755399441055744.0; // 1.5 * 2^52: adding it rounds to an integer
    x = x < -700 ? -700 : x > 700 ? 700 : x;
    const double shifted = x * kLog2E + kRound;
    const double k = shifted - kRound;
    const double r = (x - k * kLn2High) - k * kLn2Low; // |r| <= ln(2) / 2
    double sum = 1.0 / 6227020800;                     // 1 / 13!
    sum = sum * r + 1.0 / 479001600;
    sum = sum * r + 1.0 / 39916800;
    sum = sum * r + 1.0 / 3628800;
    sum = sum * r + 1.0 / 362880;
    sum = sum * r + 1.0 / 40320;
    sum = sum * r + 1.0 / 5040;
    sum = sum * r + 1.0 / 720;
    sum = sum * r + 1.0 / 120;
    sum = sum * r + 1.0 / 24;
    sum = sum * r + 1.0 / 6;
    sum = sum * r + 0.5;
    sum = sum * r * r + r + 1;
    // The low bits of `shifted` are k: put it into the exponent.
    const auto exponent = std::bit_cast<std::uint64_t>(shifted) << 52U;
    return std::bit_cast<double>(std::bit_cast<std::uint64_t>(sum) + exponent);
}

/// ln x for positive, normal x. Absolute error below 1e-15 (1 + |ln x|).
inline double exact_log(double x) {
    constexpr double kLn2 = 0.693147180559945309417;
    constexpr std::uint64_t kSqrtHalf = 0x3FE6A09E667F3BCDU; // sqrt(1/2) as bits
    const auto bits = std::bit_cast<std::uint64_t>(x);
    const std::uint64_t biased = (bits - kSqrtHalf) & 0xFFF0000000000000U;
    const double m = std::bit_cast<double>(bits - biased); // in [sqrt(1/2), sqrt(2))
    const double k = static_cast<double>(static_cast<std::int64_t>(biased) >> 52);
    const double s = (m - 1) / (m + 1); // ln m = 2 artanh(s)
    const double square = s * s;
    double sum = 1.0 / 23;
    for (int odd = 21; odd >= 3; odd -= 2)
        sum = sum * square + 1.0 / odd;
    return k * kLn2 + (2 * s + 2 * s * square * sum);
}

} // namespace clip
