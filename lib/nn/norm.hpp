// SPDX-License-Identifier: MIT
// Normalisation layers with their weights, and the small things that all layers here share.
#pragma once

#include <memory>

#include "backend/backend.hpp"
#include "nn/parameter_source.hpp"

namespace clip {

/// Layer norm with its gain and bias, both (D).
class LayerNorm {
  public:
    LayerNorm(Backend& backend, const ParameterScope& scope, float eps);
    /// x (R, D) -> y (R, D); y may be x.
    void forward(Backend& backend, ConstView x, MutView y) const;

  private:
    Tensor gamma_, beta_;
    float eps_;
};

/// A small parameter as float32 in the backend's memory.
Tensor keep_there(Backend& backend, const ParameterScope& scope, const std::string& name);

/// Prepares `<name>.weight` (out, in) and `<name>.bias` (out) where there is one.
std::unique_ptr<PreparedLinear> prepare_linear_layer(Backend& backend, const ParameterScope& scope,
                                                     const std::string& name, DType storage);

/// Prepares rows [first, first + count) of a weight (out, in) and of its bias.
std::unique_ptr<PreparedLinear> prepare_linear_rows(Backend& backend, const Parameter& weight,
                                                    const Parameter& bias, std::int64_t first,
                                                    std::int64_t count, DType storage);

/// Prepares a projection that the checkpoint stores as (in, out): y = x W.
std::unique_ptr<PreparedLinear> prepare_projection(Backend& backend, const ParameterScope& scope,
                                                   const std::string& name, DType storage);

/// Prepares a convolution with the batch norm behind it folded in: in inference
/// y = (conv(x) - mean) / sqrt(var + eps) * gamma + beta is a convolution with other weights and a
/// bias. The folding is done in double.
std::unique_ptr<PreparedConv2d>
prepare_conv_batch_norm(Backend& backend, const ParameterScope& scope, const std::string& conv,
                        const std::string& batch_norm, int stride, int padding, DType storage);

/// The first `rows` rows of a scratch tensor (capacity, D), as (rows, D).
inline MutView first_rows(Tensor& scratch, std::int64_t rows, std::int64_t width) {
    return part_of(scratch.view(), 0, Shape{rows, width});
}

} // namespace clip
