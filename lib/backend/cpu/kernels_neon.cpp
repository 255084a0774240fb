// SPDX-License-Identifier: MIT
// The kernels for NEON; CMakeLists.txt gives this file its flags.
#include "backend/cpu/kernel_table.hpp"

#if defined(__aarch64__)
// clang-format off
#include "backend/cpu/vec_neon.hpp"
#include "backend/cpu/make_table.hpp"
// clang-format on

namespace clip::cpu {
const KernelTable* neon_kernels() {
    return &kTable;
}
} // namespace clip::cpu
#else
namespace clip::cpu {
const KernelTable* neon_kernels() {
    return nullptr;
}
} // namespace clip::cpu
#endif
