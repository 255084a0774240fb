// SPDX-License-Identifier: MIT
// Weights on the device, as the products of this folder read them.
#pragma once

#include <cstdint>

#include "backend/cuda/aligned_pitch.hpp"
#include "backend/cuda/device_memory.hpp"
#include "backend/op_args.hpp"

namespace clip::cuda {

/// Rows of elements of one type on the device, `pitch` elements apart.
struct PitchedRows {
    const void* at = nullptr;
    std::int64_t rows = 0, width = 0;
    std::int64_t pitch = 0;
};

/// A linear layer's weights, row-major as they came, in their storage type.
class CudaLinear final : public PreparedLinear {
  public:
    CudaLinear(std::int64_t in, std::int64_t out, DType storage_type, DeviceBuffer weight_memory,
               DeviceBuffer bias_memory)
        : PreparedLinear(in, out), storage(storage_type), weight(std::move(weight_memory)),
          bias(std::move(bias_memory)) {}

    const float* bias_or_null() const { return bias.as<float>(); }
    std::int64_t pitch() const { return aligned_pitch(in_features(), storage); }

    DType storage;       ///< f32, f16 or bf16
    DeviceBuffer weight; ///< (out, in) of `storage`, rows pitch() apart
    DeviceBuffer bias;   ///< (out) f32, or empty
};

/// A convolution's weights, ordered for channels-last pictures.
class CudaConv2d final : public PreparedConv2d {
  public:
    CudaConv2d(const Shape& shape, int stride, int padding, DType storage_type,
               DeviceBuffer weight_memory, DeviceBuffer bias_memory)
        : PreparedConv2d(shape, stride, padding), storage(storage_type),
          weight(std::move(weight_memory)), bias(std::move(bias_memory)) {}

    const float* bias_or_null() const { return bias.as<float>(); }
    std::int64_t pitch() const {
        const Shape& shape = weight_shape();
        return aligned_pitch(shape[1] * shape[2] * shape[3], storage);
    }

    DType storage;       ///< f32, f16 or bf16
    DeviceBuffer weight; ///< (C_out, kh * kw * C_in) of `storage`, rows pitch() apart
    DeviceBuffer bias;   ///< (C_out) f32, or empty
};

} // namespace clip::cuda
