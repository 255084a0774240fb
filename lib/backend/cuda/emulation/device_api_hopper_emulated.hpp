// SPDX-License-Identifier: MIT
// device_api_hopper.hpp on the host. What each function does is said there, what is checked in
// emulation/async_ops.hpp.
#pragma once

#include <type_traits>

#include "backend/cuda/device_api.hpp"
#include "backend/cuda/emulation/async_ops.hpp"

#define CLIP_GRID_CONSTANT

namespace clip::cuda {

constexpr bool kHasHopper = true;

inline void barrier_init(Shared<Barrier> b, int arrivals) {
    emulation::barrier_init(b.at, arrivals);
}
inline void fence_barrier_init() {
    emulation::fence_barrier_init();
}
inline void barrier_arrive(Shared<Barrier> b) {
    emulation::barrier_arrive(b.at, 0);
}
inline void barrier_arrive_expect(Shared<Barrier> b, int bytes) {
    emulation::barrier_arrive(b.at, bytes);
}
inline void barrier_wait(Shared<Barrier> b, int phase) {
    emulation::barrier_wait(b.at, phase);
}

inline void fence_proxy_async() {
    emulation::fence_proxy();
}
inline void prefetch_tensor_map(const TensorMap&) {}
template <typename T>
inline void tma_load_2d(Shared<T> to, const TensorMap& map, int column, int row,
                        Shared<Barrier> b) {
    static_assert(sizeof(T) == 2);
    emulation::tma_load_2d(to.at, map, column, row, b.at);
}

template <typename T>
inline std::uint64_t rows_operand(Shared<T> tile, int k) {
    return matrix_descriptor(emulation::shared_address(tile.at) + static_cast<std::uint32_t>(k) * 2,
                             16, kEightRows);
}
template <typename T>
inline std::uint64_t columns_operand(Shared<T> tile, int k) {
    return matrix_descriptor(emulation::shared_address(tile.at) +
                                 static_cast<std::uint32_t>(k) * 128,
                             kEightRows, kEightRows);
}

template <typename T, int N>
inline void wgmma(float (&d)[N / 2], std::uint64_t a, std::uint64_t b, bool add) {
    static_assert(N == 64 || N == 128 || N == 256);
    emulation::wgmma({d, nullptr, a, b, N, add, std::is_same_v<T, BFloat16>, false});
}
template <typename T>
inline void wgmma_registers(float (&d)[32], const std::uint32_t (&a)[4], std::uint64_t b,
                            bool add) {
    emulation::wgmma({d, a, 0, b, 64, add, std::is_same_v<T, BFloat16>, true});
}

inline int fresh(int i) {
    return i;
}

/// Calls name(registers, words) for each array of registers.
template <typename Name, typename T, int N>
inline void name_registers(const Name& name, T (&registers)[N]) {
    if constexpr (std::is_array_v<T>)
        for (T& inner : registers)
            name_registers(name, inner);
    else
        name(registers, N);
}
template <typename... Registers>
inline void wgmma_fence(Registers&... registers) {
    (name_registers(emulation::wgmma_name_fenced, registers), ...);
    emulation::wgmma_fence();
}
inline void wgmma_commit() {
    emulation::wgmma_commit();
}
template <int N, typename... Registers>
inline void wgmma_wait(Registers&... registers) {
    (name_registers(emulation::wgmma_name_waited, registers), ...);
    emulation::wgmma_wait(N);
}

} // namespace clip::cuda
