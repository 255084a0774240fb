// SPDX-License-Identifier: MIT
// runtime.hpp in the memory of this process.
#include "backend/cuda/runtime.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "backend/cuda/emulation/device_state.hpp"
#include "backend/cuda/emulation/emulator.hpp"
#include "base/concat.hpp"
#include "base/error.hpp"

namespace clip::cuda {

using namespace emulation;

namespace {

constexpr int kRuntimeVersion = 13000;
constexpr int kOldDriverVersion = 11040;
constexpr std::size_t kAlignment = 256;

using Lock = std::lock_guard<std::recursive_mutex>;

// A call that has no place in a capture spoils it, as it does in CUDA.
void refuse_in_capture(StreamState& stream, std::string_view what) {
    if (!stream.capturing)
        return;
    stream.capture_problem = concat(what, " cannot be captured");
    fail(ErrorCode::device_failure, concat("cuda: ", what, ": not while a graph is captured"));
}

StreamState& state_of(const Stream& stream) {
    return *static_cast<StreamState*>(stream.handle());
}

EventState& state_of(const Event& event) {
    return *static_cast<EventState*>(event.handle());
}

void* allocate_from_host(std::size_t bytes, std::string_view what) {
    const std::size_t size = (bytes + kAlignment - 1) / kAlignment * kAlignment;
    void* at = std::aligned_alloc(kAlignment, std::max(size, kAlignment));
    if (at == nullptr)
        fail(ErrorCode::out_of_memory, concat("cuda: ", what, ": no room for ", bytes, " bytes"));
    std::memset(at, 0xff, size); // NaN in every floating type
    return at;
}

bool pinned(const DeviceState& state, const void* at, std::size_t bytes) {
    const auto* from = static_cast<const std::byte*>(at);
    const auto after = state.pinned_memory.upper_bound(from);
    if (after == state.pinned_memory.begin())
        return false;
    const auto& [begin, size] = *std::prev(after);
    return from + bytes <= begin + size;
}

// A copy whose host side is pageable is done with that side when the call returns.
void copy(void* to, const void* from, std::size_t bytes, Stream& stream, const void* host,
          std::string_view what) {
    DeviceState& state = device_state();
    const Lock lock(state.mutex);
    check_lost(state, what);
    const bool later = host == nullptr || pinned(state, host, bytes);
    if (!later)
        refuse_in_capture(state_of(stream), what);
    put_work(stream, [=] {
        std::memcpy(to, from, bytes);
        const bool on_device = host == nullptr;
        if (host != to && (!on_device || is_written(from, bytes)))
            mark_written(to, bytes);
    });
    if (!later)
        run_until(state_of(stream), state_of(stream).put);
    check_lost(state, what);
}

} // namespace

DriverState driver_state() {
    const DeviceState& device = device_state();
    DriverState state{
        .driver = kRuntimeVersion, .runtime = kRuntimeVersion, .devices = device.machine.devices};
    if (!device.bad_settings.empty()) {
        state.kind = DriverState::Kind::broken;
        state.problem = device.bad_settings;
    } else if (device.machine.driver == Machine::Driver::none) {
        state = {.kind = DriverState::Kind::no_driver, .runtime = kRuntimeVersion};
    } else if (device.machine.driver == Machine::Driver::old) {
        state = {.kind = DriverState::Kind::driver_too_old,
                 .driver = kOldDriverVersion,
                 .runtime = kRuntimeVersion};
    } else if (device.machine.devices == 0) {
        state.kind = DriverState::Kind::no_device;
    }
    return state;
}

Properties device_properties(int device) {
    const Machine& machine = device_state().machine;
    // Kernels for sm_80 run on 8.6 and 8.9, too, and those for sm_120 are the same: a launch has to
    // fit the smallest of them (CUDA C++ Programming Guide, "Technical Specifications per Compute
    // Capability").
    const bool hopper = machine.capability == 90;
    return {.name = "emulated GPU",
            .pci = concat("0000:0", device, ":00.0"),
            .major = machine.capability / 10,
            .minor = machine.capability % 10,
            .multiprocessors = 4,
            .shared_bytes = hopper ? 227U << 10U : 99U << 10U,
            .shared_bytes_of_multiprocessor = hopper ? 228U << 10U : 100U << 10U,
            .l2_bytes = 32 << 20,
            .memory_bytes = machine.memory_bytes,
            .clock_khz = 1000000,
            .memory_clock_khz = 1000000,
            .memory_bus_bits = 512};
}

void set_device(int device) {
    const DeviceState& state = device_state();
    if (device >= state.machine.devices)
        fail(ErrorCode::unsupported, "cuda: choose the device: invalid device ordinal");
    current_device() = device;
}

MemoryState memory_state() {
    DeviceState& state = device_state();
    const Lock lock(state.mutex);
    const std::size_t total = state.machine.memory_bytes;
    return {.free_bytes = total - std::min(total, state.counts.memory_bytes), .total_bytes = total};
}

void* allocate_device(std::size_t bytes) {
    DeviceState& state = device_state();
    const Lock lock(state.mutex);
    check_lost(state, "allocate device memory");
    ++state.counts.allocations;
    if (state.counts.allocations == state.machine.fail_allocation ||
        bytes > state.machine.memory_bytes ||
        state.counts.memory_bytes > state.machine.memory_bytes - bytes)
        fail(ErrorCode::out_of_memory,
             concat("cuda: allocate device memory: no room for ", bytes, " bytes"));
    void* at = allocate_from_host(bytes, "allocate device memory");
    state.device_memory.emplace(static_cast<std::byte*>(at), bytes);
    state.counts.memory_bytes += bytes;
    register_allocation(at, bytes);
    return at;
}

void free_device(void* at) noexcept {
    if (at == nullptr)
        return;
    DeviceState& state = device_state();
    const Lock lock(state.mutex);
    try {
        run_everything(state);
    } catch (...) { // said at the next wait
    }
    const auto found = state.device_memory.find(static_cast<std::byte*>(at));
    if (found == state.device_memory.end())
        return;
    state.counts.memory_bytes -= found->second;
    state.device_memory.erase(found);
    unregister_allocation(at);
    std::free(at);
}

void* allocate_pinned(std::size_t bytes) {
    DeviceState& state = device_state();
    const Lock lock(state.mutex);
    void* at = allocate_from_host(bytes, "allocate pinned memory");
    state.pinned_memory.emplace(static_cast<std::byte*>(at), bytes);
    return at;
}

void free_pinned(void* at) noexcept {
    if (at == nullptr)
        return;
    DeviceState& state = device_state();
    const Lock lock(state.mutex);
    try {
        run_everything(state);
    } catch (...) { // said at the next wait
    }
    state.pinned_memory.erase(static_cast<std::byte*>(at));
    std::free(at);
}

Stream::Stream() {
    auto made = std::make_unique<StreamState>();
    made->device = current_device();
    DeviceState& state = device_state();
    const Lock lock(state.mutex);
    state.streams.push_back(made.get());
    handle_ = made.release();
}

Stream::~Stream() {
    DeviceState& state = device_state();
    const Lock lock(state.mutex);
    try {
        run_until(state_of(*this), state_of(*this).put);
    } catch (...) { // nobody waits for it any more
    }
    std::erase(state.streams, &state_of(*this));
    delete &state_of(*this);
}

void Stream::synchronise() {
    DeviceState& state = device_state();
    const Lock lock(state.mutex);
    refuse_in_capture(state_of(*this), "wait for the device");
    run_until(state_of(*this), state_of(*this).put);
    check_lost(state, "wait for the device");
}

void Stream::wait(const Event& event) {
    const Lock lock(device_state().mutex);
    const EventState recorded = state_of(event);
    if (recorded.stream == nullptr || recorded.stream == &state_of(*this))
        return;
    refuse_in_capture(state_of(*this), "wait for an event of another stream");
    put_work(*this, [recorded] { run_until(*recorded.stream, recorded.place); });
}

void Stream::begin_capture() {
    DeviceState& device = device_state();
    const Lock lock(device.mutex);
    check_lost(device, "capture a graph");
    StreamState& state = state_of(*this);
    state.capturing = capturing_ = true;
    state.capture_problem.clear();
    state.captured.clear();
}

Graph Stream::end_capture() {
    DeviceState& device = device_state();
    const Lock lock(device.mutex);
    StreamState& state = state_of(*this);
    state.capturing = capturing_ = false;
    if (device.machine.no_graphs)
        state.capture_problem = "operation not supported";
    if (!state.capture_problem.empty())
        fail(ErrorCode::device_failure, concat("cuda: capture a graph: ", state.capture_problem));
    return Graph(new GraphState{std::move(state.captured)});
}

void Stream::abandon_capture() noexcept {
    StreamState& state = state_of(*this);
    state.capturing = capturing_ = false;
    state.captured.clear();
}

Event::Event() : handle_(new EventState) {}

Event::~Event() {
    delete &state_of(*this);
}

void Event::record(Stream& stream) {
    const Lock lock(device_state().mutex);
    StreamState& into = state_of(stream);
    if (into.capturing)
        return; // a place in the graph, for which nobody outside of it can wait
    EventState* state = &state_of(*this);
    state->stream = &into;
    state->place = into.put;
    state->time = std::chrono::steady_clock::now();
}

void Event::synchronise() {
    DeviceState& state = device_state();
    const Lock lock(state.mutex);
    const EventState recorded = state_of(*this);
    if (recorded.stream == nullptr)
        return;
    run_until(*recorded.stream, recorded.place);
    check_lost(state, "wait for an event");
}

bool Event::done() const {
    const EventState& state = state_of(*this);
    return state.stream == nullptr || state.stream->done >= state.place;
}

double elapsed_ms(const Event& from, Event& to) {
    to.synchronise();
    return std::chrono::duration<double, std::milli>(state_of(to).time - state_of(from).time)
        .count();
}

Graph::~Graph() {
    delete static_cast<GraphState*>(handle_);
}

void Graph::launch(Stream& stream) const {
    DeviceState& state = device_state();
    const Lock lock(state.mutex);
    check_lost(state, "run a graph");
    ++state.counts.graph_launches;
    for (const Work& work : static_cast<const GraphState*>(handle_)->work)
        put_work(stream, work);
}

void copy_to_device(void* to, const void* from, std::size_t bytes, Stream& stream) {
    copy(to, from, bytes, stream, from, "copy to the device");
}

void copy_to_host(void* to, const void* from, std::size_t bytes, Stream& stream) {
    copy(to, from, bytes, stream, to, "copy from the device");
}

void copy_on_device(void* to, const void* from, std::size_t bytes, Stream& stream) {
    copy(to, from, bytes, stream, nullptr, "copy on the device");
}

void fill_device(void* to, int value, std::size_t bytes, Stream& stream) {
    const Lock lock(device_state().mutex);
    check_lost(device_state(), "fill device memory");
    put_work(stream, [=] {
        std::memset(to, value, bytes);
        mark_written(to, bytes);
    });
}

// In a lazy stream earlier work is still to come, and would write there again.
void forget_contents(void* at, std::size_t bytes) {
    DeviceState& state = device_state();
    const Lock lock(state.mutex);
    if (!state.machine.lazy)
        mark_unwritten(at, bytes);
}

void synchronise_device() {
    DeviceState& state = device_state();
    const Lock lock(state.mutex);
    run_everything(state);
    check_lost(state, "wait for the device");
}

void check_last_error(std::string_view) {}

} // namespace clip::cuda
