// SPDX-License-Identifier: MIT
// The backend class, for the files of this folder only.
#pragma once

#include "backend/backend.hpp"
#include "backend/onednn/context.hpp"
#include "backend/ref/ref_backend.hpp"
#include "backend/ref/similarity_top_k.hpp"
#include "backend/ref/token_loss.hpp"

namespace clip::onednn {

/// Rows of a matrix product that one kernel computes at a time. The last block is filled up with
/// zeros, so that every row is computed by the same kernel whatever the number of rows is. A
/// multiple of every gemm kernel's step (4, 6 and 8 rows): the rows left over after whole steps
/// take another path with other bits, on AVX2 for example the last 2 of 32.
constexpr std::int64_t kRowBlock = 24;

/// Weights in the layout that the matrix product of a block of rows wants.
struct Linear final : PreparedLinear {
    using PreparedLinear::PreparedLinear;
    dnnl::memory weight;
    Tensor bias; ///< (out), zeros where the layer has none
};

struct Conv2d final : PreparedConv2d {
    using PreparedConv2d::PreparedConv2d;
    Tensor plain; ///< (C_out, C_in, kh, kw); the layout depends on the picture's size, see packed()
    Tensor bias;  ///< (C_out), zeros where the layer has none
    /// Weights in the layouts asked for so far, most often one.
    mutable std::vector<dnnl::memory> packed;
};

class OneDnnBackend final : public Backend {
  public:
    explicit OneDnnBackend(ThreadPool& pool) : context_(pool), ref_(pool) {}

    std::string_view name() const override { return "onednn"; }
    ThreadPool& pool() override { return context_.pool(); }
    std::string implementation(std::string_view op) const override;

    std::unique_ptr<PreparedLinear> prepare_linear(const LinearWeights& weights) override;
    std::unique_ptr<PreparedConv2d> prepare_conv2d(const Conv2dWeights& weights) override;
    std::unique_ptr<PreparedScreen> prepare_screen(const ConstView& queries) override {
        return ref_.prepare_screen(queries);
    }

    void update_linear(PreparedLinear& prepared, const LinearWeights& weights) override;
    void update_conv2d(PreparedConv2d& prepared, const Conv2dWeights& weights) override;

    void linear(const LinearArgs& args) override;
    void conv2d(const Conv2dArgs& args) override;
    void layer_norm(const LayerNormArgs& args) override;
    void attention(const AttentionArgs& args) override;
    void patch_embedding(const PatchEmbeddingArgs& args) override;
    void avg_pool(const AvgPoolArgs& args) override;
    void similarity(const SimilarityArgs& args) override;
    void softmax(const SoftmaxArgs& args) override;
    // oneDNN has no primitive for these.
    void embedding(const EmbeddingArgs& args) override { ref_.embedding(args); }
    void gather_rows(const GatherRowsArgs& args) override { ref_.gather_rows(args); }
    void mean_token(const MeanTokenArgs& args) override { ref_.mean_token(args); }
    void l2_normalize(const L2NormalizeArgs& args) override { ref_.l2_normalize(args); }
    void top_k(const TopKArgs& args) override { ref_.top_k(args); }
    void exact_dots(const ExactDotsArgs& args) override { ref_.exact_dots(args); }
    void screen(const ScreenArgs& args) override { ref_.screen(args); }
    void scatter_add_rows(const ScatterAddRowsArgs& args) override { ref_.scatter_add_rows(args); }
    void channels_last(const ChannelsLastArgs& args) override { ref_.channels_last(args); }
    void convert(const ConvertArgs& args) override { ref_.convert(args); }
    void preprocess(const PreprocessArgs& args) override { ref_.preprocess(args); }
    void similarity_top_k(const SimilarityTopKArgs& args) override {
        ref::similarity_top_k(*this, args);
    }
    // Training is what backend/cpu is for; here it only has to be right.
    void activation(const ActivationArgs& args) override { ref_.activation(args); }
    void activation_backward(const ActivationBackwardArgs& args) override {
        ref_.activation_backward(args);
    }
    void linear_backward(const LinearBackwardArgs& args) override { ref_.linear_backward(args); }
    void layer_norm_backward(const LayerNormBackwardArgs& args) override {
        ref_.layer_norm_backward(args);
    }
    void attention_backward(const AttentionBackwardArgs& args) override {
        ref_.attention_backward(args);
    }
    void patch_embedding_backward(const PatchEmbeddingBackwardArgs& args) override {
        ref_.patch_embedding_backward(args);
    }
    void embedding_backward(const EmbeddingBackwardArgs& args) override {
        ref_.embedding_backward(args);
    }
    void gather_rows_backward(const GatherRowsBackwardArgs& args) override {
        ref_.gather_rows_backward(args);
    }
    void avg_pool_backward(const AvgPoolBackwardArgs& args) override {
        ref_.avg_pool_backward(args);
    }
    void mean_token_backward(const MeanTokenBackwardArgs& args) override {
        ref_.mean_token_backward(args);
    }
    void l2_normalize_backward(const L2NormalizeBackwardArgs& args) override {
        ref_.l2_normalize_backward(args);
    }
    void batch_norm(const BatchNormArgs& args) override { ref_.batch_norm(args); }
    void batch_norm_backward(const BatchNormBackwardArgs& args) override {
        ref_.batch_norm_backward(args);
    }
    void conv2d_backward(const Conv2dBackwardArgs& args) override { ref_.conv2d_backward(args); }
    void contrastive_rows(const ContrastiveRowsArgs& args) override { ref_.contrastive_rows(args); }
    void contrastive_rows_backward(const ContrastiveRowsBackwardArgs& args) override {
        ref_.contrastive_rows_backward(args);
    }
    void siglip_rows(const SiglipRowsArgs& args) override { ref_.siglip_rows(args); }
    void token_loss(const TokenLossArgs& args) override { ref::token_loss(*this, args); }
    void token_scores(const TokenScoresArgs& args) override { ref::token_scores(*this, args); }
    void adamw(const AdamWArgs& args) override { ref_.adamw(args); }
    void add(const AddArgs& args) override { ref_.add(args); }
    void blend(const BlendArgs& args) override { ref_.blend(args); }
    void transpose(const TransposeArgs& args) override { ref_.transpose(args); }
    void row_dots(const RowDotsArgs& args) override { ref_.row_dots(args); }
    double sum_of_squares(const SumOfSquaresArgs& args) override {
        return ref_.sum_of_squares(args);
    }

  private:
    std::shared_ptr<const Kernel> block_kernel(std::string_view op, const Linear& weights,
                                               Activation activation, bool adds);
    std::shared_ptr<const Kernel> softmax_kernel(std::string_view op, std::int64_t rows,
                                                 std::int64_t count);

    Context context_;
    RefBackend ref_;
};

/// The backend's own kind of prepared weights. Errors: internal (another backend made them).
template <typename Made, typename Base>
const Made& made_here(const Base* weights) {
    const auto* made = dynamic_cast<const Made*>(weights);
    expect(made != nullptr, "onednn backend: weights were prepared by another backend");
    return *made;
}

} // namespace clip::onednn
