// SPDX-License-Identifier: MIT
// What cuda_bench times: the ops of CLIP's towers and losses, on the shapes of one architecture.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "backend/cuda/cuda_backend.hpp"
#include "tensor/tensor.hpp"

namespace clip::bench {

/// What the shapes of an architecture follow from.
struct Architecture {
    const char* name;
    std::int64_t batch, patch, side, width, layers, embed;

    std::int64_t grid() const { return side / patch; }
    std::int64_t tokens() const { return grid() * grid() + 1; }
    std::int64_t rows() const { return batch * tokens(); }
};

/// An op that is ready to run, and what it writes.
struct ReadyOp {
    std::function<void()> run;
    std::vector<ConstView> outputs; ///< f32 or 16 bits
};

/// Which of the device's peaks an op is held against.
enum class Peak {
    tensor_16, ///< products of 16 bits with float32 sums
    tensor_32, ///< float32 as three products of TF32
    memory,
};

struct GpuCase {
    std::string op, shape, dtype;
    double flop = 0;  ///< of one run, two a multiply-add, those that the formula has
    double bytes = 0; ///< of one run: every operand once
    Peak peak = Peak::memory;
    std::function<ReadyOp(cuda::CudaBackend&)> make;
};

std::vector<GpuCase> gpu_cases(const Architecture& of);

} // namespace clip::bench
