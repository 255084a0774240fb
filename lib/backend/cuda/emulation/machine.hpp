// SPDX-License-Identifier: MIT
// What the emulated device is like, and what goes wrong with it: for tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace clip::cuda::emulation {

struct Machine {
    enum class Driver : std::uint8_t { ready, none, old };
    Driver driver = Driver::ready;
    int devices = 1;
    int capability = 80;                              ///< with 90 ops choose the kernels of sm_90a
    std::size_t memory_bytes = std::size_t{16} << 30; ///< of each device
    /// Counted from 1; 0: never. Allocations are those that the device is asked for.
    std::uint64_t fail_allocation = 0;
    /// A kernel that is refused; what comes after it works.
    std::uint64_t fail_launch = 0;
    /// A kernel that faults: it is known at the next wait, and the device is lost.
    std::uint64_t fault_launch = 0;
    /// Captures end with an error.
    bool no_graphs = false;
    /// Streams run nothing before somebody waits: what forgets to wait sees old bytes.
    bool lazy = false;
};

/// Takes effect at once; counts begin anew, and a lost device is found again.
void set_machine(const Machine& machine);

/// Reads "devices=1,memory=64M,fail_launch=12"; the words are driver (ready, none, old), devices,
/// capability, memory (bytes, or with K, M or G), fail_allocation, fail_launch, fault_launch,
/// no_graphs and lazy (both 0 or 1). Errors: invalid_argument.
Machine parse_machine(std::string_view text);

/// What happened since set_machine().
struct Counts {
    std::uint64_t allocations = 0; ///< of device memory
    std::uint64_t launches = 0;    ///< of kernels, those in graphs too
    std::uint64_t graph_launches = 0;
    std::size_t memory_bytes = 0; ///< in use now
};
Counts counts();

} // namespace clip::cuda::emulation
