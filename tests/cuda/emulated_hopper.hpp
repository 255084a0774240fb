// SPDX-License-Identifier: MIT
#pragma once

#ifdef CLIP_CUDA_EMULATED
#include "backend/cuda/emulation/machine.hpp"
#endif

namespace clip::test {

/// The emulated device has compute capability 9.0 while this lives; backends that are made
/// meanwhile choose the kernels of sm_90a. A real device is what it is.
class EmulatedHopper {
  public:
#ifdef CLIP_CUDA_EMULATED
    EmulatedHopper() { cuda::emulation::set_machine({.capability = 90}); }
    ~EmulatedHopper() { cuda::emulation::set_machine({}); }
#else
    EmulatedHopper() {}
    ~EmulatedHopper() {}
#endif
    EmulatedHopper(const EmulatedHopper&) = delete;
    EmulatedHopper& operator=(const EmulatedHopper&) = delete;
};

} // namespace clip::test
