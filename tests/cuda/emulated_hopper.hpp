// SPDX-License-Identifier: MIT
#pragma once

#include "backend/cuda/emulation/machine.hpp"

namespace clip::test {

/// The emulated device has compute capability 9.0 while this lives; backends that are made
/// meanwhile choose the kernels of sm_90a.
class EmulatedHopper {
  public:
    EmulatedHopper() { cuda::emulation::set_machine({.capability = 90}); }
    ~EmulatedHopper() { cuda::emulation::set_machine({}); }
    EmulatedHopper(const EmulatedHopper&) = delete;
    EmulatedHopper& operator=(const EmulatedHopper&) = delete;
};

} // namespace clip::test
