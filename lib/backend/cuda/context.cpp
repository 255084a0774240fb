// SPDX-License-Identifier: MIT
#include "backend/cuda/context.hpp"

#include "base/concat.hpp"
#include "base/error.hpp"

namespace clip::cuda {

namespace {

/// bf16 and TF32 tensor cores, cp.async: what kernels take for granted.
constexpr int kLeastCapability = 80;

/// 12040 -> "12.4"
std::string version_text(int version) {
    return concat(version / 1000, '.', version % 1000 / 10);
}

// What stands in the way, or empty.
std::string problem_of(const DriverState& state, int index) {
    switch (state.kind) {
    case DriverState::Kind::no_driver:
        return "there is no NVIDIA driver on this machine";
    case DriverState::Kind::driver_too_old:
        return concat("the NVIDIA driver is too old (it knows CUDA ", version_text(state.driver),
                      ", want ", version_text(state.runtime), " or newer)");
    case DriverState::Kind::no_device:
        return "the NVIDIA driver sees no GPU";
    case DriverState::Kind::broken:
        return concat("the NVIDIA driver does not start: ", state.problem);
    case DriverState::Kind::ready:
        if (index >= state.devices)
            return concat("there is no such GPU (there ", state.devices == 1 ? "is " : "are ",
                          state.devices, ", numbered from 0)");
    }
    return "";
}

} // namespace

Properties open_device(int index) {
    const std::string what = concat("use cuda:", index, ": ");
    if (const std::string problem = problem_of(driver_state(), index); !problem.empty())
        fail(ErrorCode::unsupported, what + problem);
    set_device(index);
    Properties properties = device_properties(index);
    if (properties.capability() < kLeastCapability)
        fail(ErrorCode::unsupported,
             concat(what, properties.name, " is too old (it has compute capability ",
                    properties.major, '.', properties.minor, ", want ", kLeastCapability / 10, '.',
                    kLeastCapability % 10, " or newer)"));
    return properties;
}

Context::Context(int device, const CudaOptions& options, ThreadPool& pool)
    : device_(device), options_(options), properties_(open_device(device)), pool_(pool),
      transfer_(allocator_, stream_, pool), spans_(allocator_, transfer_),
      workspace_(allocator_, stream_),
      memory_({Device::Kind::cuda, device}, allocator_, transfer_, stream_),
      graphs_(stream_, allocator_, workspace_, spans_) {}

} // namespace clip::cuda
