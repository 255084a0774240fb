// SPDX-License-Identifier: MIT
// The text tower as a language model that goes on from a picture.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/tokenizer.hpp"
#include "model/config.hpp"
#include "trainer/trained_transformer.hpp"
#include "trainer/vocabulary_softmax.hpp"

namespace clip::trainer {

/// A picture and a caption, by their numbers.
struct CaptionPair {
    std::int64_t picture = 0, text = 0;
};

/// Causal blocks over a picture's row and a caption's tokens, each of which predicts the next one.
///
/// A sequence is one row made of the picture's features by a linear layer, without a position; then
/// the start mark and the tokens, embedded as in the text tower. The rows of tokens, through
/// ln_final, times the token embedding give the logits of what follows each: tokens and end mark.
/// The loss of a pair is -mean log p over these. Texts go through in parts of some rows.
class CaptionDecoder {
  public:
    /// Parameters: caption.prefix, and those of the text tower without text_projection.
    CaptionDecoder(const TowerContext& context, const ModelConfig& config);

    void refresh();
    /// features (N, E), texts (N) -> losses (N); adds the gradients of weight * sum of losses.
    /// grad_features (N, E) written.
    /// Errors: invalid_argument (a text of less than both marks, or of more tokens than the tower
    /// takes; a token outside the vocabulary).
    void learn(ConstView features, std::span<const TokenizedText> texts, double weight,
               std::span<double> losses, MutView grad_features);
    /// features (N, E), texts (C), pairs (P) of them -> losses (P). Errors: as above.
    void losses(ConstView features, std::span<const TokenizedText> texts,
                std::span<const CaptionPair> pairs, std::span<double> losses);

  private:
    /// Some pairs: what their sequences are made of.
    struct Part {
        std::size_t first = 0;                ///< the first of them
        std::vector<std::int64_t> pictures;   ///< (n)
        std::vector<std::int64_t> offsets{0}; ///< (n + 1) into rows (R), those of pictures included
        std::vector<std::int64_t> picture_rows, token_rows; ///< (n), (R - n)
        std::vector<std::int32_t> ids, places;              ///< (R - n) of tokens
        std::vector<std::int32_t> next;                     ///< (R - n) what each should predict

        std::int64_t size() const { return std::ssize(pictures); }
        std::int64_t tokens() const { return std::ssize(ids); }
        Sequences sequences() const { return {.offsets = offsets, .pooled = {}}; }
        /// (R) where each row comes from, if pictures lie before tokens
        std::vector<std::int64_t> joined() const;
    };
    /// What a part makes, in the context's arena.
    struct Activations {
        MutView pictures; ///< (n, E) features
        MutView x, y;     ///< (R, D) before and behind the blocks
        TrainedTransformer::Saved blocks;
        MutView tokens, mean, rstd, normed; ///< (R - n, ...) round ln_final
    };

    Part take_part(std::span<const TokenizedText> texts, std::span<const CaptionPair> pairs,
                   std::size_t first) const;
    Activations forward(const Part& part, ConstView features, bool keep);
    void backward(const Part& part, Activations& kept, ConstView grad_normed,
                  MutView grad_pictures);
    /// Means over each pair's tokens.
    static void average(const Part& part, std::span<const double> of_tokens,
                        std::span<double> losses);

    const TowerContext& context_;
    std::int64_t width_, context_length_;
    ConstView table_, positions_;
    MutView grad_table_, grad_positions_;
    TrainedLinear prefix_;
    TrainedTransformer blocks_;
    TrainedLayerNorm ln_final_;
    VocabularySoftmax vocabulary_;
};

} // namespace clip::trainer
