// SPDX-License-Identifier: MIT
// The emulation's matrix instructions against tables typed from the PTX manual's figures, element
// by element: they share no formula with emulation/fragments.hpp.
#include <doctest/doctest.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "backend/cuda/emulation/fragments.hpp"
#include "base/concat.hpp"
#include "base/dtype.hpp"

namespace clip::cuda::emulation {

namespace {

// Figure "fragment layout for matrix A with .f16/.bf16" of mma.m16n8k16, upper left quarter: which
// lane and element hold (row, column). The lower half is elements 2 and 3, the right half 4 to 7.
constexpr int kQuarterLanes[8][8] = {
    {0, 0, 1, 1, 2, 2, 3, 3},         {4, 4, 5, 5, 6, 6, 7, 7},
    {8, 8, 9, 9, 10, 10, 11, 11},     {12, 12, 13, 13, 14, 14, 15, 15},
    {16, 16, 17, 17, 18, 18, 19, 19}, {20, 20, 21, 21, 22, 22, 23, 23},
    {24, 24, 25, 25, 26, 26, 27, 27}, {28, 28, 29, 29, 30, 30, 31, 31}};

// Figure of matrix B (16, 8) of mma.m16n8k16: rows 0 to 7, whose elements are 0 and 1; rows 8 to 15
// are elements 2 and 3 of the same lanes.
constexpr int kBLanes[8][8] = {{0, 4, 8, 12, 16, 20, 24, 28},  {0, 4, 8, 12, 16, 20, 24, 28},
                               {1, 5, 9, 13, 17, 21, 25, 29},  {1, 5, 9, 13, 17, 21, 25, 29},
                               {2, 6, 10, 14, 18, 22, 26, 30}, {2, 6, 10, 14, 18, 22, 26, 30},
                               {3, 7, 11, 15, 19, 23, 27, 31}, {3, 7, 11, 15, 19, 23, 27, 31}};

// Figure of matrix A (16, 8) of mma.m16n8k8 with .tf32, rows 0 to 7, columns 0 to 3: register a0.
// Rows 8 to 15: a1; columns 4 to 7: a2 and a3.
constexpr int kTf32ALanes[8][4] = {{0, 1, 2, 3},     {4, 5, 6, 7},     {8, 9, 10, 11},
                                   {12, 13, 14, 15}, {16, 17, 18, 19}, {20, 21, 22, 23},
                                   {24, 25, 26, 27}, {28, 29, 30, 31}};
// Figure of matrix B (8, 8) with .tf32, rows 0 to 3: register b0. Rows 4 to 7: b1.
constexpr int kTf32BLanes[4][8] = {{0, 4, 8, 12, 16, 20, 24, 28},
                                   {1, 5, 9, 13, 17, 21, 25, 29},
                                   {2, 6, 10, 14, 18, 22, 26, 30},
                                   {3, 7, 11, 15, 19, 23, 27, 31}};

/// The operands of 32 lanes, and the pointers that a WarpFunction takes.
struct Lanes {
    std::array<std::array<float, 4>, 32> d{};
    std::array<std::array<std::uint32_t, 4>, 32> a{};
    std::array<std::array<std::uint32_t, 2>, 32> b{};
    std::array<MmaOperands, 32> operands{};
    std::array<void*, 32> pointers{};

    Lanes() {
        for (std::size_t i = 0; i < 32; ++i) {
            operands[i] = {d[i].data(), a[i].data(), b[i].data()};
            pointers[i] = &operands[i];
        }
    }
    Lanes(const Lanes&) = delete;
    Lanes& operator=(const Lanes&) = delete;

