// SPDX-License-Identifier: MIT
// The library's threads: started once, used by every op and by the decoding of pictures.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace clip {

/// A fixed set of threads that run the parts of one loop at a time.
///
/// Which thread runs which part varies from run to run; code that uses a pool must give the same
/// result whatever the split, and all of this library's does.
class ThreadPool {
  public:
    /// `threads` counts the caller too: 1 starts none, 0 means one a core that this process may
    /// use.
    explicit ThreadPool(std::size_t threads);
    ~ThreadPool();
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;

    std::size_t size() const { return size_; }

    /// Calls `body(begin, end)` for disjoint ranges that cover [0, count), each of at most `grain`
    /// items, and returns when all are done. The caller works too. A call from inside a body runs
    /// its whole loop on that thread.
    /// Errors: whatever `body` throws first; the other ranges may or may not have been run.
    void parallel_for(std::size_t count, std::size_t grain,
                      const std::function<void(std::size_t begin, std::size_t end)>& body);

  private:
    struct State;
    std::unique_ptr<State> state_;
    std::size_t size_;
};

/// Cores that this process may run on (its affinity mask), at least 1.
std::size_t available_cores();

} // namespace clip
