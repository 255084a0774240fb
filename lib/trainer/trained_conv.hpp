// SPDX-License-Identifier: MIT
// A convolution and the batch norm behind it, forward and backward.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "trainer/layers.hpp"

namespace clip::trainer {

/// What the two layers are, apart from their weights.
struct ConvSettings {
    int stride = 1, padding = 0;
    Activation activation = Activation::relu; ///< none or relu
};

/// y = activation(batch_norm(conv(x)) + residual), with the statistics of the batch it is given.
/// Maps are channels-last. Memory comes from the context's arena and is the caller's to rewind.
class TrainedConv {
  public:
    /// What the backward pass needs.
    struct Saved {
        ConstView x;        ///< (N, height, width, C_in)
        MutView convolved;  ///< (N, height', width', C_out)
        MutView y;          ///< likewise
        MutView mean, rstd; ///< (C_out) of `convolved`
    };

    /// Parameters `conv`.weight, and `norm`.weight, .bias, .running_mean and .running_var.
    TrainedConv(const TowerContext& context, const std::string& conv, const std::string& norm,
                const ConvSettings& settings);

    /// To be called whenever weights have changed.
    void refresh() { stale_ = true; }
    /// The shape that `x` gives.
    Shape output_shape(const Shape& x) const;

    struct Forward {
        ConstView x;        ///< to be left as it is until backward()
        ConstView residual; ///< shape of y, or empty
        MutView y;          ///< taken from the arena where it is empty
        /// Moves the running statistics: once a batch, and so not where it is computed again.
        bool update_running = false;
    };
    Saved forward(const Forward& args);

    struct Backward {
        MutView grad_y;        ///< its content is lost
        MutView grad_residual; ///< shape of y, written; or empty
        MutView grad_x;        ///< shape of x, written; or empty
    };
    /// Adds the gradients of the parameters.
    void backward(const Backward& args, const Saved& saved);

  private:
    const PreparedConv2d* packed();

    const TowerContext& context_;
    ConvSettings settings_;
    ConstView weight_, gamma_, beta_;
    MutView grad_weight_, grad_gamma_, grad_beta_;
    MutView running_mean_, running_variance_;
    std::unique_ptr<PreparedConv2d> packed_;
    bool stale_ = true;
};

/// A map as the rows of its places: (N, height, width, C) as (N * height * width, C).
template <typename View>
View rows_of_places(View map) {
    const std::int64_t channels = map.shape[map.shape.rank() - 1];
    map.shape = Shape{map.shape.numel() / channels, channels};
    return map;
}

/// to += from, of as many elements.
void add_to(Backend& backend, ConstView from, MutView to);

} // namespace clip::trainer
