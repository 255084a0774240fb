// SPDX-License-Identifier: MIT
#include "trainer/caption_decoder.hpp"

#include <algorithm>
#include <numeric>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "ops/embedding.hpp"
#include "ops/gather_rows.hpp"
#include "trainer/row_views.hpp"

namespace clip::trainer {

namespace {

BlockSettings block_settings(const ModelConfig& config) {
    return {.heads = static_cast<int>(config.text.heads),
            .activation = config.text.activation,
            .layer_norm_eps = config.layer_norm_eps,
            .causal = true};
}

/// 0, 1, 2, ...: one target a row.
std::vector<std::int64_t> one_each(std::int64_t count) {
    std::vector<std::int64_t> offsets(static_cast<std::size_t>(count) + 1);
    std::iota(offsets.begin(), offsets.end(), std::int64_t{0});
    return offsets;
}

} // namespace

CaptionDecoder::CaptionDecoder(const TowerContext& context, const ModelConfig& config)
    : context_(context), width_(config.text.width), context_length_(config.text.context_length),
      table_(context.parameters.weight("token_embedding.weight")),
      positions_(context.parameters.weight("positional_embedding")),
      grad_table_(context.parameters.grad("token_embedding.weight")),
      grad_positions_(context.parameters.grad("positional_embedding")),
      prefix_(context, "caption.prefix.weight", "caption.prefix.bias"),
      blocks_(context, "transformer.resblocks.", config.text.layers, block_settings(config), false),
      ln_final_(context, "ln_final", config.layer_norm_eps),
      vocabulary_(context, "token_embedding.weight", "") {}

void CaptionDecoder::refresh() {
    prefix_.refresh();
    blocks_.refresh();
    vocabulary_.refresh();
}

CaptionDecoder::Part CaptionDecoder::take_part(std::span<const TokenizedText> texts,
                                               std::span<const CaptionPair> pairs,
                                               std::size_t first) const {
    Part part{.first = first};
    for (std::size_t p = first; p < pairs.size(); ++p) {
        const auto& ids = texts[static_cast<std::size_t>(pairs[p].text)].ids;
        const std::int64_t length = std::ssize(ids);
        if (length < 2 || length > context_length_)
            fail(ErrorCode::invalid_argument, concat("predict a caption: a text of ", length,
                                                     " tokens (want 2 to ", context_length_, ")"));
        // The end mark has no row, the picture has one.
        const std::int64_t row = part.offsets.back();
        if (part.size() > 0 && row + length > context_.rows_of_part(kRowsOfPart))
            break;
        part.pictures.push_back(pairs[p].picture);
        part.picture_rows.push_back(row);
        for (std::int64_t r = row + 1; r < row + length; ++r)
            part.token_rows.push_back(r);
        part.offsets.push_back(row + length);
        part.ids.insert(part.ids.end(), ids.begin(), ids.end() - 1);
        part.next.insert(part.next.end(), ids.begin() + 1, ids.end());
        for (std::int64_t place = 0; place + 1 < length; ++place)
            part.places.push_back(static_cast<std::int32_t>(place));
    }
    return part;
}

std::vector<std::int64_t> CaptionDecoder::Part::joined() const {
    std::vector<std::int64_t> from(static_cast<std::size_t>(offsets.back()));
    for (std::size_t i = 0; i < picture_rows.size(); ++i)
        from[static_cast<std::size_t>(picture_rows[i])] = static_cast<std::int64_t>(i);
    for (std::size_t i = 0; i < token_rows.size(); ++i)
        from[static_cast<std::size_t>(token_rows[i])] = size() + static_cast<std::int64_t>(i);
    return from;
}

CaptionDecoder::Activations CaptionDecoder::forward(const Part& part, ConstView features,
                                                    bool keep) {
    Arena& arena = context_.arena;
    const std::int64_t n = part.size(), rows = part.offsets.back(), tokens = part.tokens();
    Activations made;
    made.pictures = arena.take(Shape{n, features.shape[1]});
    made.x = arena.take(Shape{rows, width_});
    made.y = arena.take(Shape{rows, width_});
    made.tokens = arena.take(Shape{tokens, width_});
    made.mean = arena.take(Shape{tokens});
    made.rstd = arena.take(Shape{tokens});
    made.normed = arena.take(Shape{tokens, width_});
    ops::gather_rows(context_.backend, {.x = features, .rows = part.pictures, .y = made.pictures});
    const Arena::Mark mark = arena.mark();
    const MutView apart = arena.take(Shape{rows, width_}); // pictures, then tokens
    prefix_.forward({.x = made.pictures, .y = rows_from(apart, 0, n)});
    ops::embedding(context_.backend, {.ids = part.ids,
                                      .places = part.places,
                                      .table = table_,
                                      .positions = positions_,
                                      .y = rows_from(apart, n, tokens)});
    ops::gather_rows(context_.backend, {.x = apart, .rows = part.joined(), .y = made.x});
    arena.rewind(mark);
    blocks_.forward(made.x, made.y, part.sequences(), made.blocks, keep);
    ops::gather_rows(context_.backend, {.x = made.y, .rows = part.token_rows, .y = made.tokens});
    ln_final_.forward(made.tokens, made.normed, made.mean, made.rstd);
    return made;
}

void CaptionDecoder::backward(const Part& part, Activations& kept, ConstView grad_normed,
                              MutView grad_pictures) {
    // Of y there is a copy of what ln_final saw; it is not read again.
    const MutView grad_rows = kept.y;
    const MutView grad_tokens = context_.arena.take(grad_normed.shape);
    ln_final_.backward(kept.tokens, kept.mean, kept.rstd, grad_normed, {}, grad_tokens);
    // Of pictures' rows nothing is predicted.
    ops::gather_rows_backward(
        context_.backend, {.grad_y = grad_tokens, .rows = part.token_rows, .grad_x = grad_rows});
    blocks_.backward(grad_rows, grad_rows, part.sequences(), kept.blocks);
    const MutView grad_prefix = context_.arena.take(Shape{part.size(), width_});
    ops::gather_rows(context_.backend,
                     {.x = grad_rows, .rows = part.picture_rows, .y = grad_prefix});
    ops::gather_rows(context_.backend, {.x = grad_rows, .rows = part.token_rows, .y = grad_tokens});
    prefix_.backward({.grad_y = grad_prefix, .x = kept.pictures, .grad_x = grad_pictures});
    ops::embedding_backward(context_.backend, {.ids = part.ids,
                                               .places = part.places,
                                               .grad_y = grad_tokens,
                                               .grad_table = grad_table_,
                                               .grad_positions = grad_positions_});
}

void CaptionDecoder::average(const Part& part, std::span<const double> of_tokens,
                             std::span<double> losses) {
    std::size_t next = 0;
    for (std::size_t i = 0; i < part.pictures.size(); ++i) {
        const std::int64_t count = part.offsets[i + 1] - part.offsets[i] - 1;
        double sum = 0;
        for (std::int64_t t = 0; t < count; ++t)
            sum += of_tokens[next++];
        losses[part.first + i] = sum / static_cast<double>(count);
    }
}

void CaptionDecoder::learn(ConstView features, std::span<const TokenizedText> texts, double weight,
                           std::span<double> losses, MutView grad_features) {
    std::vector<CaptionPair> pairs(texts.size());
    for (std::size_t i = 0; i < pairs.size(); ++i)
        pairs[i].picture = pairs[i].text = static_cast<std::int64_t>(i);
    for (std::size_t next = 0; next < pairs.size();) {
        const Arena::Mark mark = context_.arena.mark();
        const Part part = take_part(texts, pairs, next);
        next += part.pictures.size();
        Activations made = forward(part, features, true);
        std::vector<float> weights;
        for (std::size_t i = 0; i < part.pictures.size(); ++i) {
            const std::int64_t count = part.offsets[i + 1] - part.offsets[i] - 1;
            weights.insert(weights.end(), static_cast<std::size_t>(count),
                           static_cast<float>(weight / static_cast<double>(count)));
        }
        std::vector<double> of_tokens(part.ids.size());
        const std::vector<std::int64_t> offsets = one_each(part.tokens());
        const MutView grad_normed = context_.arena.take(made.normed.shape);
        vocabulary_.learn(made.normed, {.ids = part.next, .offsets = offsets}, weights, of_tokens,
                          grad_normed);
        average(part, of_tokens, losses);
        backward(part, made, grad_normed,
                 rows_from(grad_features, static_cast<std::int64_t>(part.first), part.size()));
        context_.arena.rewind(mark);
    }
}

void CaptionDecoder::losses(ConstView features, std::span<const TokenizedText> texts,
                            std::span<const CaptionPair> pairs, std::span<double> losses) {
    for (std::size_t next = 0; next < pairs.size();) {
        const Arena::Mark mark = context_.arena.mark();
        const Part part = take_part(texts, pairs, next);
        next += part.pictures.size();
        const Activations made = forward(part, features, false);
        std::vector<double> of_tokens(part.ids.size());
        const std::vector<std::int64_t> offsets = one_each(part.tokens());
        vocabulary_.losses(made.normed, {.ids = part.next, .offsets = offsets}, of_tokens);
        average(part, of_tokens, losses);
        context_.arena.rewind(mark);
    }
}

} // namespace clip::trainer
