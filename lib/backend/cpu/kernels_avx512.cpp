// SPDX-License-Identifier: MIT
// The kernels for AVX-512 F, BW, DQ and VL; CMakeLists.txt gives this file its flags.
#include "backend/cpu/kernel_table.hpp"

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
// clang-format off
#include "backend/cpu/vec_avx512.hpp"
#include "backend/cpu/make_table.hpp"
// clang-format on

namespace clip::cpu {
const KernelTable* avx512_kernels() {
    return &kTable;
}
} // namespace clip::cpu
#else
namespace clip::cpu {
const KernelTable* avx512_kernels() {
    return nullptr;
}
} // namespace clip::cpu
#endif
