// SPDX-License-Identifier: MIT
// What an emulated thread of sm_90a can do besides thread_ops.hpp: barriers that count bytes,
// copies of tiles, products of a warpgroup.
//
// What is checked. A tile that TMA writes is poisoned and may not be touched from the call until
// the phase of its barrier has ended AND the toucher has waited for that phase (or has heard of it
// from one who did): each barrier has a clock of its own. The bytes come at a random moment.
// Whoever used the tile before must have told the issuing thread. A phase that ends while copies of
// it are under way, more bytes or arrivals than were expected, a barrier that was not initialised
// or fenced, misaligned tiles, and a block that ends early are faults; so is a wait for a phase
// that never ends (as a deadlock). A product's registers are poisoned until it is waited for, must
// be as they were at the fence when it is issued, and as they were issued when it is waited for;
// its tiles are read twice, when it is issued and when it is waited for, by each of the four warps.
//
// What is not. Fences of proxies are asked for by rule; no order that a GPU may choose is played
// through. That one lane of a warp waits for the others, that registers are enough, that a parity
// is two phases old while its waiter sleeps, and everything about time remain unseen.
#pragma once

#include <cstdint>

#include "backend/cuda/tensor_map.hpp"

namespace clip::cuda::emulation {

void barrier_init(void* barrier, int arrivals);
void fence_barrier_init();
void barrier_arrive(void* barrier, int expected_bytes);
void barrier_wait(const void* barrier, int phase);
void tma_load_2d(void* to, const TensorMap& map, int column, int row, void* barrier);

/// What a thread brings to a product.
struct WgmmaOperands {
    float* d = nullptr;               ///< columns / 2
    const std::uint32_t* a = nullptr; ///< 4 registers; null: a_descriptor
    std::uint64_t a_descriptor = 0, b_descriptor = 0;
    int columns = 0;
    bool add = false;
    bool bfloat16 = false;
    bool b_by_columns = false;
};
void wgmma(WgmmaOperands operands);
/// Name `words` registers for the wgmma_fence() or wgmma_wait() that comes next; by each thread.
void wgmma_name_fenced(const void* registers, int words);
void wgmma_name_waited(const void* registers, int words);
void wgmma_fence();
void wgmma_commit();
void wgmma_wait(int groups);

/// A shared address as a descriptor has it.
std::uint32_t shared_address(const void* at);

} // namespace clip::cuda::emulation
