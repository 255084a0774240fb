// SPDX-License-Identifier: MIT
// Device memory for what an op needs while it runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "backend/cuda/device_memory.hpp"

namespace clip::cuda {

/// A stack of temporaries. It grows by blocks; once it is empty again these become one of the size
/// that was needed, so that later calls of the same size allocate nothing. What lies in it may be
/// taken again as soon as the host has given it back: kernels run in one stream.
class Workspace {
  public:
    Workspace(DeviceAllocator& allocator, const Stream& stream)
        : allocator_(allocator), stream_(stream) {}

    /// What is taken through a scope is given back at its end. Scopes are nested.
    ///
    ///     Workspace::Scope scope(context.workspace());
    ///     float* sums = scope.take<float>(rows);
    class Scope {
      public:
        explicit Scope(Workspace& workspace)
            : workspace_(workspace), block_(workspace.block_), used_(workspace.used_),
              total_(workspace.total_) {}
        ~Scope() { workspace_.rewind(block_, used_, total_); }
        Scope(const Scope&) = delete;
        Scope& operator=(const Scope&) = delete;

        /// `count` elements of undefined content, aligned to 256 bytes. Errors: out_of_memory.
        template <typename T>
        T* take(std::int64_t count) {
            return static_cast<T*>(workspace_.take(static_cast<std::size_t>(count) * sizeof(T)));
        }

      private:
        Workspace& workspace_;
        std::size_t block_, used_, total_;
    };

    /// Grows whenever blocks went away: graphs that were captured before are then of no use.
    std::uint64_t generation() const { return generation_; }
    std::size_t peak_bytes() const { return peak_; }

  private:
    void* take(std::size_t bytes);
    void rewind(std::size_t block, std::size_t used, std::size_t total) noexcept;

    DeviceAllocator& allocator_;
    const Stream& stream_; ///< while it captures, no block goes
    std::vector<DeviceBuffer> blocks_;
    std::size_t block_ = 0, used_ = 0, total_ = 0, peak_ = 0;
    std::uint64_t generation_ = 0;
};

} // namespace clip::cuda
