// SPDX-License-Identifier: MIT
// Which backends this build has, and the one place that makes them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backend/backend.hpp"

namespace clip {

/// Which implementations a CPU backend may choose from; `automatic` takes the fastest for each op.
enum class CpuImplementation : std::uint8_t { automatic, ref, onednn };

/// Makes the backend of a device; `pool` must outlive it.
/// Errors: unsupported (not in this build, or no such device; the message says why).
std::unique_ptr<Backend> make_backend(Device device, ThreadPool& pool,
                                      CpuImplementation which = CpuImplementation::automatic);

/// One line a backend, for --version: "cpu (avx512)", "onednn 2.6.3", "cuda: not in this build".
std::vector<std::string> describe_backends();

/// Reads "cpu", "cuda", "cuda:1" or "auto" (the best device present).
/// Errors: invalid_argument.
Device parse_device(const std::string& text);

} // namespace clip
