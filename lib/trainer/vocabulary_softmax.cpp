// SPDX-License-Identifier: MIT
#include "trainer/vocabulary_softmax.hpp"

#include <algorithm>
#include <vector>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "ops/linear.hpp"
#include "ops/token_loss.hpp"
#include "tensor/staging.hpp"
#include "trainer/row_views.hpp"

namespace clip::trainer {

namespace {

/// Sets [first, first + count) of some.
class SomeSets {
  public:
    SomeSets(const TokenSets& all, std::int64_t first, std::int64_t count) {
        const auto from = all.offsets.subspan(static_cast<std::size_t>(first),
                                              static_cast<std::size_t>(count) + 1);
        for (const std::int64_t offset : from)
            offsets_.push_back(offset - from.front());
        ids_ = all.ids.subspan(static_cast<std::size_t>(from.front()),
                               static_cast<std::size_t>(offsets_.back()));
    }
    TokenSets sets() const { return {.ids = ids_, .offsets = offsets_}; }

  private:
    std::span<const std::int32_t> ids_;
    std::vector<std::int64_t> offsets_;
};

/// Losses of float64 where the backend writes them: on the host where they go anyway.
class Losses {
  public:
    Losses(std::span<double> host, Arena& arena) : memory_(arena.memory()), host_(host) {
        all_ = {host.data(), Shape{std::ssize(host)}, DType::f64, memory_.device()};
        if (!memory_.device().is_cpu())
            all_.data = arena.take(Shape{2 * std::ssize(host)}).data; // of float32
    }
    MutView rows(std::int64_t first, std::int64_t count) const {
        return part_of(all_, first, Shape{count});
    }
    void finish() const {
        if (!memory_.device().is_cpu())
            memory_.download(host_.data(), all_.data, all_.bytes());
    }

  private:
    Memory& memory_;
    std::span<double> host_;
    MutView all_;
};

} // namespace

VocabularySoftmax::VocabularySoftmax(const TowerContext& context, const std::string& weight,
                                     const std::string& bias)
    : context_(context), table_(context, weight, bias) {}

void VocabularySoftmax::check(const TokenSets& sets) const {
    const std::int64_t size = table_.out_features();
    for (const std::int32_t id : sets.ids)
        if (id < 0 || id >= size)
            fail(ErrorCode::invalid_argument,
                 concat("predict tokens: token ", id, " is outside the vocabulary of ", size));
}

/// Calls use(first, logits (n, V)) for rows [first, first + n), block after block.
template <typename Use>
void VocabularySoftmax::for_blocks(ConstView rows, const Use& use) {
    Arena& arena = context_.arena;
    const Arena::Mark mark = arena.mark();
    const std::int64_t count = rows.shape[0];
    const std::int64_t step =
        kRowsOfLogits * std::min(context_.backend.batch_factor(), kMostRowsOfLogits);
    const MutView block = arena.take(Shape{std::min(step, count), table_.out_features()});
    for (std::int64_t first = 0; first < count; first += step) {
        const std::int64_t n = std::min(step, count - first);
        const MutView logits = rows_from(block, 0, n);
        ops::linear(context_.backend,
                    {.x = rows_from(rows, first, n), .weights = table_.packed(), .y = logits});
        use(first, logits);
    }
    table_.done();
    arena.rewind(mark);
}

void VocabularySoftmax::losses(ConstView rows, const TokenSets& targets, std::span<double> losses) {
    learn(rows, targets, {}, losses, {});
}

void VocabularySoftmax::learn(ConstView rows, const TokenSets& targets,
                              std::span<const float> weights, std::span<double> losses,
                              MutView grad_rows) {
    expect(targets.size() == rows.shape[0] && std::ssize(losses) == rows.shape[0],
           "a set and a loss for each row");
    check(targets);
    const Arena::Mark mark = context_.arena.mark();
    const Losses there(losses, context_.arena);
    for_blocks(rows, [&](std::int64_t first, MutView logits) {
        const std::int64_t n = logits.shape[0];
        const SomeSets some(targets, first, n);
        TokenLossArgs args{.logits = logits,
                           .targets = some.sets(),
                           .weights = {},
                           .losses = there.rows(first, n)};
        if (!grad_rows.empty())
            args.weights =
                weights.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(n));
        ops::token_loss(context_.backend, args);
        if (!grad_rows.empty())
            table_.backward({.grad_y = logits,
                             .x = rows_from(rows, first, n),
                             .grad_x = rows_from(grad_rows, first, n)});
    });
    there.finish();
    context_.arena.rewind(mark);
}

void VocabularySoftmax::score(ConstView rows, const TokenSets& sets, MutView scores) {
    expect(scores.shape == Shape({rows.shape[0], sets.size()}), "a score for each row and set");
    check(sets);
    const StagedOutput there(scores, context_.backend.memory());
    for_blocks(rows, [&](std::int64_t first, MutView logits) {
        ops::token_scores(context_.backend,
                          {.logits = logits,
                           .sets = sets,
                           .scores = rows_from(there.view(), first, logits.shape[0])});
    });
    there.finish();
}

} // namespace clip::trainer
