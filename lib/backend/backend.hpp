// SPDX-License-Identifier: MIT
// The seam between the towers and the hardware. A new device is a new subclass; nothing above this
// folder knows which one runs.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "backend/train_args.hpp"
#include "base/thread_pool.hpp"
#include "tensor/memory.hpp"

namespace clip {

/// What says that two calls of Backend::repeat are the same work.
struct RepeatKey {
    const void* owner = nullptr;           ///< whose work it is, such as a tower
    std::array<std::uintptr_t, 7> parts{}; ///< pointers and extents that the work depends on

    bool operator==(const RepeatKey&) const = default;
    std::size_t hash() const {
        std::size_t hash = reinterpret_cast<std::uintptr_t>(owner);
        for (const std::uintptr_t part : parts)
            hash = (hash ^ part) * 1099511628211U + (hash >> 29U);
        return hash;
    }
};

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
    /// Where the tensors of its ops live. Spans in arguments are always on the host.
    virtual Memory& memory() { return host_memory(); }
    virtual ThreadPool& pool() = 0;
    /// What would run an op here, such as "avx512", "onednn" or "ref"; for --verbose and for tests
    /// that nothing falls back unseen. `op` is the method's name.
    virtual std::string implementation(std::string_view op) const = 0;

    /// Whether ops take this element type where their arguments say "or 16 bits".
    virtual bool takes(DType dtype) const { return dtype == DType::f32; }
    /// What goes between layers whose weights are kept as `storage`.
    virtual DType activation_dtype(DType storage) const {
        (void)storage;
        return DType::f32;
    }
    /// How many times the rows (or bytes) that a processor's caches like go through a tower
    /// together. No result depends on it.
    virtual std::int64_t batch_factor() const { return 1; }
    /// Whether products of 16 bits make gradients vanish unless the loss is multiplied first.
    virtual bool loss_scaling() const { return false; }

    /// Runs `body`, which calls ops of this backend and nothing else that has an effect. Wherever
    /// the key is equal, it calls the same ops with the same pointers, shapes and numbers, and with
    /// host spans of equal content: a GPU may record it once and play it again. Contents of tensors
    /// may differ. What the key's pointers belong to is kept until forget(owner).
    virtual void repeat(const RepeatKey& key, const std::function<void()>& body) {
        (void)key;
        body();
    }
    /// The owner, or memory that its work uses, goes.
    virtual void forget(const void* owner) { (void)owner; }

    /// Weights to prepare may be on the host or on this backend's device.
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
    virtual void scatter_add_rows(const ScatterAddRowsArgs& args) = 0;
    virtual void channels_last(const ChannelsLastArgs& args) = 0;
    virtual void convert(const ConvertArgs& args) = 0;
    virtual void preprocess(const PreprocessArgs& args) = 0;
    virtual void avg_pool(const AvgPoolArgs& args) = 0;
    virtual void mean_token(const MeanTokenArgs& args) = 0;
    virtual void l2_normalize(const L2NormalizeArgs& args) = 0;
    virtual void similarity(const SimilarityArgs& args) = 0;
    virtual void softmax(const SoftmaxArgs& args) = 0;
    virtual void top_k(const TopKArgs& args) = 0;
    virtual void similarity_top_k(const SimilarityTopKArgs& args) = 0;
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
    virtual void token_loss(const TokenLossArgs& args) = 0;
    virtual void token_scores(const TokenScoresArgs& args) = 0;
    virtual void add(const AddArgs& args) = 0;
    virtual void blend(const BlendArgs& args) = 0;
    virtual void transpose(const TransposeArgs& args) = 0;
    virtual void row_dots(const RowDotsArgs& args) = 0;
    virtual void adamw(const AdamWArgs& args) = 0;
    virtual double sum_of_squares(const SumOfSquaresArgs& args) = 0;
};

} // namespace clip
