// SPDX-License-Identifier: MIT
// What each thread of a search has for itself.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "backend/registry.hpp"
#include "search/row_block.hpp"

namespace clip {

/// A backend of one thread: the threads of a search work on different blocks, not on one op. It is
/// the CPU's whatever encodes the queries: rows come from files faster than a GPU would get them.
struct SearchWorker {
    SearchWorker() : backend(make_backend(Device{}, pool)) {}
    ThreadPool pool{1};
    std::unique_ptr<Backend> backend;
    RowBlock block;
    std::vector<ScreenPair> pairs;
    std::vector<BadRows> bad;
};

/// Hands a worker to each part of a loop that runs.
template <typename Worker>
class SearchWorkers {
  public:
    class Lease {
      public:
        explicit Lease(SearchWorkers& owner) : owner_(owner), worker_(owner.take()) {}
        ~Lease() {
            const std::lock_guard lock(owner_.mutex_);
            owner_.free_.push_back(worker_); // has room: take() reserved it
        }
        Lease(const Lease&) = delete;
        Lease& operator=(const Lease&) = delete;
        Worker& operator*() { return *worker_; }
        Worker* operator->() { return worker_; }

      private:
        SearchWorkers& owner_;
        Worker* worker_;
    };

    /// All that there are; not while loops run.
    std::vector<std::unique_ptr<Worker>>& all() { return all_; }
    /// At least one.
    Worker& first() {
        const Lease lease(*this);
        return *all_.front();
    }

  private:
    Worker* take() {
        const std::lock_guard lock(mutex_);
        if (free_.empty()) {
            all_.push_back(std::make_unique<Worker>());
            free_.reserve(all_.size());
            return all_.back().get();
        }
        Worker* worker = free_.back();
        free_.pop_back();
        return worker;
    }

    std::mutex mutex_;
    std::vector<std::unique_ptr<Worker>> all_;
    std::vector<Worker*> free_;
};

} // namespace clip
