// SPDX-License-Identifier: MIT
#include "backend/cuda/emulation/fragments.hpp"

#include <bit>
#include <cmath>
#include <cstring>

#include "base/dtype.hpp"

namespace clip::cuda::emulation {

namespace {

constexpr int kLanes = 32;

template <typename T>
float half_of(std::uint32_t bits, int which) {
    T value;
    value.bits = static_cast<std::uint16_t>(bits >> (which == 0 ? 0U : 16U));
    return static_cast<float>(value);
}

/// a (16, k) row-major, b as (8, k): d += a b, for all lanes.
template <int K>
void multiply(void* const* operands, const float (&a)[16][K], const float (&b)[8][K]) {
    double sums[16][8];
    for (int row = 0; row < 16; ++row)
        for (int column = 0; column < 8; ++column) {
            double sum = 0;
            for (int k = 0; k < K; ++k)
                sum += static_cast<double>(a[row][k]) * b[column][k];
            sums[row][column] = sum;
        }
    for (int lane = 0; lane < kLanes; ++lane) {
        float* d = static_cast<const MmaOperands*>(operands[lane])->d;
        for (int i = 0; i < 4; ++i) {
            const Element at = c_m16n8(lane, i);
            d[i] = toward_zero(static_cast<double>(d[i]) + sums[at.row][at.column]);
        }
    }
}

template <typename T>
void mma_16bit(void* const* operands) {
    float a[16][16], b[8][16];
    for (int lane = 0; lane < kLanes; ++lane) {
        const auto& own = *static_cast<const MmaOperands*>(operands[lane]);
        for (int i = 0; i < 8; ++i) {
            const Element at = a_m16n8k16(lane, i);
            a[at.row][at.column] = half_of<T>(own.a[i / 2], i % 2);
        }
        for (int i = 0; i < 4; ++i) {
            const Element at = b_m16n8k16(lane, i);
            b[at.column][at.row] = half_of<T>(own.b[i / 2], i % 2);
        }
    }
    multiply(operands, a, b);
}

template <int Matrices, bool Transposed>
void ldmatrix(void* const* operands) {
    std::uint16_t rows[Matrices][8][8];
    for (int m = 0; m < Matrices; ++m)
        for (int row = 0; row < 8; ++row)
            std::memcpy(rows[m][row],
                        static_cast<const LdmatrixOperands*>(operands[m * 8 + row])->row, 16);
    for (int lane = 0; lane < kLanes; ++lane)
        for (int m = 0; m < Matrices; ++m) {
            const Element low = ldmatrix_element(lane, 0, Transposed);
            const Element high = ldmatrix_element(lane, 1, Transposed);
            static_cast<const LdmatrixOperands*>(operands[lane])->r[m] =
                rows[m][low.row][low.column] |
                static_cast<std::uint32_t>(rows[m][high.row][high.column]) << 16U;
        }
}

} // namespace

float toward_zero(double value) {
    const auto nearest = static_cast<float>(value);
    if (std::isfinite(nearest) && std::fabs(static_cast<double>(nearest)) > std::fabs(value))
        return std::nextafter(nearest, 0.0F);
    return nearest;
}

void mma_m16n8k16_f16(void* const* operands) {
    mma_16bit<Half>(operands);
}

void mma_m16n8k16_bf16(void* const* operands) {
    mma_16bit<BFloat16>(operands);
}

void mma_m16n8k8_tf32(void* const* operands) {
    constexpr std::uint32_t kKept =
        0xffffe000U; // TF32 has 10 bits of mantissa; the rest is not read
    float a[16][8], b[8][8];
    for (int lane = 0; lane < kLanes; ++lane) {
        const auto& own = *static_cast<const MmaOperands*>(operands[lane]);
        for (int i = 0; i < 4; ++i) {
            const Element at = a_m16n8k8_tf32(lane, i);
            a[at.row][at.column] = std::bit_cast<float>(own.a[i] & kKept);
        }
        for (int i = 0; i < 2; ++i) {
            const Element at = b_m16n8k8_tf32(lane, i);
            b[at.column][at.row] = std::bit_cast<float>(own.b[i] & kKept);
        }
    }
    multiply(operands, a, b);
}

void ldmatrix_x4(void* const* operands) {
    ldmatrix<4, false>(operands);
}

void ldmatrix_x2(void* const* operands) {
    ldmatrix<2, false>(operands);
}

void ldmatrix_x4_transposed(void* const* operands) {
    ldmatrix<4, true>(operands);
}

void ldmatrix_x2_transposed(void* const* operands) {
    ldmatrix<2, true>(operands);
}

} // namespace clip::cuda::emulation
