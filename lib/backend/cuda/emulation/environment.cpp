// SPDX-License-Identifier: MIT
// The emulated plugin, and it alone, reads CLIP_EMULATED_CUDA (see machine.hpp) when it is loaded.
#include <cstdlib>

#include "backend/cuda/emulation/device_state.hpp"
#include "base/error.hpp"

namespace clip::cuda::emulation {

namespace {

[[maybe_unused]] const bool kRead = [] {
    const char* text = std::getenv("CLIP_EMULATED_CUDA");
    if (text == nullptr)
        return false;
    try {
        set_machine(parse_machine(text));
    } catch (const Error& error) {
        device_state().bad_settings = error.what();
    }
    return true;
}();

} // namespace

} // namespace clip::cuda::emulation
