// SPDX-License-Identifier: MIT
#include "base/thread_pool.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include <sched.h>

namespace clip {

namespace {

// A worker looks this often for the next loop before it sleeps: a tower starts one every few
// hundred microseconds, and waking a sleeping thread costs about 50.
constexpr int kSpins = 4000;

thread_local bool inside_loop = false;

inline void pause_cpu() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

} // namespace

struct ThreadPool::State {
    // Guarded by `mutex`, except where atomic.
    std::mutex mutex;
    std::condition_variable wake;
    std::condition_variable done;
    std::atomic<std::size_t> generation{0};
    bool stop = false;

    const std::function<void(std::size_t, std::size_t)>* body = nullptr;
    std::size_t count = 0;
    std::size_t grain = 1;
    std::atomic<std::size_t> next{0};
    std::atomic<std::size_t> busy{0};
    std::exception_ptr error;

    std::mutex caller; // one loop at a time
    std::vector<std::thread> threads;

    void run_parts() {
        inside_loop = true;
        try {
            for (;;) {
                const std::size_t begin = next.fetch_add(grain, std::memory_order_relaxed);
                if (begin >= count)
                    break;
                (*body)(begin, std::min(begin + grain, count));
            }
        } catch (...) {
            const std::lock_guard lock(mutex);
            if (!error)
                error = std::current_exception();
            next.store(count, std::memory_order_relaxed);
        }
        inside_loop = false;
    }

    void work() {
        std::size_t seen = 0;
        for (;;) {
            for (int spin = 0; spin < kSpins && generation.load(std::memory_order_acquire) == seen;
                 ++spin)
                pause_cpu();
            if (generation.load(std::memory_order_acquire) == seen) {
                std::unique_lock lock(mutex);
                wake.wait(lock, [&] { return generation.load() != seen; });
            }
            seen = generation.load(std::memory_order_acquire);
            if (stop)
                return;
            run_parts();
            if (busy.fetch_sub(1, std::memory_order_acq_rel) == 1) {
                const std::lock_guard lock(mutex);
                done.notify_one();
            }
        }
    }
};

std::size_t available_cores() {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return static_cast<std::size_t>(std::max(1, CPU_COUNT(&set)));
    return std::max(1u, std::thread::hardware_concurrency());
}

ThreadPool::ThreadPool(std::size_t threads)
    : state_(std::make_unique<State>()), size_(threads == 0 ? available_cores() : threads) {
    for (std::size_t i = 1; i < size_; ++i)
        state_->threads.emplace_back([this] { state_->work(); });
}

ThreadPool::~ThreadPool() {
    {
        const std::lock_guard lock(state_->mutex);
        state_->stop = true;
        state_->generation.fetch_add(1);
    }
    state_->wake.notify_all();
    for (std::thread& thread : state_->threads)
        thread.join();
}

void ThreadPool::parallel_for(std::size_t count, std::size_t grain,
                              const std::function<void(std::size_t, std::size_t)>& body) {
    grain = std::max<std::size_t>(1, grain);
    if (count == 0)
        return;
    if (inside_loop || size_ == 1 || count <= grain) {
        for (std::size_t begin = 0; begin < count; begin += grain)
            body(begin, std::min(begin + grain, count));
        return;
    }
    State& state = *state_;
    const std::lock_guard turn(state.caller);
    {
        const std::lock_guard lock(state.mutex);
        state.body = &body;
        state.count = count;
        state.grain = grain;
        state.error = nullptr;
        state.next.store(0, std::memory_order_relaxed);
        state.busy.store(size_ - 1, std::memory_order_relaxed);
        state.generation.fetch_add(1, std::memory_order_release);
    }
    state.wake.notify_all();
    state.run_parts();
    for (int spin = 0; spin < kSpins && state.busy.load(std::memory_order_acquire) != 0; ++spin)
        pause_cpu();
    if (state.busy.load(std::memory_order_acquire) != 0) {
        std::unique_lock lock(state.mutex);
        state.done.wait(lock, [&] { return state.busy.load(std::memory_order_acquire) == 0; });
    }
    if (state.error)
        std::rethrow_exception(state.error);
}

} // namespace clip
