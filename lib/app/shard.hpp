// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

#include "app/environment.hpp"

namespace clip::app {

/// Every `count`-th input, from the `index`-th.
struct Shard {
    std::uint64_t index = 1; ///< from 1
    std::uint64_t count = 1;

    /// Whether the input at `position` (from 1) is this shard's.
    bool takes(std::uint64_t position) const { return (position - 1) % count == index - 1; }
};

/// Reads "K/N", or "auto": what the launcher says, and everything where there is no launcher.
/// Empty is everything. Errors: invalid_argument.
Shard parse_shard(const std::string& text, const Environment& environment);

} // namespace clip::app
