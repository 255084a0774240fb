// SPDX-License-Identifier: MIT
// The kernels for AVX2, FMA and F16C; CMakeLists.txt gives this file its flags.
#include "backend/cpu/kernel_table.hpp"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
// clang-format off
#include "backend/cpu/vec_avx2.hpp"
#include "backend/cpu/make_table.hpp"
// clang-format on

namespace clip::cpu {
const KernelTable* avx2_kernels() {
    return &kTable;
}
} // namespace clip::cpu
#else
namespace clip::cpu {
const KernelTable* avx2_kernels() {
    return nullptr;
}
} // namespace clip::cpu
#endif
