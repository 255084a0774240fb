// SPDX-License-Identifier: MIT
#include "draw/axis.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/concat.hpp"

namespace clip {

namespace {

/// The shortest spelling that reads back as the same number.
std::string format_shortest(double value) {
    return concat(value);
}

} // namespace

double Axis::share(double value) const {
    return ((log2 ? std::log2(value) : value) - low) / (high - low);
}

Axis linear_axis(double low, double high, int wanted) {
    // A flat line gets some height; so does one whose height is lost in the rounding of its values.
    const double magnitude = std::max(std::fabs(low), std::fabs(high));
    if (high - low <= magnitude * 1e-9) {
        const double room = magnitude > 0.0 ? magnitude * 0.05 : 0.5;
        low -= room;
        high += room;
    }
    const double rough = (high - low) / std::max(wanted, 1);
    const double power = std::floor(std::log10(rough));
    const double base = std::pow(10.0, power);
    double step = 10.0 * base;
    int decimals = static_cast<int>(-power) - 1;
    for (const double factor : {1.0, 2.0, 5.0})
        if (factor * base >= rough) {
            step = factor * base;
            decimals = static_cast<int>(-power);
            break;
        }
    Axis axis;
    const double room = (high - low) * 0.04;
    axis.low = low - room;
    axis.high = high + room;
    const bool plain = decimals <= 6 && magnitude < 1e7;
    for (double i = std::ceil(axis.low / step); i <= std::floor(axis.high / step); ++i) {
        axis.ticks.push_back(i == 0.0 ? 0.0 : i * step);
        axis.labels.push_back(plain ? format_fixed(axis.ticks.back(), std::max(decimals, 0))
                                    : format_shortest(axis.ticks.back()));
    }
    return axis;
}

Axis log2_axis(double low, double high, int most) {
    Axis axis;
    axis.log2 = true;
    const double first = std::log2(low), last = std::log2(high);
    const double room = std::max((last - first) * 0.05, 0.15);
    axis.low = first - room;
    axis.high = last + room;
    const double count = std::floor(axis.high) - std::ceil(axis.low) + 1.0;
    const double step = std::max(1.0, std::ceil(count / std::max(most, 1)));
    for (double i = std::ceil(axis.low); i <= std::floor(axis.high); i += step) {
        axis.ticks.push_back(std::exp2(i));
        axis.labels.push_back(format_shortest(axis.ticks.back()));
    }
    return axis;
}

std::string format_count(std::uint64_t count) {
    const std::string digits = concat(count);
    std::string out;
    for (std::size_t i = 0; i < digits.size(); ++i) {
        if (i != 0 && (digits.size() - i) % 3 == 0)
            out += ',';
        out += digits[i];
    }
    return out;
}

std::string format_short_count(std::uint64_t count) {
    if (count < 10000)
        return concat(count);
    double value = static_cast<double>(count);
    for (const char unit : {'k', 'M', 'G', 'T', 'P'}) {
        value /= 1000.0;
        if (value < 9.95)
            return concat(format_fixed(value, 1), unit);
        if (value < 999.5)
            return concat(format_fixed(value, 0), unit);
    }
    return concat(format_fixed(value / 1000.0, 0), 'E');
}

std::string format_fixed(double value, int decimals) {
    char buffer[512];
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed,
                                   std::clamp(decimals, 0, 20));
    std::string out(buffer, end.ptr);
    const bool zero = out.find_first_of("123456789") == std::string::npos;
    return zero && out.front() == '-' ? out.substr(1) : out;
}

} // namespace clip
