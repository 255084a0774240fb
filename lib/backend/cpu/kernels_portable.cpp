// SPDX-License-Identifier: MIT
// The kernels for any CPU; CMakeLists.txt gives this file its flags.
// clang-format off
#include "backend/cpu/vec_portable.hpp"
#include "backend/cpu/make_table.hpp"
// clang-format on

namespace clip::cpu {
const KernelTable* portable_kernels() {
    return &kTable;
}
} // namespace clip::cpu
