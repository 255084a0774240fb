// SPDX-License-Identifier: MIT
// What every op of this folder works with: its kernels, its threads and its scratch memory.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "backend/cpu/kernel_table.hpp"
#include "base/thread_pool.hpp"
#include "tensor/tensor.hpp"

namespace clip::cpu {

/// Memory of one running part of a loop. Buffers grow when needed and are kept, so that a tower
/// allocates nothing after its first call.
class ThreadScratch {
  public:
    enum Use { rows, panel, keys, values, work, kUses };

    /// At least `count` floats, 64-byte aligned; contents are undefined.
    float* floats(Use use, std::int64_t count) {
        const std::size_t bytes = static_cast<std::size_t>(count) * sizeof(float);
        if (buffers_[use].size() < bytes)
            buffers_[use] = Buffer(bytes);
        return reinterpret_cast<float*>(buffers_[use].data());
    }

    /// True where the last call had the same arguments: what lies in `rows` can be used again.
    bool holds(std::uint64_t call, std::int64_t block) {
        const bool same = call == call_ && block == block_;
        call_ = call;
        block_ = block;
        return same;
    }

  private:
    Buffer buffers_[kUses];
    std::uint64_t call_ = 0;
    std::int64_t block_ = 0;
};

/// Hands a ThreadScratch to each part that runs.
class ScratchPool {
  public:
    /// A scratch for as long as the lease lives.
    class Lease {
      public:
        explicit Lease(ScratchPool& pool) : pool_(pool), scratch_(pool.take()) {}
        ~Lease() { pool_.give(std::move(scratch_)); }
        Lease(const Lease&) = delete;
        Lease& operator=(const Lease&) = delete;
        ThreadScratch& operator*() { return *scratch_; }
        ThreadScratch* operator->() { return scratch_.get(); }

      private:
        ScratchPool& pool_;
        std::unique_ptr<ThreadScratch> scratch_;
    };

    /// `parts` is how many may run at once.
    explicit ScratchPool(std::size_t parts) { free_.reserve(parts + 1); }

    /// A number that no call before was given; never 0. For the thread that starts loops only.
    std::uint64_t new_call() { return ++calls_; }

  private:
    std::unique_ptr<ThreadScratch> take() {
        const std::lock_guard lock(mutex_);
        if (free_.empty())
            return std::make_unique<ThreadScratch>();
        auto scratch = std::move(free_.back());
        free_.pop_back();
        return scratch;
    }
    void give(std::unique_ptr<ThreadScratch> scratch) {
        const std::lock_guard lock(mutex_);
        if (free_.size() < free_.capacity()) // else let go of it: pushing could throw
            free_.push_back(std::move(scratch));
    }

    std::uint64_t calls_ = 0;
    std::mutex mutex_;
    std::vector<std::unique_ptr<ThreadScratch>> free_;
};

struct Workspace;

struct Context {
    const KernelTable& kernels;
    ThreadPool& pool;
    ScratchPool& scratch;
    Workspace& workspace; ///< of the thread that starts loops
};

} // namespace clip::cpu
