// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <vector>

#include "data/tokenizer.hpp"
#include "model/config.hpp"
#include "model/weights.hpp"
#include "nn/attention_block.hpp"

namespace clip {

/// The text tower: a causal transformer whose output at the end token is projected.
///
/// Under the causal mask nothing behind the end token can change it, so only the tokens up to it
/// are computed; texts of a batch lie one after the other without padding. Parameters:
/// token_embedding.weight (V, D), positional_embedding (T, D), transformer.resblocks.<i>, ln_final,
/// text_projection (D, E).
class TextTower {
  public:
    /// `parameters` must outlive the tower: on the host token embeddings are read from it row by
    /// row. A device keeps a copy, in the type of the file.
    TextTower(Backend& backend, const ParameterSource& parameters, const ModelConfig& config,
              DType storage);

    /// The tokens of each text that count: up to the first position of its largest id.
    /// Errors: invalid_argument (no tokens, more than T, an id outside [0, V)).
    std::span<const std::int32_t> tokens_that_count(std::span<const std::int32_t> ids) const;

    /// texts (N), already cut by tokens_that_count -> pooled (N, D), after the last norm
    void forward(Backend& backend, std::span<const std::span<const std::int32_t>> texts,
                 MutView pooled);
    /// pooled (N, D) -> y (N, E)
    void project(Backend& backend, ConstView pooled, MutView y);

    std::int64_t width() const { return width_; }

  private:
    std::int64_t width_, vocab_size_, context_length_;
    Parameter token_embedding_;
    Tensor table_; ///< token_embedding_ on a device; empty on the host
    Tensor positions_;
    std::vector<AttentionBlock> blocks_;
    LayerNorm ln_final_;
    std::unique_ptr<PreparedLinear> projection_;
    Tensor x_;
    BlockScratch scratch_;
};

} // namespace clip
