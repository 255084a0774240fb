// SPDX-License-Identifier: MIT
#include "search/incomplete_beta.hpp"

#include <array>
#include <cmath>
#include <cstddef>
#include <limits>

namespace clip {

namespace {

constexpr double kTiny = 1e-300;
constexpr double kTwoPi = 6.283185307179586477;

/// ln Gamma(n) less Stirling's formula: ln Gamma(n) = (n - 1/2) ln n - n + ln(2 pi)/2 + this.
/// Differences of whole logarithms would lose the digits that count: ln Gamma(1e6) is 1.3e7.
double stirling_rest(double n) {
    // Gamma(n) = Gamma(n + 1) / n until the series is good to the last digit.
    double rest = 0;
    while (n < 15) {
        // stirling(n + 1) - stirling(n) - ln n, of which the leading parts cancel
        rest += (n + 0.5) * std::log1p(1 / n) - 1;
        n += 1;
    }
    const double square = n * n;
    // B_2k / (2k (2k - 1)), k = 1 to 5
    constexpr std::array<double, 5> kSeries{1.0 / 12, -1.0 / 360, 1.0 / 1260, -1.0 / 1680,
                                            1.0 / 1188};
    double sum = 0;
    for (std::size_t k = kSeries.size(); k-- > 0;)
        sum = sum / square + kSeries[k];
    return rest + sum / n;
}

/// x ln(x / m) + m - x without cancellation near x = m. m is positive.
double deviance(double x, double m) {
    if (x == 0)
        return m;
    const double v = (x - m) / (x + m);
    if (std::abs(v) < 0.1) {
        // ln(x / m) = 2 artanh(v)
        double term = 2 * x * v, sum = (x - m) * v;
        const double square = v * v;
        for (int k = 3; k < 1000; k += 2) {
            term *= square;
            const double next = sum + term / k;
            if (next == sum)
                return sum;
            sum = next;
        }
        return sum;
    }
    return x * std::log(x / m) + m - x;
}

/// x^a (1 - x)^b / (a B(a, b)), where `y` is 1 - x.
double front(double a, double b, double x, double y) {
    // B(a, b) = Gamma(a) Gamma(b) / Gamma(a + b), each by Stirling: the powers meet in deviances.
    const double n = a + b;
    const double log_value = stirling_rest(n) - stirling_rest(a) - stirling_rest(b) -
                             deviance(a, n * x) - deviance(b, n * y);
    return std::exp(log_value) * std::sqrt(a * b / (kTwoPi * n)) / a;
}

/// The continued fraction of I_x(a, b) without its front. Converges fast for x < (a+1)/(a+b+2).
double fraction(double a, double b, double x) {
    const auto away_from_zero = [](double value) {
        return std::abs(value) < kTiny ? kTiny : value;
    };
    double c = 1, d = 1 / away_from_zero(1 - (a + b) * x / (a + 1)), value = d;
    for (int m = 1; m < 1000000; ++m) {
        const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        d = 1 / away_from_zero(1 + even * d);
        c = away_from_zero(1 + even / c);
        value *= c * d;
        const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        d = 1 / away_from_zero(1 + odd * d);
        c = away_from_zero(1 + odd / c);
        value *= c * d;
        if (std::abs(c * d - 1) <= std::numeric_limits<double>::epsilon())
            break;
    }
    return value;
}

} // namespace

double incomplete_beta(double a, double b, double x) {
    if (x <= 0)
        return 0;
    if (x >= 1)
        return 1;
    if (x < (a + 1) / (a + b + 2))
        return front(a, b, x, 1 - x) * fraction(a, b, x);
    return 1 - front(b, a, 1 - x, x) * fraction(b, a, 1 - x);
}

double inverse_incomplete_beta(double a, double b, double p) {
    if (p <= 0)
        return 0;
    if (p >= 1)
        return 1;
    // Halving between doubles: first by magnitude, so that tiny answers keep their digits.
    double low = 0, high = 1;
    for (int step = 0; step < 200; ++step) {
        const double middle = low > 0 && high / low > 4  ? std::sqrt(low * high)
                              : low == 0 && high > kTiny ? high / 16
                                                         : low + (high - low) / 2;
        if (middle <= low || middle >= high)
            break;
        (incomplete_beta(a, b, middle) < p ? low : high) = middle;
    }
    return low + (high - low) / 2;
}

} // namespace clip
