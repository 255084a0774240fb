// SPDX-License-Identifier: MIT
// Which backends this build has, and the one place that makes them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backend/backend.hpp"
#include "backend/cuda/cuda_options.hpp"

namespace clip {

/// Which implementations a CPU backend may choose from; `automatic` takes the fastest for each op.
enum class CpuImplementation : std::uint8_t { automatic, ref, onednn };

struct BackendOptions {
    CpuImplementation cpu = CpuImplementation::automatic;
    CudaOptions cuda;
    std::string cuda_plugin; ///< its path; empty: where it is installed or was built
};

/// Makes the backend of a device; `pool` must outlive it.
/// Errors: unsupported (not in this build, or no such device; the message says why), out_of_memory,
/// device_failure.
std::unique_ptr<Backend> make_backend(Device device, ThreadPool& pool,
                                      const BackendOptions& options = {});

/// Makes that of "auto", "cpu", "cuda" or "cuda:N". With auto, a GPU that cannot be used is passed
/// over; `passed_over` then says so, and why. Errors: invalid_argument (another word), and as
/// above.
std::unique_ptr<Backend> make_named_backend(const std::string& device, ThreadPool& pool,
                                            const BackendOptions& options,
                                            std::string* passed_over = nullptr);

/// One line a backend, for --version: "cpu (avx512)", "onednn 2.6.3", "cuda: not in this build".
/// No driver is started for it.
std::vector<std::string> describe_backends();

/// Reads "cpu", "cuda", "cuda:1" or "auto": the first GPU where the system has one and the build
/// its plugin, else the CPU. Known at once; that the GPU works is not.
/// Errors: invalid_argument.
Device parse_device(const std::string& text);

} // namespace clip
