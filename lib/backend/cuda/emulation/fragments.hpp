// SPDX-License-Identifier: MIT
// Which lane holds which element of a matrix instruction's operands.
//
// Source: PTX ISA 8.5, section 9.7.14.5 "matrix fragments": .m16n8k16 of .f16/.bf16, .m16n8k8 of
// .tf32, and "ldmatrix". With group = lane / 4 and place = lane % 4 a lane of
//   A (16, 16) holds rows group and group + 8, columns 2 place, 2 place + 1 and these + 8;
//   B (16, 8)  holds column group, rows 2 place, 2 place + 1 and these + 8;
//   C (16, 8)  holds rows group and group + 8, columns 2 place and 2 place + 1.
#pragma once

#include <cstdint>

namespace clip::cuda::emulation {

struct Element {
    int row, column;
};

/// Of m16n8k16, 16-bit operands: element `i` (0 to 7, two a register, the low half first) of A.
constexpr Element a_m16n8k16(int lane, int i) {
    return {lane / 4 + (i % 4 >= 2 ? 8 : 0), lane % 4 * 2 + (i & 1) + (i >= 4 ? 8 : 0)};
}
/// Element `i` (0 to 3) of B.
constexpr Element b_m16n8k16(int lane, int i) {
    return {lane % 4 * 2 + (i & 1) + (i >= 2 ? 8 : 0), lane / 4};
}
/// Element `i` (0 to 3) of C and D, of m16n8k16 and m16n8k8.
constexpr Element c_m16n8(int lane, int i) {
    return {lane / 4 + (i >= 2 ? 8 : 0), lane % 4 * 2 + (i & 1)};
}
/// Of m16n8k8, TF32 operands: register `i` (0 to 3) of A.
constexpr Element a_m16n8k8_tf32(int lane, int i) {
    return {lane / 4 + (i % 2 == 1 ? 8 : 0), lane % 4 + (i >= 2 ? 4 : 0)};
}
/// Register `i` (0 or 1) of B.
constexpr Element b_m16n8k8_tf32(int lane, int i) {
    return {lane % 4 + (i == 1 ? 4 : 0), lane / 4};
}
/// Of an 8 x 8 matrix that ldmatrix reads: element `i` (0 or 1) of the register it goes to.
constexpr Element ldmatrix_element(int lane, int i, bool transposed) {
    return transposed ? Element{lane % 4 * 2 + i, lane / 4} : Element{lane / 4, lane % 4 * 2 + i};
}

/// What a lane brings to mma.
struct MmaOperands {
    float* d = nullptr;               ///< 4
    const std::uint32_t* a = nullptr; ///< 4
    const std::uint32_t* b = nullptr; ///< 2
};
/// What a lane brings to ldmatrix.
struct LdmatrixOperands {
    std::uint32_t* r = nullptr; ///< one a matrix
    const void* row = nullptr;  ///< 16 bytes of shared memory
};

// WarpFunction each: `operands` are 32 of the above.
//
// The sum of c and all products is exact here and then cut off, not rounded, as tensor cores do
// (Fasi et al. 2021, "Numerical behavior of NVIDIA tensor cores"): a kernel that needs better has
// to add what comes out itself.
void mma_m16n8k16_f16(void* const* operands);
void mma_m16n8k16_bf16(void* const* operands);
void mma_m16n8k8_tf32(void* const* operands);
void ldmatrix_x4(void* const* operands);
void ldmatrix_x2(void* const* operands);
void ldmatrix_x4_transposed(void* const* operands);
void ldmatrix_x2_transposed(void* const* operands);

/// A double as a float32, cut off toward zero.
float toward_zero(double value);

} // namespace clip::cuda::emulation
