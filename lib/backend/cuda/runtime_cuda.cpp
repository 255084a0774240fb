// SPDX-License-Identifier: MIT
// The CUDA runtime behind runtime.hpp. Its errors become ours here and in launch_cuda.cpp.
#include "backend/cuda/runtime.hpp"

#include <cuda_runtime.h>

#include "backend/cuda/check_cuda.hpp"

namespace clip::cuda {

namespace {

cudaStream_t native(const Stream& stream) {
    return static_cast<cudaStream_t>(stream.handle());
}

cudaEvent_t native(const Event& event) {
    return static_cast<cudaEvent_t>(event.handle());
}

int attribute(cudaDeviceAttr which, int device) {
    int value = 0;
    check(cudaDeviceGetAttribute(&value, which, device), "ask what the device can do");
    return value;
}

} // namespace

DriverState driver_state() {
    DriverState state;
    cudaDriverGetVersion(&state.driver); // leaves 0 where there is no driver
    cudaRuntimeGetVersion(&state.runtime);
    const cudaError_t status = cudaGetDeviceCount(&state.devices);
    cudaGetLastError(); // said here, not by the next call
    switch (status) {
    case cudaSuccess:
        state.kind = state.devices > 0 ? DriverState::Kind::ready : DriverState::Kind::no_device;
        break;
    case cudaErrorInsufficientDriver:
        state.kind =
            state.driver == 0 ? DriverState::Kind::no_driver : DriverState::Kind::driver_too_old;
        break;
    case cudaErrorNoDevice:
        state.kind = DriverState::Kind::no_device;
        break;
    default:
        state.kind = DriverState::Kind::broken;
        state.problem = cudaGetErrorString(status);
    }
    if (status != cudaSuccess)
        state.devices = 0;
    return state;
}

Properties device_properties(int device) {
    cudaDeviceProp native{};
    check(cudaGetDeviceProperties(&native, device), "ask for the device's properties");
    char pci[32] = "";
    check(cudaDeviceGetPCIBusId(pci, sizeof pci, device), "ask for the device's place");
    return {.name = native.name,
            .pci = pci,
            .major = native.major,
            .minor = native.minor,
            .multiprocessors = native.multiProcessorCount,
            .shared_bytes = native.sharedMemPerBlockOptin,
            .shared_bytes_of_multiprocessor = native.sharedMemPerMultiprocessor,
            .l2_bytes = static_cast<std::size_t>(native.l2CacheSize),
            .memory_bytes = native.totalGlobalMem,
            .clock_khz = attribute(cudaDevAttrClockRate, device),
            .memory_clock_khz = attribute(cudaDevAttrMemoryClockRate, device),
            .memory_bus_bits = native.memoryBusWidth};
}

void set_device(int device) {
    check(cudaSetDevice(device), "choose the device");
}

MemoryState memory_state() {
    MemoryState state;
    check(cudaMemGetInfo(&state.free_bytes, &state.total_bytes), "ask for the device's memory");
    return state;
}

void* allocate_device(std::size_t bytes) {
    void* at = nullptr;
    check(cudaMalloc(&at, bytes == 0 ? 1 : bytes), "allocate device memory", bytes);
    return at;
}

void free_device(void* at) noexcept {
    cudaFree(at);
}

void* allocate_pinned(std::size_t bytes) {
    void* at = nullptr;
    check(cudaMallocHost(&at, bytes == 0 ? 1 : bytes), "allocate pinned memory", bytes);
    return at;
}

void free_pinned(void* at) noexcept {
    if (at != nullptr)
        cudaFreeHost(at);
}

Stream::Stream() {
    cudaStream_t made = nullptr;
    check(cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking), "make a stream");
    handle_ = made;
}

Stream::~Stream() {
    cudaStreamDestroy(native(*this));
}

void Stream::synchronise() {
    check(cudaStreamSynchronize(native(*this)), "wait for the device");
}

void Stream::wait(const Event& event) {
    check(cudaStreamWaitEvent(native(*this), native(event), 0), "wait for an event");
}

void Stream::begin_capture() {
    // Relaxed: memory may be allocated meanwhile, and other streams may work.
    check(cudaStreamBeginCapture(native(*this), cudaStreamCaptureModeRelaxed), "capture a graph");
    capturing_ = true;
}

Graph Stream::end_capture() {
    capturing_ = false;
    cudaGraph_t recorded = nullptr;
    check(cudaStreamEndCapture(native(*this), &recorded), "capture a graph");
    cudaGraphExec_t ready = nullptr;
    const cudaError_t status = cudaGraphInstantiate(&ready, recorded, 0);
    cudaGraphDestroy(recorded);
    check(status, "make a graph ready");
    return Graph(ready);
}

void Stream::abandon_capture() noexcept {
    capturing_ = false;
    cudaGraph_t recorded = nullptr;
    if (cudaStreamEndCapture(native(*this), &recorded) == cudaSuccess)
        cudaGraphDestroy(recorded);
    cudaGetLastError(); // the capture's error is of no interest any more
}

Event::Event() {
    cudaEvent_t made = nullptr;
    check(cudaEventCreate(&made), "make an event");
    handle_ = made;
}

Event::~Event() {
    cudaEventDestroy(native(*this));
}

void Event::record(Stream& stream) {
    check(cudaEventRecord(native(*this), native(stream)), "record an event");
}

void Event::synchronise() {
    check(cudaEventSynchronize(native(*this)), "wait for an event");
}

bool Event::done() const {
    const cudaError_t status = cudaEventQuery(native(*this));
    if (status == cudaErrorNotReady) {
        cudaGetLastError(); // kept like an error, which the next launch would find
        return false;
    }
    check(status, "ask for an event");
    return true;
}

double elapsed_ms(const Event& from, Event& to) {
    to.synchronise();
    float ms = 0;
    check(cudaEventElapsedTime(&ms, native(from), native(to)), "ask for the time between events");
    return ms;
}

Graph::~Graph() {
    if (handle_ != nullptr)
        cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(handle_));
}

void Graph::launch(Stream& stream) const {
    check(cudaGraphLaunch(static_cast<cudaGraphExec_t>(handle_), native(stream)), "run a graph");
}

void copy_to_device(void* to, const void* from, std::size_t bytes, Stream& stream) {
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, native(stream)),
          "copy to the device");
}

void copy_to_host(void* to, const void* from, std::size_t bytes, Stream& stream) {
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, native(stream)),
          "copy from the device");
}

void copy_on_device(void* to, const void* from, std::size_t bytes, Stream& stream) {
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, native(stream)),
          "copy on the device");
}

void fill_device(void* to, int value, std::size_t bytes, Stream& stream) {
    check(cudaMemsetAsync(to, value, bytes, native(stream)), "fill device memory");
}

void forget_contents(void*, std::size_t) {}

void synchronise_device() {
    check(cudaDeviceSynchronize(), "wait for the device");
}

void check_last_error(std::string_view what) {
    check(cudaGetLastError(), what);
}

} // namespace clip::cuda
