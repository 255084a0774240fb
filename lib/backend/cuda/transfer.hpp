// SPDX-License-Identifier: MIT
// Copies between the host and the device that keep both busy.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "backend/cuda/device_memory.hpp"
#include "base/thread_pool.hpp"

namespace clip::cuda {

/// Bytes in the host's memory.
using HostBytes = std::span<const std::byte>;

/// Uploads go host memory -> pinned memory -> device, by a stream of their own, and from there to
/// their place in the order of the compute stream: a batch comes over while the one before it is
/// computed, and may come to memory that kernels in the queue still use. There are two such places,
/// each as large as the uploads are, so that the third upload in a row waits for the first.
class Transfer {
  public:
    /// An upload larger than this goes in parts.
    static constexpr std::size_t kLargestPart = std::size_t{256} << 20;

    Transfer(DeviceAllocator& allocator, Stream& compute, ThreadPool& pool,
             std::size_t largest_part = kLargestPart)
        : allocator_(allocator), compute_(compute), pool_(pool), largest_part_(largest_part) {}

    /// Returns as soon as `from` may be used again.
    void upload(void* to, const void* from, std::size_t bytes);
    /// The same of parts that are to lie one behind the other: they come together in pinned memory,
    /// and go up as one.
    void upload(void* to, std::span<const HostBytes> parts);
    /// Waits for what is queued, then for the copy.
    void download(void* to, const void* from, std::size_t bytes);

    /// Uploads, or parts of one, that went through pinned memory.
    std::uint64_t uploads() const { return uploads_; }

  private:
    void check_running(const char* what) const;
    struct Slot {
        PinnedBuffer host;
        DeviceBuffer device;
        Event uploaded; ///< `host` may be written
        Event taken;    ///< `device` may be written
    };
    class Joined;
    void upload_part(std::byte* to, const Joined& from, std::size_t first, std::size_t bytes);
    Slot& slot_of(std::size_t bytes);
    /// copy(begin, end) for parts of [0, bytes), on all threads where they are many.
    void copy(std::size_t bytes, const std::function<void(std::size_t, std::size_t)>& copy);

    DeviceAllocator& allocator_;
    Stream& compute_;
    ThreadPool& pool_;
    std::size_t largest_part_;
    std::uint64_t uploads_ = 0;
    Stream copies_;
    std::array<Slot, 2> slots_;
    std::size_t next_ = 0;
    std::array<PinnedBuffer, 2> landing_; ///< of downloads
    std::array<Event, 2> landed_;
};

} // namespace clip::cuda
