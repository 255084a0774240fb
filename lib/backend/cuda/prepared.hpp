// SPDX-License-Identifier: MIT
// Weights on the device, as the products of this folder read them.
#pragma once

#include <cstdint>

#include "backend/cuda/aligned_pitch.hpp"
#include "backend/cuda/context.hpp"
#include "backend/cuda/device_memory.hpp"
#include "backend/cuda/workspace.hpp"
#include "backend/op_args.hpp"

namespace clip::cuda {

/// Rows of elements of one type on the device, `pitch` elements apart.
struct PitchedRows {
    const void* at = nullptr;
    std::int64_t rows = 0, width = 0;
    std::int64_t pitch = 0;
};

/// Rows of weights in the type that products take, and the bias of each row, on the device.
class DeviceWeights {
  public:
    /// Room for (rows, width) of `storage`; contents are undefined. Errors: out_of_memory.
    DeviceWeights(DeviceAllocator& from, std::int64_t rows, std::int64_t width, DType storage_type,
                  bool has_bias);

    /// Room for others of the same shape. Memory stays where it is unless it cannot: graphs know
    /// its address.
    void reshape(DeviceAllocator& from, DType storage_type, bool has_bias);
    /// Brings the bias, where there is one, from the host or the device.
    void fill_bias(Context& context, Workspace::Scope& scope, const ConstView& values);

    const float* bias_or_null() const { return bias.as<float>(); }
    std::int64_t pitch() const { return aligned_pitch(width_, storage); }

    DType storage;       ///< f32, f16 or bf16
    DeviceBuffer weight; ///< (rows, width) of `storage`, rows pitch() apart
    DeviceBuffer bias;   ///< (rows) f32, or empty

  private:
    DeviceBuffer weight_memory(DeviceAllocator& from) const;
    DeviceBuffer bias_memory(DeviceAllocator& from) const;

    std::int64_t rows_, width_;
};

/// A linear layer's weights (out, in), row-major as they came.
class CudaLinear final : public PreparedLinear, public DeviceWeights {
  public:
    CudaLinear(DeviceAllocator& from, std::int64_t in, std::int64_t out, DType storage_type,
               bool has_bias)
        : PreparedLinear(in, out), DeviceWeights(from, out, in, storage_type, has_bias) {}
};

/// A convolution's weights (C_out, kh * kw * C_in), ordered for channels-last pictures.
class CudaConv2d final : public PreparedConv2d, public DeviceWeights {
  public:
    CudaConv2d(DeviceAllocator& from, const Shape& shape, int stride, int padding,
               DType storage_type, bool has_bias)
        : PreparedConv2d(shape, stride, padding),
          DeviceWeights(from, shape[0], shape[1] * shape[2] * shape[3], storage_type, has_bias) {}
};

/// Refuses what there are no products for. Errors: unsupported.
void check_storage(const char* what, DType storage);

/// A float32 tensor of the host or of the device, on the device for as long as the scope.
const float* on_device(Context& context, Workspace::Scope& scope, const ConstView& view);

} // namespace clip::cuda
