// SPDX-License-Identifier: MIT
#include "backend/cuda/emulation/device_state.hpp"

#include "base/concat.hpp"
#include "base/error.hpp"

namespace clip::cuda::emulation {

DeviceState& device_state() {
    // Never destroyed: backends that statics of the program own outlive those of a plugin.
    static DeviceState& state = *new DeviceState;
    return state;
}

int& current_device() {
    thread_local int device = 0;
    return device;
}

void set_machine(const Machine& machine) {
    current_device() = 0;
    DeviceState& state = device_state();
    const std::lock_guard lock(state.mutex);
    state.machine = machine;
    const std::size_t used = state.counts.memory_bytes;
    state.counts = {.memory_bytes = used};
    state.lost = false;
    state.problem.clear();
}

Counts counts() {
    DeviceState& state = device_state();
    const std::lock_guard lock(state.mutex);
    return state.counts;
}

void check_lost(const DeviceState& state, std::string_view what) {
    if (state.lost)
        fail(ErrorCode::device_failure, concat("cuda: ", what, ": ", state.problem));
}

void run_until(StreamState& stream, std::uint64_t place) {
    while (stream.done < place && !stream.queue.empty()) {
        const Work work = std::move(stream.queue.front());
        stream.queue.pop_front();
        ++stream.done; // also where it throws: a fault is told once
        work();
    }
}

void run_everything(DeviceState& state) {
    for (StreamState* stream : state.streams)
        run_until(*stream, stream->put);
}

void put_work(Stream& stream, Work work) {
    DeviceState& state = device_state();
    auto& into = *static_cast<StreamState*>(stream.handle());
    if (into.capturing) {
        into.captured.push_back(std::move(work));
        return;
    }
    into.queue.push_back(std::move(work));
    ++into.put;
    if (!state.machine.lazy)
        run_until(into, into.put);
}

} // namespace clip::cuda::emulation
