// SPDX-License-Identifier: MIT
// The plain backend: always built, the last resort of the others and what they are tested against.
#pragma once

#include "backend/backend.hpp"
#include "tensor/tensor.hpp"

namespace clip {

/// Runs the loops of backend/ref in float32, split over rows by the pool.
class RefBackend final : public Backend {
  public:
    explicit RefBackend(ThreadPool& pool) : pool_(pool) {}

    std::string_view name() const override { return "ref"; }
    ThreadPool& pool() override { return pool_; }
    std::string implementation(std::string_view) const override { return "ref"; }

    /// Weights are rounded through their storage type and kept as float32.
    std::unique_ptr<PreparedLinear> prepare_linear(const LinearWeights& weights) override;
    std::unique_ptr<PreparedConv2d> prepare_conv2d(const Conv2dWeights& weights) override;
    std::unique_ptr<PreparedScreen> prepare_screen(const ConstView& queries) override;

    void update_linear(PreparedLinear& prepared, const LinearWeights& weights) override;
    void update_conv2d(PreparedConv2d& prepared, const Conv2dWeights& weights) override;

    void linear(const LinearArgs& args) override;
    void conv2d(const Conv2dArgs& args) override;
    void layer_norm(const LayerNormArgs& args) override;
    void attention(const AttentionArgs& args) override;
    void patch_embedding(const PatchEmbeddingArgs& args) override;
    void embedding(const EmbeddingArgs& args) override;
    void gather_rows(const GatherRowsArgs& args) override;
    void avg_pool(const AvgPoolArgs& args) override;
    void mean_token(const MeanTokenArgs& args) override;
    void l2_normalize(const L2NormalizeArgs& args) override;
    void similarity(const SimilarityArgs& args) override;
    void softmax(const SoftmaxArgs& args) override;
    void top_k(const TopKArgs& args) override;
    void exact_dots(const ExactDotsArgs& args) override;
    void screen(const ScreenArgs& args) override;

    // ref_movement.cpp
    void scatter_add_rows(const ScatterAddRowsArgs& args) override;
    void channels_last(const ChannelsLastArgs& args) override;
    void convert(const ConvertArgs& args) override;
    void preprocess(const PreprocessArgs& args) override;
    void similarity_top_k(const SimilarityTopKArgs& args) override;
    void add(const AddArgs& args) override;
    void blend(const BlendArgs& args) override;
    void transpose(const TransposeArgs& args) override;
    void row_dots(const RowDotsArgs& args) override;
    double sum_of_squares(const SumOfSquaresArgs& args) override;

    // ref_training.cpp
    void activation(const ActivationArgs& args) override;
    void activation_backward(const ActivationBackwardArgs& args) override;
    void linear_backward(const LinearBackwardArgs& args) override;
    void layer_norm_backward(const LayerNormBackwardArgs& args) override;
    void attention_backward(const AttentionBackwardArgs& args) override;
    void patch_embedding_backward(const PatchEmbeddingBackwardArgs& args) override;
    void embedding_backward(const EmbeddingBackwardArgs& args) override;
    void gather_rows_backward(const GatherRowsBackwardArgs& args) override;
    void avg_pool_backward(const AvgPoolBackwardArgs& args) override;
    void mean_token_backward(const MeanTokenBackwardArgs& args) override;
    void l2_normalize_backward(const L2NormalizeBackwardArgs& args) override;
    void batch_norm(const BatchNormArgs& args) override;
    void batch_norm_backward(const BatchNormBackwardArgs& args) override;
    void conv2d_backward(const Conv2dBackwardArgs& args) override;
    void contrastive_rows(const ContrastiveRowsArgs& args) override;
    void contrastive_rows_backward(const ContrastiveRowsBackwardArgs& args) override;
    void siglip_rows(const SiglipRowsArgs& args) override;
    void token_loss(const TokenLossArgs& args) override;
    void token_scores(const TokenScoresArgs& args) override;
    void adamw(const AdamWArgs& args) override;

  private:
    /// Calls body(row) for each row, several threads at a time.
    template <typename Body>
    void for_each(std::int64_t rows, Body body) {
        pool_.parallel_for(static_cast<std::size_t>(rows), 1,
                           [&](std::size_t begin, std::size_t end) {
                               for (std::size_t row = begin; row < end; ++row)
                                   body(static_cast<std::int64_t>(row));
                           });
    }

    ThreadPool& pool_;
};

} // namespace clip
