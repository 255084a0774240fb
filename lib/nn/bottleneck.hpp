// SPDX-License-Identifier: MIT
#pragma once

#include "nn/norm.hpp"

namespace clip {

/// A picture between layers: channels-last, (N, height, width, C).
struct FeatureMap {
    Tensor data;
    Shape shape{0};
    MutView view() { return {data.as<float>(), shape, DType::f32, Device{}}; }
    /// Makes room for `shape`; contents are lost.
    void resize(Shape wanted) {
        if (data.numel() < wanted.numel())
            data = Tensor(Shape{wanted.numel()});
        shape = wanted;
    }
};

/// Memory that the blocks of a ResNet take turns to use.
struct BottleneckScratch {
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
