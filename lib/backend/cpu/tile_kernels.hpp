// SPDX-License-Identifier: MIT
// The register tiles of the packed GEMM and what happens to their sums on the way to memory.
// Included after vec_math.hpp.
//
// A tile keeps (rows, panel) sums in registers, reads one row of the packed panel and `rows`
// broadcast activations a step, and does nothing else in its loop: 28 multiply-adds of 16 lanes for
// 16 loads with AVX-512, 12 of 8 lanes for 8 with AVX2. Two panels at once where there are too few
// rows to hide the latency of the multiply-adds.
#pragma once

#include "backend/cpu/kernel_table.hpp"

namespace clip::cpu {
namespace {

constexpr int kPanel = kPanelVecs * kLanes;
constexpr std::int64_t kPrefetchSteps = 8; // TileArgs::ahead_lines counts by this many

template <Storage storage>
struct Stored;
template <>
struct Stored<Storage::f32> {
    using Type = float;
    static Vec load(const float* p) { return vec_load(p); }
    static void store(float* p, Vec x) { vec_store(p, x); }
};
template <>
struct Stored<Storage::bf16> {
    using Type = std::uint16_t;
    static Vec load(const std::uint16_t* p) { return vec_load_bf16(p); }
    static void store(std::uint16_t* p, Vec x) { vec_store_bf16(p, x); }
};
template <>
struct Stored<Storage::f16> {
    using Type = std::uint16_t;
    static Vec load(const std::uint16_t* p) { return vec_load_f16(p); }
    static void store(std::uint16_t* p, Vec x) { vec_store_f16(p, x); }
};
template <>
struct Stored<Storage::i8> {
    using Type = std::int8_t;
    static Vec load(const std::int8_t* p) { return vec_load_i8(p); }
    static void store(std::int8_t* p, Vec x) { vec_store_i8(p, x); }
};

template <int kRows, int kPanels, Storage storage>
void run_tile(const TileArgs& args) {
    using Type = typename Stored<storage>::Type;
    constexpr int kPanelRegs = kPanelVecs * kRegs;
    constexpr int kColumns = kPanelRegs * kPanels;
    constexpr int kRegLanes = kLanes / kRegs;
    // All loops over rows and registers are unrolled, so that `sums` and `w` are registers.
    Reg sums[kRows][kColumns];
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 16
        for (int c = 0; c < kColumns; ++c)
            sums[r][c] = reg_set(0.0f);
    const float* a = args.a;
    const auto* b = static_cast<const Type*>(args.b);
    const auto* second =
        reinterpret_cast<const Type*>(static_cast<const char*>(args.b) + args.b_second);
    const char* ahead = static_cast<const char*>(args.ahead);
    for (std::int64_t done = 0; done < args.depth;) {
        for (std::int64_t line = 0; line < args.ahead_lines; ++line, ahead += 64)
            prefetch_far(ahead);
        const std::int64_t left = args.depth - done;
        const std::int64_t steps = left < kPrefetchSteps ? left : kPrefetchSteps;
        done += steps;
        for (std::int64_t step = 0; step < steps; ++step) {
            Reg w[kColumns];
#pragma GCC unroll 16
            for (int v = 0; v < kPanelVecs; ++v) {
                const Vec one = Stored<storage>::load(b + v * kLanes);
#pragma GCC unroll 16
                for (int i = 0; i < kRegs; ++i)
                    w[v * kRegs + i] = reg_of(one, i);
                if constexpr (kPanels == 2) {
                    const Vec other = Stored<storage>::load(second + v * kLanes);
#pragma GCC unroll 16
                    for (int i = 0; i < kRegs; ++i)
                        w[kPanelRegs + v * kRegs + i] = reg_of(other, i);
                }
            }
#pragma GCC unroll 16
            for (int r = 0; r < kRows; ++r) {
                const Reg x = reg_set(a[r]);
#pragma GCC unroll 16
                for (int c = 0; c < kColumns; ++c)
                    sums[r][c] = reg_fma(x, w[c], sums[r][c]);
            }
            a += args.a_step;
            b += kPanel;
            second += kPanel;
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 16
        for (int c = 0; c < kColumns; ++c)
            reg_store(args.c + r * args.c_step + c * kRegLanes, sums[r][c]);
}

using TileFunction = void (*)(const TileArgs&);

/// Functions of 1 to kMost rows by storage; [storage][rows - 1].
template <int kPanels, int kMost>
struct TileFunctions {
    TileFunction entry[kStorages][kMost == 0 ? 1 : kMost] = {};

    template <int kRows>
    constexpr void fill() {
        if constexpr (kRows > 0) {
            entry[0][kRows - 1] = run_tile<kRows, kPanels, Storage::f32>;
            entry[1][kRows - 1] = run_tile<kRows, kPanels, Storage::bf16>;
            entry[2][kRows - 1] = run_tile<kRows, kPanels, Storage::f16>;
            entry[3][kRows - 1] = run_tile<kRows, kPanels, Storage::i8>;
            fill<kRows - 1>();
        }
    }
    constexpr TileFunctions() { fill<kMost>(); }
};
constexpr TileFunctions<1, kMaxRows> kTiles;
constexpr TileFunctions<2, kPairRows> kTilePairs;

void tile(int rows, Storage storage, const TileArgs& args) {
    kTiles.entry[static_cast<int>(storage)][rows - 1](args);
}
void tile_pair(int rows, Storage storage, const TileArgs& args) {
    kTilePairs.entry[static_cast<int>(storage)][rows - 1](args);
}

template <Activation activation>
Vec activate(Vec x) {
    if constexpr (activation == Activation::relu)
        return vec_relu(x);
    else if constexpr (activation == Activation::quick_gelu)
        return vec_quick_gelu(x);
    else if constexpr (activation == Activation::gelu)
        return vec_gelu(x);
    else
        return x;
}

template <Activation activation>
void finish_as(const FinishArgs& args) {
    for (int r = 0; r < args.rows; ++r) {
        for (int c = 0; c < args.columns; c += kLanes) {
            const int lanes = args.columns - c < kLanes ? args.columns - c : kLanes;
            const bool whole = lanes == kLanes;
            Vec x = vec_load(args.sums + r * args.sums_step + c);
            if (args.scale != nullptr)
                x = vec_mul(x, vec_load_first(args.scale + c, lanes));
            if (args.bias != nullptr)
                x = vec_add(x,
                            whole ? vec_load(args.bias + c) : vec_load_first(args.bias + c, lanes));
            if (args.save != nullptr)
                vec_store_first(args.save[r] + c, x, lanes);
            if (!args.activation_last)
                x = activate<activation>(x);
            if (args.residual != nullptr) {
                const float* from = args.residual[r] + c;
                x = vec_add(x, whole ? vec_load(from) : vec_load_first(from, lanes));
            }
            if (args.activation_last)
                x = activate<activation>(x);
            if (whole)
                vec_store(args.y[r] + c, x);
            else
                vec_store_first(args.y[r] + c, x, lanes);
        }
    }
}

void finish(const FinishArgs& args) {
    switch (args.activation) {
    case Activation::none:
        return finish_as<Activation::none>(args);
    case Activation::relu:
        return finish_as<Activation::relu>(args);
    case Activation::quick_gelu:
        return finish_as<Activation::quick_gelu>(args);
    case Activation::gelu:
        return finish_as<Activation::gelu>(args);
    }
}

template <Activation activation>
Vec slope(Vec x) {
    if constexpr (activation == Activation::relu)
        return vec_relu_slope(x);
    else if constexpr (activation == Activation::quick_gelu)
        return vec_quick_gelu_slope(x);
    else
        return vec_gelu_slope(x);
}

template <Activation activation>
void finish_backward_as(const FinishArgs& args) {
    for (int r = 0; r < args.rows; ++r)
        for (int c = 0; c < args.columns; c += kLanes) {
            const int lanes = args.columns - c < kLanes ? args.columns - c : kLanes;
            const float* from = args.residual[r] + c;
            const Vec pre = lanes == kLanes ? vec_load(from) : vec_load_first(from, lanes);
            const Vec x = vec_load(args.sums + r * args.sums_step + c);
            vec_store_first(args.y[r] + c, vec_mul(x, slope<activation>(pre)), lanes);
        }
}

void finish_backward(const FinishArgs& args) {
    switch (args.activation) {
    case Activation::none:
        return finish(args); // not called so
    case Activation::relu:
        return finish_backward_as<Activation::relu>(args);
    case Activation::quick_gelu:
        return finish_backward_as<Activation::quick_gelu>(args);
    case Activation::gelu:
        return finish_backward_as<Activation::gelu>(args);
    }
}

} // namespace
} // namespace clip::cpu
