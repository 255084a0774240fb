// SPDX-License-Identifier: MIT
// The residual block of CLIP's ResNets, forward and backward.
#pragma once

#include <memory>
#include <string>

#include "trainer/trained_conv.hpp"

namespace clip::trainer {

/// Bottleneck (nn/bottleneck.hpp) with batch norms of their own.
class TrainedBottleneck {
  public:
    /// What the backward pass needs, in the context's arena.
    struct Saved {
        MutView x, y; ///< the block's input and result
        TrainedConv::Saved conv_1, conv_2, conv_3, shortcut;
    };

    /// Parameters below `name` ("visual.layer1.0.").
    TrainedBottleneck(const TowerContext& context, const std::string& name, int stride);

    void refresh();
    /// The shape that `x` gives.
    Shape output_shape(const Shape& x) const;

    /// x (N, height, width, C) -> y, taken by the caller. What is not kept for the backward pass
    /// goes back to the arena: everything but y without `keep`, everything but x and y in a frugal
    /// context. Both must live until backward(). Running statistics move with `keep` only.
    void forward(MutView x, MutView y, Saved& saved, bool keep);
    /// grad_y, whose content is lost -> grad_x, shape of x, written. Adds gradients of parameters.
    void backward(MutView grad_y, MutView grad_x, Saved& saved);

  private:
    void compute(Saved& saved, bool update_running);
    /// The means of windows of stride_ places; x itself where the stride is 1.
    ConstView pooled(ConstView x);
    /// Memory for the gradient by pooled(x): grad_x itself where the stride is 1.
    MutView grad_of_pooled(MutView grad_x);
    /// From that gradient to the one by x.
    void pooled_backward(ConstView grad_pooled, MutView grad_x);

    const TowerContext& context_;
    int stride_;
    TrainedConv conv_1_, conv_2_, conv_3_;
    std::unique_ptr<TrainedConv> shortcut_; ///< null where the input is added as it is
};

} // namespace clip::trainer
