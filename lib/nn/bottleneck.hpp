// SPDX-License-Identifier: MIT
#pragma once

#include "nn/norm.hpp"

namespace clip {

/// A picture between layers: channels-last, (N, height, width, C), of the type that goes between
/// them, in the backend's memory.
struct FeatureMap {
    FeatureMap(Backend& backend, DType storage)
        : memory(&backend.memory()), dtype(backend.activation_dtype(storage)) {}

    Memory* memory;
    DType dtype;
    Tensor data;
    Shape shape{0};
    MutView view() { return part_of(data.view(), 0, shape); }
    /// Makes room for `shape`; contents are lost.
    void resize(Shape wanted) {
        reserve(data, wanted.numel(), dtype, *memory);
        shape = wanted;
    }
};

/// Memory that the blocks of a ResNet take turns to use.
struct BottleneckScratch {
    BottleneckScratch(Backend& backend, DType storage)
        : narrow(backend, storage), wide(backend, storage), pooled(backend, storage),
          shortcut(backend, storage) {}
    FeatureMap narrow, wide, pooled, shortcut;
};

/// The residual block of CLIP's ResNets: 1x1, 3x3, average pool in place of a stride, 1x1; the
/// shortcut pools before its 1x1. Batch norms are folded into the convolutions.
///
/// Source: He et al. 2016, figure 5, with the ResNet-D and antialiased changes that Radford et al.
/// 2021, section 2.4 name.
class Bottleneck {
  public:
    Bottleneck(Backend& backend, const ParameterScope& scope, int stride, DType storage);
    /// x -> y; y is another map than x.
    void forward(Backend& backend, FeatureMap& x, FeatureMap& y, BottleneckScratch& scratch) const;

  private:
    int stride_;
    std::unique_ptr<PreparedConv2d> conv1_, conv2_, conv3_;
    std::unique_ptr<PreparedConv2d> shortcut_; // null where the input is added as it is
};

} // namespace clip
