// SPDX-License-Identifier: MIT
// The backend of NVIDIA GPUs. Each op's method is in its own .cu, next to its kernels.
#pragma once

#include "backend/backend.hpp"
#include "backend/cuda/context.hpp"

namespace clip::cuda {

/// Used by the thread that made it, and no backend of another GPU by the same thread meanwhile:
/// which device a call is for is a setting of the thread.
class CudaBackend final : public Backend {
  public:
    /// `pool` must outlive it. Errors: as for Context.
    CudaBackend(int device, const CudaOptions& options, ThreadPool& pool)
        : context_(device, options, pool) {}

    std::string_view name() const override { return "cuda"; }
    Device device() const override { return {Device::Kind::cuda, context_.device()}; }
    ThreadPool& pool() override { return context_.pool(); }
    std::string implementation(std::string_view op) const override;
    Memory& memory() override { return context_.memory(); }

    bool takes(DType dtype) const override {
        return dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16;
    }
    DType activation_dtype(DType storage) const override {
        return takes(storage) ? storage : DType::f32;
    }
    std::int64_t batch_factor() const override { return kCudaBatchFactor; }
    bool loss_scaling() const override { return context_.options().compute == DType::f16; }

    void repeat(const RepeatKey& key, const std::function<void()>& body) override {
        context_.graphs().repeat(key, body);
    }
    void forget(const void* owner) override { context_.graphs().forget(owner); }

    Context& context() { return context_; }

    std::unique_ptr<PreparedLinear> prepare_linear(const LinearWeights& weights) override;
    std::unique_ptr<PreparedConv2d> prepare_conv2d(const Conv2dWeights& weights) override;
    void update_linear(PreparedLinear& prepared, const LinearWeights& weights) override;
    void update_conv2d(PreparedConv2d& prepared, const Conv2dWeights& weights) override;
    std::unique_ptr<PreparedScreen> prepare_screen(const ConstView& queries) override;

    void linear(const LinearArgs& args) override;
    void conv2d(const Conv2dArgs& args) override;
    void layer_norm(const LayerNormArgs& args) override;
    void attention(const AttentionArgs& args) override;
    void patch_embedding(const PatchEmbeddingArgs& args) override;
    void embedding(const EmbeddingArgs& args) override;
    void gather_rows(const GatherRowsArgs& args) override;
    void scatter_add_rows(const ScatterAddRowsArgs& args) override;
    void channels_last(const ChannelsLastArgs& args) override;
    void convert(const ConvertArgs& args) override;
    void preprocess(const PreprocessArgs& args) override;
    void avg_pool(const AvgPoolArgs& args) override;
    void mean_token(const MeanTokenArgs& args) override;
    void l2_normalize(const L2NormalizeArgs& args) override;
    void similarity(const SimilarityArgs& args) override;
    void softmax(const SoftmaxArgs& args) override;
    void top_k(const TopKArgs& args) override;
    void similarity_top_k(const SimilarityTopKArgs& args) override;
    void exact_dots(const ExactDotsArgs& args) override;
    void screen(const ScreenArgs& args) override;

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
    void add(const AddArgs& args) override;
    void blend(const BlendArgs& args) override;
    void transpose(const TransposeArgs& args) override;
    void row_dots(const RowDotsArgs& args) override;
    void adamw(const AdamWArgs& args) override;
    double sum_of_squares(const SumOfSquaresArgs& args) override;

  private:
    Context context_;
};

} // namespace clip::cuda
