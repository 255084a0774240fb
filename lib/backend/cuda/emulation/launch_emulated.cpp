// SPDX-License-Identifier: MIT
#include "backend/cuda/launch.hpp"

#include <string>

#include "backend/cuda/emulation/device_state.hpp"
#include "backend/cuda/emulation/emulator.hpp"
#include "base/concat.hpp"
#include "base/error.hpp"

namespace clip::cuda::detail {

namespace {

// What CUDA would refuse.
void check_shape(std::string_view name, const LaunchShape& shape) {
    constexpr unsigned kMostBlocks = 0x7fffffff, kMostBlocksAcross = 65535;
    const bool fits = shape.block.count() <= 1024 && shape.block.count() > 0 &&
                      shape.block.z <= 64 && shape.grid.x <= kMostBlocks &&
                      shape.grid.y <= kMostBlocksAcross && shape.grid.z <= kMostBlocksAcross &&
                      shape.shared_bytes <= device_properties(0).shared_bytes;
    if (!fits)
        fail(ErrorCode::device_failure,
             concat("cuda: run kernel ", name, ": invalid launch (grid ", shape.grid.x, ", ",
                    shape.grid.y, ", ", shape.grid.z, ", block ", shape.block.x, ", ",
                    shape.block.y, ", ", shape.block.z, ", ", shape.shared_bytes,
                    " bytes of shared memory)"));
}

} // namespace

void launch_emulated(std::string_view name, const LaunchShape& shape, Stream& stream,
                     std::function<void()> thread_body) {
    using namespace emulation;
    if (shape.grid.count() == 0)
        return;
    DeviceState& state = device_state();
    const std::lock_guard lock(state.mutex);
    const std::string what = concat("run kernel ", name);
    check_lost(state, what);
    check_shape(name, shape);
    if (static_cast<const StreamState*>(stream.handle())->device != current_device())
        fail(ErrorCode::device_failure,
             concat("cuda: ", what, ": invalid resource handle (cudaErrorInvalidResourceHandle)"));
    if (++state.counts.launches == state.machine.fail_launch)
        fail(ErrorCode::device_failure,
             concat("cuda: ", what, ": too many resources requested for launch"));
    const bool faults = state.counts.launches == state.machine.fault_launch;
    put_work(stream, [what, name = std::string(name), shape, faults,
                      thread_body = std::move(thread_body)] {
        DeviceState& device = device_state();
        if (device.lost)
            return;
        if (faults) {
            device.lost = true;
            device.problem = "an illegal memory access was encountered (cudaErrorIllegalAddress)";
            return;
        }
        run_grid(name, {shape.grid, shape.block, shape.shared_bytes}, thread_body);
    });
}

} // namespace clip::cuda::detail
