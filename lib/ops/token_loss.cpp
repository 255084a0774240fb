// SPDX-License-Identifier: MIT
#include "ops/token_loss.hpp"

#include <algorithm>

#include "ops/argument_check.hpp"

namespace clip::ops {

namespace {

void check_logits(ArgumentCheck& check, const MutView& logits) {
    check.rank("logits", logits, 2);
    check.require(logits.shape[1] > 0, ErrorCode::shape_mismatch, "rows of logits are empty");
    check.output("logits", logits, logits.shape);
}

void check_sets(ArgumentCheck& check, const TokenSets& sets, std::int64_t vocabulary) {
    const bool ascending = !sets.offsets.empty() && sets.offsets.front() == 0 &&
                           std::is_sorted(sets.offsets.begin(), sets.offsets.end()) &&
                           sets.offsets.back() == static_cast<std::int64_t>(sets.ids.size());
    check.require(ascending, ErrorCode::invalid_argument,
                  "offsets do not ascend from 0 to the number of ids");
    check.indices("ids", sets.ids, vocabulary);
    check.memory("ids", sets.ids.data(), sets.ids.size_bytes(), alignof(std::int32_t), false);
    check.memory("offsets", sets.offsets.data(), sets.offsets.size_bytes(), alignof(std::int64_t),
                 false);
}

} // namespace

void token_loss(Backend& backend, const TokenLossArgs& args) {
    ArgumentCheck check("token loss", backend);
    check_logits(check, args.logits);
    const std::int64_t rows = args.logits.shape[0];
    check_sets(check, args.targets, args.logits.shape[1]);
    check.require(args.targets.size() == rows, ErrorCode::shape_mismatch,
                  "targets are not one set for each row");
    check.require(args.weights.empty() || std::ssize(args.weights) == rows,
                  ErrorCode::shape_mismatch, "weights are not one for each row");
    check.memory("weights", args.weights.data(), args.weights.size_bytes(), alignof(float), false);
    check.output_of(DType::f64, "losses", args.losses, {rows});
    check.overlaps();
    if (rows > 0)
        backend.token_loss(args);
}

void token_scores(Backend& backend, const TokenScoresArgs& args) {
    ArgumentCheck check("token scores", backend);
    check_logits(check, args.logits);
    check_sets(check, args.sets, args.logits.shape[1]);
    check.output("scores", args.scores, {args.logits.shape[0], args.sets.size()});
    check.overlaps();
    if (args.scores.numel() > 0)
        backend.token_scores(args);
}

} // namespace clip::ops
