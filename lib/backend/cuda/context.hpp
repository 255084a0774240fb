// SPDX-License-Identifier: MIT
// What every op of this folder works with: the device, its stream, and memory for temporaries.
#pragma once

#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>

#include "backend/cuda/cuda_memory.hpp"
#include "backend/cuda/cuda_options.hpp"
#include "backend/cuda/device_memory.hpp"
#include "backend/cuda/graph_cache.hpp"
#include "backend/cuda/launch.hpp"
#include "backend/cuda/runtime.hpp"
#include "backend/cuda/span_cache.hpp"
#include "backend/cuda/transfer.hpp"
#include "backend/cuda/workspace.hpp"
#include "base/thread_pool.hpp"

namespace clip::cuda {

/// Makes `index` this thread's device, and says what it is.
/// Errors: unsupported (no driver, one that is too old, no such device, or a device before compute
/// capability 8.0: its tensor cores lack what the kernels use); device_failure.
Properties open_device(int index);

class Context {
  public:
    /// Errors: as for open_device(); out_of_memory.
    Context(int device, const CudaOptions& options, ThreadPool& pool);

    int device() const { return device_; }
    const CudaOptions& options() const { return options_; }
    const Properties& properties() const { return properties_; }
    ThreadPool& pool() { return pool_; }

    /// All kernels and copies of ops go here.
    Stream& stream() { return stream_; }
    DeviceAllocator& allocator() { return allocator_; }
    Workspace& workspace() { return workspace_; }
    Transfer& transfer() { return transfer_; }
    SpanCache& spans() { return spans_; }
    CudaMemory& memory() { return memory_; }
    GraphCache& graphs() { return graphs_; }

    /// A span of the host on the device, for the kernels of the op that asks.
    template <typename T>
    const std::remove_const_t<T>* on_device(std::span<T> values) {
        return static_cast<const std::remove_const_t<T>*>(spans_.put(std::as_bytes(values)));
    }

    /// Puts a kernel into the stream.
    template <typename... Parameters, typename... Arguments>
    void launch(std::string_view name, void (*kernel)(Parameters...), const LaunchShape& shape,
                Arguments&&... arguments) {
        cuda::launch(name, kernel, shape, stream_, std::forward<Arguments>(arguments)...);
    }

  private:
    int device_;
    CudaOptions options_;
    Properties properties_;
    ThreadPool& pool_;
    DeviceAllocator allocator_; ///< gone last
    Stream stream_;
    Transfer transfer_;
    SpanCache spans_;
    Workspace workspace_;
    CudaMemory memory_;
    GraphCache graphs_;
};

} // namespace clip::cuda
