// SPDX-License-Identifier: MIT
// device_api_hopper.hpp by PTX. What each function does is said there.
#pragma once

#include "backend/cuda/device_api.hpp"
#include "backend/cuda/wgmma_cuda.hpp"

#define CLIP_GRID_CONSTANT __grid_constant__

namespace clip::cuda {

// Without the a of sm_90a ptxas knows no wgmma.
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
constexpr bool kHasHopper = true;
#else
constexpr bool kHasHopper = false;
#endif

CLIP_DEVICE void barrier_init(Shared<Barrier> b, int arrivals) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(b.address()), "r"(arrivals)
                 : "memory");
}
CLIP_DEVICE void fence_barrier_init() {
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}
CLIP_DEVICE void barrier_arrive(Shared<Barrier> b) {
    asm volatile("{\n\t"
                 ".reg .b64 state;\n\t"
                 "mbarrier.arrive.shared::cta.b64 state, [%0];\n\t"
                 "}" ::"r"(b.address())
                 : "memory");
}
CLIP_DEVICE void barrier_arrive_expect(Shared<Barrier> b, int bytes) {
    asm volatile("{\n\t"
                 ".reg .b64 state;\n\t"
                 "mbarrier.arrive.expect_tx.shared::cta.b64 state, [%0], %1;\n\t"
                 "}" ::"r"(b.address()),
                 "r"(bytes)
                 : "memory");
}
CLIP_DEVICE void barrier_wait(Shared<Barrier> b, int phase) {
    std::uint32_t done = 0;
    while (done == 0) // try_wait sleeps for a while itself
        asm volatile("{\n\t"
                     ".reg .pred p;\n\t"
                     "mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n\t"
                     "selp.b32 %0, 1, 0, p;\n\t"
                     "}"
                     : "=r"(done)
                     : "r"(b.address()), "r"(phase & 1)
                     : "memory");
}

CLIP_DEVICE void fence_proxy_async() {
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}
CLIP_DEVICE void prefetch_tensor_map(const TensorMap& map) {
    asm volatile("prefetch.tensormap [%0];" ::"l"(&map) : "memory");
}
template <typename T>
CLIP_DEVICE void tma_load_2d(Shared<T> to, const TensorMap& map, int column, int row,
                             Shared<Barrier> b) {
    static_assert(sizeof(T) == 2);
    asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes"
                 " [%0], [%1, {%2, %3}], [%4];" ::"r"(to.address()),
                 "l"(&map), "r"(column), "r"(row), "r"(b.address())
                 : "memory");
}

template <typename T>
CLIP_DEVICE std::uint64_t rows_operand(Shared<T> tile, int k) {
    return matrix_descriptor(tile.address() + static_cast<std::uint32_t>(k) * 2, 16, kEightRows);
}
template <typename T>
CLIP_DEVICE std::uint64_t columns_operand(Shared<T> tile, int k) {
    // There is one block of 64 columns, so that nothing is `leading` apart.
    return matrix_descriptor(tile.address() + static_cast<std::uint32_t>(k) * 128, kEightRows,
                             kEightRows);
}

CLIP_DEVICE int fresh(int i) {
    asm volatile("" : "+r"(i));
    return i;
}

/// Keeps the compiler from moving uses of these registers past the asm volatile beside it, which
/// does not name them.
template <int N>
CLIP_DEVICE void pin_registers(float (&d)[N]) {
    CLIP_UNROLL
    for (int i = 0; i < N; ++i)
        asm volatile("" : "+f"(d[i])::"memory");
}
template <int N>
CLIP_DEVICE void pin_registers(std::uint32_t (&a)[N]) {
    CLIP_UNROLL
    for (int i = 0; i < N; ++i)
        asm volatile("" : "+r"(a[i])::"memory");
}
template <typename T, int M, int N>
CLIP_DEVICE void pin_registers(T (&arrays)[M][N]) {
    CLIP_UNROLL
    for (int i = 0; i < M; ++i)
        pin_registers(arrays[i]);
}

template <typename... Registers>
CLIP_DEVICE void wgmma_fence(Registers&... registers) {
    (pin_registers(registers), ...);
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
CLIP_DEVICE void wgmma_commit() {
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
template <int N, typename... Registers>
CLIP_DEVICE void wgmma_wait(Registers&... registers) {
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(N) : "memory");
    (pin_registers(registers), ...);
}

} // namespace clip::cuda
