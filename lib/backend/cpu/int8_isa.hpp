// SPDX-License-Identifier: MIT
// Which of the int8 kernels this machine runs.
#pragma once

#include <string_view>
#include <vector>

#include "backend/cpu/int8_table.hpp"

namespace clip::cpu {

struct Int8Choice {
    std::string_view name; ///< "avxvnni", "vnni" or "amx"
    const Int8Table* table;
};

/// What this build holds and this CPU and its system allow, slowest first; may be empty.
std::vector<Int8Choice> usable_int8();

} // namespace clip::cpu
