// SPDX-License-Identifier: MIT
// CLIP_ORDER_SEED: the order of threads that this run of the program begins with, so that CTest can
// run all kernel tests under several.
#include <doctest/doctest.h>

#include <cstdlib>
#include <string>

#include "backend/cuda/emulation/emulator.hpp"

namespace {

const bool kSeeded = [] {
    const char* seed = std::getenv("CLIP_ORDER_SEED");
    if (seed != nullptr)
        clip::cuda::emulation::set_order_seed(std::stoull(seed));
    return seed != nullptr;
}();

} // namespace

TEST_CASE("order seed: taken from the environment where there is one") {
    CHECK(kSeeded == (std::getenv("CLIP_ORDER_SEED") != nullptr));
}
