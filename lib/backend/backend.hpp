// SPDX-License-Identifier: MIT
// The seam between the towers and the hardware. A new device is a new subclass; nothing above this
// folder knows which one runs.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "backend/train_args.hpp"
#include "base/thread_pool.hpp"

namespace clip {

/// Runs ops. Arguments have been checked by `ops/`; implementations trust them.
///
/// Every method gives the same bits for a row whatever other rows are in the call and however many
/// threads run. A backend is used by one thread at a time; it uses its pool inside.
class Backend {
  public:
    virtual ~Backend() = default;

    /// "ref", "onednn", "cpu".
    virtual std::string_view name() const = 0;
    virtual Device device() const { return {}; }
    virtual ThreadPool& pool() = 0;
    /// What would run an op here, such as "avx512", "onednn" or "ref"; for --verbose and for tests
    /// that nothing falls back unseen. `op` is the method's name.
    virtual std::string implementation(std::string_view op) const = 0;

    virtual std::unique_ptr<PreparedLinear> prepare_linear(const LinearWeights& weights) = 0;
    virtual std::unique_ptr<PreparedConv2d> prepare_conv2d(const Conv2dWeights& weights) = 0;
    /// Puts other values of the same shape where this backend's prepare_* put the first.
    virtual void update_linear(PreparedLinear& prepared, const LinearWeights& weights) = 0;
    virtual void update_conv2d(PreparedConv2d& prepared, const Conv2dWeights& weights) = 0;

    /// `queries` (Q, E): rows of length 1, as float32 can say it.
    virtual std::unique_ptr<PreparedScreen> prepare_screen(const ConstView& queries) = 0;

    virtual void linear(const LinearArgs& args) = 0;
    virtual void conv2d(const Conv2dArgs& args) = 0;
    virtual void layer_norm(const LayerNormArgs& args) = 0;
    virtual void attention(const AttentionArgs& args) = 0;
    virtual void patch_embedding(const PatchEmbeddingArgs& args) = 0;
    virtual void embedding(const EmbeddingArgs& args) = 0;
    virtual void gather_rows(const GatherRowsArgs& args) = 0;
    virtual void avg_pool(const AvgPoolArgs& args) = 0;
    virtual void mean_token(const MeanTokenArgs& args) = 0;
    virtual void l2_normalize(const L2NormalizeArgs& args) = 0;
    virtual void similarity(const SimilarityArgs& args) = 0;
    virtual void softmax(const SoftmaxArgs& args) = 0;
    virtual void top_k(const TopKArgs& args) = 0;
    virtual void exact_dots(const ExactDotsArgs& args) = 0;
    virtual void screen(const ScreenArgs& args) = 0;

    // Training. Sums over rows have an order that depends on the number of rows alone.
    virtual void activation(const ActivationArgs& args) = 0;
    virtual void activation_backward(const ActivationBackwardArgs& args) = 0;
    virtual void linear_backward(const LinearBackwardArgs& args) = 0;
    virtual void layer_norm_backward(const LayerNormBackwardArgs& args) = 0;
    virtual void attention_backward(const AttentionBackwardArgs& args) = 0;
    virtual void patch_embedding_backward(const PatchEmbeddingBackwardArgs& args) = 0;
    virtual void embedding_backward(const EmbeddingBackwardArgs& args) = 0;
    virtual void gather_rows_backward(const GatherRowsBackwardArgs& args) = 0;
    virtual void avg_pool_backward(const AvgPoolBackwardArgs& args) = 0;
    virtual void mean_token_backward(const MeanTokenBackwardArgs& args) = 0;
    virtual void l2_normalize_backward(const L2NormalizeBackwardArgs& args) = 0;
    virtual void batch_norm(const BatchNormArgs& args) = 0;
    virtual void batch_norm_backward(const BatchNormBackwardArgs& args) = 0;
    virtual void conv2d_backward(const Conv2dBackwardArgs& args) = 0;
    virtual void contrastive_rows(const ContrastiveRowsArgs& args) = 0;
    virtual void contrastive_rows_backward(const ContrastiveRowsBackwardArgs& args) = 0;
    virtual void siglip_rows(const SiglipRowsArgs& args) = 0;
    virtual void adamw(const AdamWArgs& args) = 0;
};

} // namespace clip
