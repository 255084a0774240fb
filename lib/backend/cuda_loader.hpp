// SPDX-License-Identifier: MIT
// The CUDA backend is a plugin: programs start without it, and on machines without a driver.
#pragma once

#include <memory>
#include <string>

#include "backend/backend.hpp"
#include "backend/cuda/cuda_options.hpp"

namespace clip {

/// Loads the plugin, where it is not loaded yet, and makes the backend of GPU `device`; `plugin` is
/// its path, or empty. `pool` must outlive the backend.
/// Errors: unsupported (no plugin, no driver, one that is too old, no such GPU, or a GPU that is
/// too old; the message says which), out_of_memory, device_failure.
std::unique_ptr<Backend> make_cuda_backend(int device, const CudaOptions& options, ThreadPool& pool,
                                           const std::string& plugin);

/// Where the plugin is; empty: nowhere.
std::string find_cuda_plugin();

/// How many GPUs the system's device files name: known at once, and without a driver's start, which
/// takes a tenth of a second and more. Whether CUDA can use them is another matter.
int count_gpu_files();

} // namespace clip
