// SPDX-License-Identifier: MIT
#include "backend/cuda/transfer.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <vector>

#include "base/concat.hpp"
#include "base/error.hpp"

namespace clip::cuda {

namespace {

/// Up to here CUDA takes pageable memory at once, inside the command itself.
constexpr std::size_t kSmall = 64 << 10;
/// What the copy stream gets at a time, so that it works while the host fills the next piece.
constexpr std::size_t kPiece = std::size_t{8} << 20;
constexpr std::size_t kLeastSlot = std::size_t{1} << 20;
/// What one thread copies: less costs more to hand out than to do.
constexpr std::size_t kGrain = std::size_t{1} << 20;

} // namespace

/// Parts of the host's memory as if they lay one behind the other.
class Transfer::Joined {
  public:
    explicit Joined(std::span<const HostBytes> parts) : parts_(parts) {
        begins_.reserve(parts.size() + 1);
        begins_.push_back(0);
        for (const HostBytes part : parts)
            begins_.push_back(begins_.back() + part.size());
    }
    std::size_t size() const { return begins_.back(); }
    void copy(std::byte* to, std::size_t begin, std::size_t end) const {
        auto part = static_cast<std::size_t>(
            std::upper_bound(begins_.begin(), begins_.end(), begin) - begins_.begin() - 1);
        for (; begin < end; ++part) {
            const std::size_t here = std::min(end, begins_[part + 1]) - begin;
            if (here > 0)
                std::memcpy(to, parts_[part].data() + (begin - begins_[part]), here);
            to += here;
            begin += here;
        }
    }

  private:
    std::span<const HostBytes> parts_;
    std::vector<std::size_t> begins_; ///< of each part; then the end of the last
};

void Transfer::copy(std::size_t bytes, const std::function<void(std::size_t, std::size_t)>& copy) {
    if (bytes <= kGrain)
        copy(0, bytes);
    else
        pool_.parallel_for(bytes, kGrain, copy);
}

void Transfer::check_running(const char* what) const {
    if (compute_.capturing())
        fail(ErrorCode::device_failure, concat("cuda: ", what, ": it cannot be a part of a graph"));
}

void Transfer::upload(void* to, const void* from, std::size_t bytes) {
    check_running("upload");
    if (bytes == 0)
        return;
    if (bytes <= kSmall) {
        copy_to_device(to, from, bytes, compute_);
        return;
    }
    const HostBytes part(static_cast<const std::byte*>(from), bytes);
    upload(to, {&part, 1});
}

void Transfer::upload(void* to, std::span<const HostBytes> parts) {
    check_running("upload");
    const Joined from(parts);
    for (std::size_t at = 0; at < from.size(); at += largest_part_)
        upload_part(static_cast<std::byte*>(to) + at, from, at,
                    std::min(largest_part_, from.size() - at));
}

// The next slot, large enough, its host memory free.
Transfer::Slot& Transfer::slot_of(std::size_t bytes) {
    Slot& slot = slots_[next_];
    next_ = 1 - next_;
    slot.uploaded.synchronise();
    if (slot.host.size() < bytes) {
        const std::size_t size = std::max(kLeastSlot, std::bit_ceil(bytes));
        slot.taken.synchronise(); // its device memory goes back to who may use it at once
        slot.host = {};
        slot.device = {};
        slot.device = DeviceBuffer(allocator_, size);
        slot.host = PinnedBuffer(size);
        // The block may be in use by kernels in the queue: their stream frees it for the copies.
        slot.taken.record(compute_);
    }
    return slot;
}

void Transfer::upload_part(std::byte* to, const Joined& from, std::size_t first,
                           std::size_t bytes) {
    Slot& slot = slot_of(bytes);
    copies_.wait(slot.taken);
    for (std::size_t at = 0; at < bytes; at += kPiece) {
        const std::size_t here = std::min(kPiece, bytes - at);
        copy(here, [&](std::size_t begin, std::size_t end) {
            from.copy(slot.host.data() + at + begin, first + at + begin, first + at + end);
        });
        copy_to_device(slot.device.as<std::byte>() + at, slot.host.data() + at, here, copies_);
    }
    ++uploads_;
    slot.uploaded.record(copies_);
    compute_.wait(slot.uploaded);
    copy_on_device(to, slot.device.data(), bytes, compute_);
    slot.taken.record(compute_);
}

void Transfer::download(void* to, const void* from, std::size_t bytes) {
    check_running("download");
    if (bytes <= kSmall) {
        if (bytes > 0)
            copy_to_host(to, from, bytes, compute_);
        compute_.synchronise();
        return;
    }
    // Two landings: the device fills one while the host empties the other.
    const std::size_t piece = std::min(kPiece, bytes);
    for (PinnedBuffer& landing : landing_)
        if (landing.size() < piece)
            landing = PinnedBuffer(std::bit_ceil(piece));
    const auto start = [&](std::size_t at, std::size_t which) {
        copy_to_host(landing_[which].data(), static_cast<const std::byte*>(from) + at,
                     std::min(piece, bytes - at), compute_);
        landed_[which].record(compute_);
    };
    start(0, 0);
    std::size_t which = 0;
    for (std::size_t at = 0; at < bytes; at += piece, which = 1 - which) {
        if (at + piece < bytes)
            start(at + piece, 1 - which);
        landed_[which].synchronise();
        copy(std::min(piece, bytes - at), [&](std::size_t begin, std::size_t end) {
            std::memcpy(static_cast<std::byte*>(to) + at + begin, landing_[which].data() + begin,
                        end - begin);
        });
    }
}

} // namespace clip::cuda
