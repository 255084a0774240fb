// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace clip {

/// Where a tensor's bytes live.
struct Device {
    enum class Kind : std::uint8_t { cpu, cuda };
    Kind kind = Kind::cpu;
    int index = 0; ///< which GPU; 0 for the CPU

    bool operator==(const Device&) const = default;
    bool is_cpu() const { return kind == Kind::cpu; }
    /// "cpu" or "cuda:0".
    std::string to_string() const { return is_cpu() ? "cpu" : "cuda:" + std::to_string(index); }
};

} // namespace clip
