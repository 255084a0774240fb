// SPDX-License-Identifier: MIT
#include "backend/cpu/cpu_backend.hpp"

#include <algorithm>
#include <array>

#include "backend/cpu/cpu_ops.hpp"
#include "backend/cpu/int8_isa.hpp"
#include "backend/cpu/isa.hpp"
#include "backend/cpu/workspace.hpp"
#include "backend/ref/ref_backend.hpp"
#include "backend/ref/similarity_top_k.hpp"
#include "backend/ref/token_loss.hpp"
#include "base/concat.hpp"

namespace clip {

namespace {

class CpuBackend : public Backend {
  public:
    CpuBackend(ThreadPool& pool, Isa isa, const cpu::Int8Choice& int8)
        : isa_(isa), int8_(int8),
          scratch_(pool.size()), context_{*cpu::kernels_of(isa), pool, scratch_, workspace_},
          ref_(pool) {}

    std::string_view name() const override { return "cpu"; }
    ThreadPool& pool() override { return context_.pool; }
    std::string implementation(std::string_view op) const override {
        constexpr std::array<std::string_view, 16> kPlain = {"scatter_add_rows",
                                                             "channels_last",
                                                             "convert",
                                                             "preprocess",
                                                             "add",
                                                             "blend",
                                                             "transpose",
                                                             "row_dots",
                                                             "sum_of_squares",
                                                             "embedding_backward",
                                                             "gather_rows_backward",
                                                             "avg_pool_backward",
                                                             "mean_token_backward",
                                                             "l2_normalize_backward",
                                                             "siglip_rows",
                                                             "adamw"};
        if (op == "screen" && int8_.table != nullptr)
            return std::string(int8_.name);
        return std::find(kPlain.begin(), kPlain.end(), op) == kPlain.end()
                   ? std::string(isa_name(isa_))
                   : "ref";
    }

    std::unique_ptr<PreparedLinear> prepare_linear(const LinearWeights& weights) override {
        return cpu::prepare_linear(context_, weights);
    }
    std::unique_ptr<PreparedConv2d> prepare_conv2d(const Conv2dWeights& weights) override {
        return cpu::prepare_conv2d(context_, weights);
    }
    std::unique_ptr<PreparedScreen> prepare_screen(const ConstView& queries) override {
        return cpu::prepare_screen(context_, int8_.table, queries);
    }
    void update_linear(PreparedLinear& prepared, const LinearWeights& weights) override {
        cpu::update_linear(context_, prepared, weights);
    }
    void update_conv2d(PreparedConv2d& prepared, const Conv2dWeights& weights) override {
        cpu::update_conv2d(context_, prepared, weights);
    }
    void linear(const LinearArgs& args) override { cpu::linear(context_, args); }
    void conv2d(const Conv2dArgs& args) override { cpu::conv2d(context_, args); }
    void layer_norm(const LayerNormArgs& args) override { cpu::layer_norm(context_, args); }
    void attention(const AttentionArgs& args) override { cpu::attention(context_, args); }
    void patch_embedding(const PatchEmbeddingArgs& args) override {
        cpu::patch_embedding(context_, args);
    }
    void embedding(const EmbeddingArgs& args) override { cpu::embedding(context_, args); }
    void gather_rows(const GatherRowsArgs& args) override { cpu::gather_rows(context_, args); }
    void avg_pool(const AvgPoolArgs& args) override { cpu::avg_pool(context_, args); }
    void mean_token(const MeanTokenArgs& args) override { cpu::mean_token(context_, args); }
    void l2_normalize(const L2NormalizeArgs& args) override { cpu::l2_normalize(context_, args); }
    void similarity(const SimilarityArgs& args) override { cpu::similarity(context_, args); }
    void softmax(const SoftmaxArgs& args) override { cpu::softmax(context_, args); }
    void top_k(const TopKArgs& args) override { cpu::top_k(context_, args); }
    void exact_dots(const ExactDotsArgs& args) override { cpu::exact_dots(context_, args); }
    void screen(const ScreenArgs& args) override { cpu::screen(context_, int8_.table, args); }
    void scatter_add_rows(const ScatterAddRowsArgs& args) override { ref_.scatter_add_rows(args); }
    void channels_last(const ChannelsLastArgs& args) override { ref_.channels_last(args); }
    void convert(const ConvertArgs& args) override { ref_.convert(args); }
    void preprocess(const PreprocessArgs& args) override { ref_.preprocess(args); }
    void similarity_top_k(const SimilarityTopKArgs& args) override {
        ref::similarity_top_k(*this, args);
    }

    void activation(const ActivationArgs& args) override { cpu::activation(context_, args); }
    void activation_backward(const ActivationBackwardArgs& args) override {
        cpu::activation_backward(context_, args);
    }
    void linear_backward(const LinearBackwardArgs& args) override {
        cpu::linear_backward(context_, args);
    }
    void layer_norm_backward(const LayerNormBackwardArgs& args) override {
        cpu::layer_norm_backward(context_, args);
    }
    void attention_backward(const AttentionBackwardArgs& args) override {
        cpu::attention_backward(context_, args);
    }
    void patch_embedding_backward(const PatchEmbeddingBackwardArgs& args) override {
        cpu::patch_embedding_backward(context_, args);
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
    void batch_norm(const BatchNormArgs& args) override { cpu::batch_norm(context_, args); }
    void batch_norm_backward(const BatchNormBackwardArgs& args) override {
        cpu::batch_norm_backward(context_, args);
    }
    void conv2d_backward(const Conv2dBackwardArgs& args) override {
        cpu::conv2d_backward(context_, args);
    }
    void contrastive_rows(const ContrastiveRowsArgs& args) override {
        cpu::contrastive_rows(context_, args);
    }
    void contrastive_rows_backward(const ContrastiveRowsBackwardArgs& args) override {
        cpu::contrastive_rows_backward(context_, args);
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
    Isa isa_;
    cpu::Int8Choice int8_;
    cpu::ScratchPool scratch_;
    cpu::Workspace workspace_;
    cpu::Context context_;
    RefBackend ref_; ///< for ops that only move memory, and a few that take no time
};

} // namespace

std::vector<std::string_view> usable_int8_names() {
    std::vector<std::string_view> names;
    for (const cpu::Int8Choice& choice : cpu::usable_int8())
        names.push_back(choice.name);
    return names;
}

std::unique_ptr<Backend> make_cpu_backend(ThreadPool& pool, std::unique_ptr<Backend> fallback,
                                          std::optional<Isa> isa,
                                          std::optional<std::string_view> int8) {
    const std::vector<Isa> usable = usable_isas();
    if (isa && std::find(usable.begin(), usable.end(), *isa) == usable.end())
        fail(ErrorCode::unsupported,
             concat("make cpu backend: this CPU or build has no ", isa_name(*isa)));
    if (!isa && usable.back() == Isa::portable && fallback != nullptr)
        return fallback;
    cpu::Int8Choice chosen{"", nullptr};
    for (const cpu::Int8Choice& choice : cpu::usable_int8())
        if (int8 ? choice.name == *int8 : !isa)
            chosen = choice;
    if (int8 && chosen.table == nullptr && !int8->empty())
        fail(ErrorCode::unsupported, concat("make cpu backend: this CPU or build has no ", *int8));
    return std::make_unique<CpuBackend>(pool, isa.value_or(usable.back()), chosen);
}

} // namespace clip