    template <typename T>
    void set(std::uint32_t& into, int half, float value) {
        const std::uint32_t bits = T(value).bits;
        into = half == 0 ? (into & 0xffff0000U) | bits : (into & 0xffffU) | bits << 16U;
    }
    template <typename T>
    void set_a(int row, int column, float value) {
        const auto lane = static_cast<std::size_t>(kQuarterLanes[row % 8][column % 8]);
        const int element = column % 2 + (row >= 8 ? 2 : 0) + (column >= 8 ? 4 : 0);
        set<T>(a[lane][static_cast<std::size_t>(element / 2)], element % 2, value);
    }
    template <typename T>
    void set_b(int row, int column, float value) {
        const auto lane = static_cast<std::size_t>(kBLanes[row % 8][column]);
        const int element = row % 2 + (row >= 8 ? 2 : 0);
        set<T>(b[lane][static_cast<std::size_t>(element / 2)], element % 2, value);
    }
    float& d_at(int row, int column) {
        const auto lane = static_cast<std::size_t>(kQuarterLanes[row % 8][column]);
        return d[lane][static_cast<std::size_t>(column % 2 + (row >= 8 ? 2 : 0))];
    }
};

/// d = a b for each pair of unit matrices: every element of A meets every element of B.
template <typename T>
void check_16bit(void (*run)(void* const*)) {
    for (int i = 0; i < 16; ++i)
        for (int k = 0; k < 16; ++k)
            for (int j = 0; j < 8; ++j) {
                Lanes lanes;
                lanes.set_a<T>(i, k, 3.0F);
                lanes.set_b<T>(k, j, 5.0F);
                run(lanes.pointers.data());
                bool right = true;
                for (int row = 0; row < 16; ++row)
                    for (int column = 0; column < 8; ++column)
                        right = right &&
                                lanes.d_at(row, column) == (row == i && column == j ? 15.0F : 0.0F);
                if (!right)
                    FAIL_CHECK(concat("element ", i, ", ", k, ", ", j));
            }
}

} // namespace

TEST_CASE("fragments: m16n8k16 puts each element of f16 and bf16 where the manual's figures do") {
    check_16bit<Half>(mma_m16n8k16_f16);
    check_16bit<BFloat16>(mma_m16n8k16_bf16);
}

TEST_CASE("fragments: an A row meets no B row of another k") {
    Lanes lanes;
    for (int i = 0; i < 16; ++i)
        lanes.set_a<Half>(i, 3, 1.0F);
    for (int j = 0; j < 8; ++j)
        lanes.set_b<Half>(4, j, 1.0F);
    mma_m16n8k16_f16(lanes.pointers.data());
    for (const auto& d : lanes.d)
        CHECK(d == std::array<float, 4>{});
}

TEST_CASE("fragments: m16n8k8 puts each element of tf32 where the manual's figures do") {
    for (int i = 0; i < 16; ++i)
        for (int k = 0; k < 8; ++k)
            for (int j = 0; j < 8; ++j) {
                Lanes lanes;
                const auto a_lane = static_cast<std::size_t>(kTf32ALanes[i % 8][k % 4]);
                const auto b_lane = static_cast<std::size_t>(kTf32BLanes[k % 4][j]);
                lanes.a[a_lane][static_cast<std::size_t>((i >= 8 ? 1 : 0) + (k >= 4 ? 2 : 0))] =
                    std::bit_cast<std::uint32_t>(3.0F);
                lanes.b[b_lane][k >= 4 ? 1 : 0] = std::bit_cast<std::uint32_t>(5.0F);
                mma_m16n8k8_tf32(lanes.pointers.data());
                for (int row = 0; row < 16; ++row)
                    for (int column = 0; column < 8; ++column)
                        if (lanes.d_at(row, column) != (row == i && column == j ? 15.0F : 0.0F))
                            FAIL_CHECK(concat("element ", i, ", ", k, ", ", j));
            }
}

TEST_CASE("fragments: tf32 reads ten bits of mantissa, and sums are cut off toward zero") {
    Lanes lanes;
    lanes.a[0][0] = std::bit_cast<std::uint32_t>(1.0F + 0x1p-11F); // the last bit is not read
    lanes.b[0][0] = std::bit_cast<std::uint32_t>(1.0F);
    lanes.d_at(0, 0) = 0x1.fffffep23F; // + 1 needs a bit more than float32 has
    mma_m16n8k8_tf32(lanes.pointers.data());
    CHECK(lanes.d_at(0, 0) == 0x1p24F);
    CHECK(toward_zero(1.0 + 0x1p-24 + 0x1p-25) == 1.0F);
    CHECK(toward_zero(-1.0 - 0x1p-24 - 0x1p-25) == -1.0F);
    CHECK(toward_zero(1.5) == 1.5F);
    CHECK(std::isinf(toward_zero(1e300)));
    CHECK(std::isnan(toward_zero(std::nan(""))));
}

TEST_CASE("fragments: ldmatrix gives lane i elements 2 (i % 4) and the next of row i / 4") {
    // The manual's figure: row r of a matrix goes to lanes 4 r to 4 r + 3, two elements each.
    alignas(16) std::uint16_t memory[4][8][8];
    for (int m = 0; m < 4; ++m)
        for (int row = 0; row < 8; ++row)
            for (int column = 0; column < 8; ++column)
                memory[m][row][column] = static_cast<std::uint16_t>(m * 1000 + row * 10 + column);
    std::array<std::array<std::uint32_t, 4>, 32> r{};
    std::array<LdmatrixOperands, 32> operands;
    std::array<void*, 32> pointers{};
    for (std::size_t i = 0; i < 32; ++i) {
        operands[i] = {r[i].data(), memory[i / 8][i % 8]};
        pointers[i] = &operands[i];
    }
    const auto low = [](std::uint32_t bits) { return static_cast<int>(bits & 0xffffU); };
    const auto high = [](std::uint32_t bits) { return static_cast<int>(bits >> 16U); };
    ldmatrix_x4(pointers.data());
    // Four lanes of the figure, typed out: lane, row, first column.
    constexpr int kPlain[6][3] = {{0, 0, 0}, {1, 0, 2},  {3, 0, 6},
                                  {4, 1, 0}, {17, 4, 2}, {31, 7, 6}};
    for (const auto& [lane, row, column] : kPlain)
        for (int m = 0; m < 4; ++m) {
            const std::uint32_t got =
                r[static_cast<std::size_t>(lane)][static_cast<std::size_t>(m)];
            CHECK(low(got) == m * 1000 + row * 10 + column);
            CHECK(high(got) == m * 1000 + row * 10 + column + 1);
        }
    ldmatrix_x4_transposed(pointers.data());
    for (const auto& [lane, row, column] : kPlain)
        for (int m = 0; m < 4; ++m) {
            const std::uint32_t got =
                r[static_cast<std::size_t>(lane)][static_cast<std::size_t>(m)];
            CHECK(low(got) == m * 1000 + column * 10 + row);
            CHECK(high(got) == m * 1000 + (column + 1) * 10 + row);
        }
    r = {};
    ldmatrix_x2(pointers.data());
    CHECK(high(r[31][1]) == 1077);
    CHECK(r[31][2] == 0);
    ldmatrix_x2_transposed(pointers.data());
    CHECK(low(r[1][1]) == 1020);
}

} // namespace clip::cuda::emulation
