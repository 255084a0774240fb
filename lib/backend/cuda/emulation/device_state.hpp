// SPDX-License-Identifier: MIT
// The emulated device: its memory, its streams' queues and what has gone wrong. For the files of
// the emulated runtime.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "backend/cuda/emulation/machine.hpp"
#include "backend/cuda/runtime.hpp"

namespace clip::cuda::emulation {

using Work = std::function<void()>;

/// Behind Stream::handle(). Work is numbered from 1 in the order in which it came.
struct StreamState {
    int device = 0; ///< the thread's when it was made
    std::deque<Work> queue;
    std::uint64_t put = 0, done = 0;
    bool capturing = false;
    std::string capture_problem; ///< why what is captured cannot be used
    std::vector<Work> captured;
};

/// Behind Event::handle().
struct EventState {
    StreamState* stream = nullptr; ///< null: nothing was recorded
    std::uint64_t place = 0;       ///< done when the stream has done as much
    std::chrono::steady_clock::time_point time;
};

/// Behind Graph.
struct GraphState {
    std::vector<Work> work;
};

/// One for the process, as a driver is.
struct DeviceState {
    std::recursive_mutex mutex;
    Machine machine;
    Counts counts;
    std::map<const std::byte*, std::size_t> device_memory, pinned_memory;
    std::vector<StreamState*> streams;
    bool lost = false;
    std::string problem;      ///< of a lost device; said at the next wait
    std::string bad_settings; ///< what the environment said that was not understood
};
DeviceState& device_state();

/// The device that this thread's calls are for.
int& current_device();

/// Throws where the device is lost.
void check_lost(const DeviceState& state, std::string_view what);

/// Does it now, later or at each launch of the graph that is being captured.
void put_work(Stream& stream, Work work);
/// Does what the stream has up to its `place`-th work.
void run_until(StreamState& stream, std::uint64_t place);
void run_everything(DeviceState& state);

} // namespace clip::cuda::emulation
