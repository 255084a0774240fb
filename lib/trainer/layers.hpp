// SPDX-License-Identifier: MIT
// Layers whose parameters are trained. They keep no activations: towers do.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "backend/backend.hpp"
#include "tensor/arena.hpp"
#include "trainer/parameters.hpp"

namespace clip::trainer {

/// What all layers and towers of a run share. Outlives them.
struct TowerContext {
    Backend& backend;
    Parameters& parameters;
    Arena& arena;
    /// Less memory for more time: only inputs of some blocks are kept, the rest is computed again
    /// in the backward pass (Chen et al. 2016, arXiv:1604.06174); packed weights are dropped after
    /// each use.
    bool frugal = false;
    /// Adds up the statistics of batch norms over ranks; null where there is one rank.
    SumAcross* across = nullptr;
    /// What products are computed in, where the backend has that: f32, f16 or bf16.
    DType storage = DType::f32;

    /// What ops inside of a block hand one another, forward and backward, and what is kept of it.
    /// The residual stream, statistics, pooled rows and all that has to do with parameters is
    /// float32.
    DType between() const { return backend.activation_dtype(storage); }
    /// Rows that go through a tower together; see kRowsOfPart.
    std::int64_t rows_of_part(std::int64_t rows) const { return rows * backend.batch_factor(); }
};

/// y = x W^T + bias
class TrainedLinear {
  public:
    /// Rows [first, first + count) of the tensor `weight`, taken as (out, in) whatever its rank is,
    /// and of `bias`, which may be empty. count 0: all rows.
    TrainedLinear(const TowerContext& context, const std::string& weight, const std::string& bias,
                  std::int64_t first = 0, std::int64_t count = 0);

    /// To be called whenever weights have changed.
    void refresh() { stale_ = true; }
    /// Packed for forward; valid until done() or the next refresh().
    const PreparedLinear* packed();
    /// Nothing more is computed with the packed weights for now.
    void done();

    struct Forward {
        ConstView x; ///< (R, in)
        Activation activation = Activation::none;
        ConstView residual; ///< (R, out) or empty
        MutView y;          ///< (R, out)
        MutView pre_activation;
    };
    void forward(const Forward& args);

    struct Backward {
        ConstView grad_y; ///< (R, out)
        ConstView x;      ///< (R, in)
        MutView grad_x;   ///< (R, in) written, or empty
        Activation activation = Activation::none;
        ConstView pre_activation; ///< of x, where it is the activation of something
    };
    /// Adds the gradients of weight and bias.
    void backward(const Backward& args);

    std::int64_t out_features() const { return weight_.shape[0]; }
    std::int64_t in_features() const { return weight_.shape[1]; }
    /// (out, in)
    ConstView weight() const { return weight_; }
    MutView grad_weight() const { return grad_weight_; }

  private:
    const TowerContext& context_;
    ConstView weight_, bias_;
    MutView grad_weight_, grad_bias_;
    std::unique_ptr<PreparedLinear> packed_;
    bool stale_ = true;
};

/// y = x W of a weight that checkpoints store as (in, out): visual.proj, text_projection.
class TrainedProjection {
  public:
    TrainedProjection(const TowerContext& context, const std::string& weight);
    void refresh() { stale_ = true; }
    /// x (R, in) -> y (R, out)
    void forward(ConstView x, MutView y);
    /// grad_y (R, out), x (R, in) -> grad_x (R, in) written; adds the gradient of the weight.
    void backward(ConstView grad_y, ConstView x, MutView grad_x);

  private:
    void renew();

    const TowerContext& context_;
    ConstView weight_; ///< (in, out)
    MutView grad_weight_;
    Tensor transposed_, grad_transposed_; ///< (out, in) in the backend's memory
    std::unique_ptr<PreparedLinear> packed_;
    bool stale_ = true;
};

/// Layer norm with its gain and bias.
class TrainedLayerNorm {
  public:
    /// Parameters `name`.weight and `name`.bias.
    TrainedLayerNorm(const TowerContext& context, const std::string& name, float eps);
    /// x (R, D) -> y (R, D); mean and rstd (R) are saved, or empty.
    void forward(ConstView x, MutView y, MutView mean, MutView rstd) const;
    /// grad_x = what comes through the norm, plus `residual` (or empty), which may be grad_x.
    void backward(ConstView x, ConstView mean, ConstView rstd, ConstView grad_y, ConstView residual,
                  MutView grad_x) const;

  private:
    const TowerContext& context_;
    ConstView gamma_, beta_;
    MutView grad_gamma_, grad_beta_;
    float eps_;
};

} // namespace clip::trainer
