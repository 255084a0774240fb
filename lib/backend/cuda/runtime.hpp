// SPDX-License-Identifier: MIT
// What host code may ask of CUDA. There are two implementations: runtime_cuda.cpp calls the CUDA
// runtime, emulation/runtime_emulated.cpp does the same things in the memory of this process.
//
// Every function that can fail throws an Error whose message begins with what was attempted:
// out_of_memory where the device (or pinned memory) is full, unsupported where there is no usable
// driver or device, device_failure for everything else. After a kernel faulted the device is lost:
// every later call fails with the same error.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "backend/cuda/dim3.hpp"

namespace clip::cuda {

/// What there is on this machine; never throws, so that a caller can say what is missing.
struct DriverState {
    enum class Kind { ready, no_driver, driver_too_old, no_device, broken };
    Kind kind = Kind::ready;
    int driver = 0;  ///< the newest CUDA that the driver knows, 1000 * major + 10 * minor; 0: none
    int runtime = 0; ///< the CUDA that this build needs, likewise
    int devices = 0;
    std::string problem; ///< what the runtime said where it is broken
};
DriverState driver_state();

struct Properties {
    std::string name;         ///< "NVIDIA H100 80GB HBM3"
    std::string pci;          ///< "0000:81:00.0"
    int major = 0, minor = 0; ///< compute capability
    int multiprocessors = 0;
    std::size_t shared_bytes = 0; ///< of one block at most, where a kernel asks for it
    std::size_t shared_bytes_of_multiprocessor = 0;
    std::size_t l2_bytes = 0;
    std::size_t memory_bytes = 0;
    int clock_khz = 0;
    int memory_clock_khz = 0;
    int memory_bus_bits = 0;

    /// 80 for compute capability 8.0.
    int capability() const { return 10 * major + minor; }
};
Properties device_properties(int device);

/// Makes `device` the one that this thread's calls are for.
void set_device(int device);

struct MemoryState {
    std::size_t free_bytes = 0, total_bytes = 0;
};
MemoryState memory_state();

/// Device memory, aligned to 256 bytes; contents are undefined.
void* allocate_device(std::size_t bytes);
void free_device(void* at) noexcept;
/// Host memory that copies to and from the device go through at full speed.
void* allocate_pinned(std::size_t bytes);
void free_pinned(void* at) noexcept;

class Event;
class Graph;

/// Work in order: what is put into a stream runs after what was put there before.
class Stream {
  public:
    Stream();
    ~Stream();
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    /// Waits for everything in the stream; errors of kernels come out here.
    void synchronise();
    /// What is put into the stream from here on waits for what `event` recorded.
    void wait(const Event& event);
    /// What is put into the stream from here on is recorded, not run, until end_capture().
    void begin_capture();
    /// Errors: device_failure (something was called meanwhile that cannot be recorded).
    Graph end_capture();
    /// Ends a capture that will not be used; never throws.
    void abandon_capture() noexcept;
    bool capturing() const { return capturing_; }

    /// cudaStream_t, or the emulation's own.
    void* handle() const { return handle_; }

  private:
    void* handle_ = nullptr;
    bool capturing_ = false;
};

/// A place in a stream.
class Event {
  public:
    Event();
    ~Event();
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;

    void record(Stream& stream);
    /// Waits for what was recorded; returns at once where nothing was.
    void synchronise();
    /// Whether what was recorded is done.
    bool done() const;
    void* handle() const { return handle_; }

  private:
    void* handle_ = nullptr;
};

/// Milliseconds from one recorded event to another; waits for the second.
double elapsed_ms(const Event& from, Event& to);

/// Work that was captured, ready to run again with the same addresses.
class Graph {
  public:
    Graph() = default;
    explicit Graph(void* handle) : handle_(handle) {}
    ~Graph();
    Graph(Graph&& other) noexcept : handle_(other.handle_) { other.handle_ = nullptr; }
    Graph& operator=(Graph&& other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }

    void launch(Stream& stream) const;
    bool empty() const { return handle_ == nullptr; }

  private:
    void* handle_ = nullptr;
};

/// Copies in the order of `stream`. Host memory that is not pinned has been read, or written, when
/// the call returns; pinned memory must stay as it is until the stream has come past the copy.
void copy_to_device(void* to, const void* from, std::size_t bytes, Stream& stream);
void copy_to_host(void* to, const void* from, std::size_t bytes, Stream& stream);
void copy_on_device(void* to, const void* from, std::size_t bytes, Stream& stream);
/// Sets each byte to `value`.
void fill_device(void* to, int value, std::size_t bytes, Stream& stream);

/// Says that what lies there is not to be read before it is written again. Only the emulation
/// minds.
void forget_contents(void* at, std::size_t bytes);

/// Waits for all streams of the device.
void synchronise_device();

/// Throws where a call since the last one left an error behind; `what` was attempted.
void check_last_error(std::string_view what);

/// Host memory that is pinned for as long as this lives. Move-only.
class PinnedBuffer {
  public:
    PinnedBuffer() = default;
    explicit PinnedBuffer(std::size_t bytes) : data_(allocate_pinned(bytes)), size_(bytes) {}
    ~PinnedBuffer() { free_pinned(data_); }
    PinnedBuffer(PinnedBuffer&& other) noexcept { swap(other); }
    PinnedBuffer& operator=(PinnedBuffer&& other) noexcept {
        swap(other);
        return *this;
    }

    std::byte* data() const { return static_cast<std::byte*>(data_); }
    std::size_t size() const { return size_; }

  private:
    void swap(PinnedBuffer& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
    }

    void* data_ = nullptr;
    std::size_t size_ = 0;
};

} // namespace clip::cuda
