// SPDX-License-Identifier: MIT
// A device without a device: the reference's ops on memory that the host cannot touch. A tower or a
// trainer that reads a tensor by its pointer crashes on it, one that passes the wrong device is
// refused by the ops' checks, and what is left gives the reference's bits.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "backend/ref/ref_backend.hpp"
#include "support/far_memory.hpp"

namespace clip::test {

class FarBackend final : public Backend {
  public:
    /// With f16 or bf16 as `between`, layers whose weights are kept so pass that type on.
    explicit FarBackend(ThreadPool& pool, DType between = DType::f32)
        : ref_(pool), between_(between) {}

    std::string_view name() const override { return "far"; }
    Device device() const override { return memory_.device(); }
    FarMemory& memory() override { return memory_; }
    ThreadPool& pool() override { return ref_.pool(); }
    std::string implementation(std::string_view) const override { return "far"; }
    bool takes(DType dtype) const override { return dtype == DType::f32 || dtype == between_; }
    DType activation_dtype(DType storage) const override {
        return storage == between_ && !keeps_float32 ? between_ : DType::f32;
    }
    std::int64_t batch_factor() const override { return batch; }
    bool loss_scaling() const override { return scales_loss; }
    /// Checks what repeat() promises: nothing but the same ops on the same addresses.
    void repeat(const RepeatKey& key, const std::function<void()>& body) override;
    void forget(const void* owner) override;

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

    std::int64_t batch = 1;
    bool keeps_float32 = false; ///< hands on float32 whatever weights are kept as
    bool scales_loss = false;
    int overflows = 0;              ///< so many times the gradient is infinite
    std::uint64_t repeats = 0;      ///< calls of repeat() that could have been played
    std::uint64_t preprocesses = 0; ///< calls of preprocess()

  private:
    class Call;
    friend class Call;
    std::vector<AdamWParameter> near(std::span<const AdamWParameter> parameters);

    FarMemory memory_; ///< goes last
    RefBackend ref_;
    DType between_;
    std::uint64_t trace_ = 0; ///< of all addresses, shapes and spans that ops have had
    struct Seen {
        RepeatKey key;
        std::uint64_t trace;
    };
    std::vector<Seen> seen_;
};

} // namespace clip::test
