// SPDX-License-Identifier: MIT
// Where tensors live: the host's memory or a device's.
#pragma once

#include <cstddef>

#include "base/device.hpp"

namespace clip {

/// One place for tensors' bytes. Only the host's own may be dereferenced; addresses of others are
/// for arithmetic and for the ops of their backend. Copies and clears happen in order with the ops
/// of that backend. Outlives what was allocated from it.
class Memory {
  public:
    virtual ~Memory() = default;

    virtual Device device() const = 0;
    /// Undefined content, aligned to 64 bytes on the host and to 256 on devices; never null, even
    /// for 0 bytes. Errors: out_of_memory.
    virtual void* allocate(std::size_t bytes) = 0;
    /// `bytes` as allocate() was asked for; a null pointer is none.
    virtual void release(void* at, std::size_t bytes) noexcept = 0;
    /// From the host to here; returns when the source may be used again.
    virtual void upload(void* to, const void* host_from, std::size_t bytes) = 0;
    /// From here to the host; returns when it is there.
    virtual void download(void* host_to, const void* from, std::size_t bytes) = 0;
    /// From here to here; the two do not overlap.
    virtual void copy(void* to, const void* from, std::size_t bytes) = 0;
    /// Sets every byte to 0.
    virtual void clear(void* at, std::size_t bytes) = 0;
};

/// Aligned to 64 bytes or, from 4 MiB up, to 2 MiB with huge pages asked for: packed weights are
/// written once and read in order, so page faults are most of their cost.
Memory& host_memory();

} // namespace clip
