// SPDX-License-Identifier: MIT
#include "search/row_draw.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "base/random.hpp"

namespace clip {

namespace {

// Streams of the generator: what is held out, then the shots of each repeat.
constexpr std::uint64_t kHoldOut = 0, kFirstRepeat = 1;

/// Puts rows into a random order (Fisher and Yates).
void shuffle(std::vector<std::uint32_t>& rows, RandomStream random) {
    for (std::size_t left = rows.size(); left > 1; --left)
        std::swap(rows[left - 1], rows[random.below(static_cast<std::uint32_t>(left))]);
}

RandomStream stream_of(std::uint64_t seed, std::uint64_t purpose, std::size_t one_class) {
    return {seed, (purpose << 32U) + one_class};
}

} // namespace

RowSplit hold_out(const RowClasses& classes, std::span<const std::uint32_t> rows, double share,
                  std::uint64_t seed) {
    std::vector<std::vector<std::uint32_t>> of(classes.classes + 1);
    for (const std::uint32_t row : rows) {
        const std::span<const std::uint32_t> own = classes.of(row);
        of[own.empty() ? classes.classes : own.front()].push_back(row);
    }
    RowSplit out;
    for (std::size_t c = 0; c < of.size(); ++c) {
        if (of[c].empty())
            continue;
        shuffle(of[c], stream_of(seed, kHoldOut, c));
        const auto size = static_cast<std::ptrdiff_t>(of[c].size());
        std::ptrdiff_t held = std::lround(share * static_cast<double>(size));
        held = size == 1 ? 0 : std::clamp<std::ptrdiff_t>(held, 1, size - 1);
        out.held_out.insert(out.held_out.end(), of[c].begin(), of[c].begin() + held);
        out.kept.insert(out.kept.end(), of[c].begin() + held, of[c].end());
    }
    std::sort(out.held_out.begin(), out.held_out.end());
    std::sort(out.kept.begin(), out.kept.end());
    return out;
}

std::vector<std::uint32_t> draw_shots(const RowClasses& classes,
                                      std::span<const std::uint32_t> rows, std::size_t shots,
                                      std::uint64_t seed, std::uint64_t repeat) {
    std::vector<std::vector<std::uint32_t>> of(classes.classes);
    for (const std::uint32_t row : rows)
        for (const std::uint32_t c : classes.of(row))
            of[c].push_back(row);
    std::vector<std::uint32_t> out;
    for (std::size_t c = 0; c < of.size(); ++c) {
        if (of[c].size() < shots)
            fail(ErrorCode::invalid_argument,
                 concat("draw ", shots, " examples: class ", c, " has ", of[c].size()));
        shuffle(of[c], stream_of(seed, kFirstRepeat + repeat, c));
        out.insert(out.end(), of[c].begin(), of[c].begin() + static_cast<std::ptrdiff_t>(shots));
    }
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
}

std::vector<std::uint64_t> count_rows(const RowClasses& classes,
                                      std::span<const std::uint32_t> rows) {
    std::vector<std::uint64_t> out(classes.classes);
    for (const std::uint32_t row : rows)
        for (const std::uint32_t c : classes.of(row))
            ++out[c];
    return out;
}

} // namespace clip
