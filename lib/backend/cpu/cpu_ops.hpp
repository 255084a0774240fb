// SPDX-License-Identifier: MIT
// The ops of this folder as functions. CpuBackend calls them; arguments are as in op_args.hpp.
#pragma once

#include "backend/cpu/context.hpp"
#include "backend/cpu/int8_table.hpp"
#include "backend/train_args.hpp"

namespace clip::cpu {

std::unique_ptr<PreparedLinear> prepare_linear(Context& context, const LinearWeights& weights);
std::unique_ptr<PreparedConv2d> prepare_conv2d(Context& context, const Conv2dWeights& weights);
void linear(Context& context, const LinearArgs& args);
void conv2d(Context& context, const Conv2dArgs& args);
void patch_embedding(Context& context, const PatchEmbeddingArgs& args);
void similarity(Context& context, const SimilarityArgs& args);
void attention(Context& context, const AttentionArgs& args);
void layer_norm(Context& context, const LayerNormArgs& args);
void l2_normalize(Context& context, const L2NormalizeArgs& args);
void softmax(Context& context, const SoftmaxArgs& args);
void embedding(Context& context, const EmbeddingArgs& args);
void gather_rows(Context& context, const GatherRowsArgs& args);
void avg_pool(Context& context, const AvgPoolArgs& args);
void mean_token(Context& context, const MeanTokenArgs& args);
void top_k(Context& context, const TopKArgs& args);
void exact_dots(Context& context, const ExactDotsArgs& args);
/// `int8` may be null: float32 products are used then.
std::unique_ptr<PreparedScreen> prepare_screen(Context& context, const Int8Table* int8,
                                               const ConstView& queries);
void screen(Context& context, const Int8Table* int8, const ScreenArgs& args);

void update_linear(Context& context, PreparedLinear& prepared, const LinearWeights& weights);
void update_conv2d(Context& context, PreparedConv2d& prepared, const Conv2dWeights& weights);
void activation(Context& context, const ActivationArgs& args);
void activation_backward(Context& context, const ActivationBackwardArgs& args);
void linear_backward(Context& context, const LinearBackwardArgs& args);
void layer_norm_backward(Context& context, const LayerNormBackwardArgs& args);
void attention_backward(Context& context, const AttentionBackwardArgs& args);
void patch_embedding_backward(Context& context, const PatchEmbeddingBackwardArgs& args);
void batch_norm(Context& context, const BatchNormArgs& args);
void batch_norm_backward(Context& context, const BatchNormBackwardArgs& args);
void conv2d_backward(Context& context, const Conv2dBackwardArgs& args);
void contrastive_rows(Context& context, const ContrastiveRowsArgs& args);
void contrastive_rows_backward(Context& context, const ContrastiveRowsBackwardArgs& args);

} // namespace clip::cpu
