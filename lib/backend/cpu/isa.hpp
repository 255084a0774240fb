// SPDX-License-Identifier: MIT
#pragma once

#include "backend/cpu/cpu_backend.hpp"
#include "backend/cpu/kernel_table.hpp"

namespace clip::cpu {

/// The kernels of an instruction set, or null where this build has none.
const KernelTable* kernels_of(Isa isa);

} // namespace clip::cpu
