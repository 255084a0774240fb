// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstddef>
#include <optional>
#include <span>

#include "data/tokenizer.hpp"
#include "train/batch_loader.hpp"
#include "train/pair_source.hpp"
#include "trainer/training_run.hpp"

namespace clip::trainer {

/// The mean loss over held-out pairs in batches of the run's size, or of 256 where that is larger,
/// and zero-shot accuracy: the distinct captions of the data (each pair's first) are the classes,
/// and a picture is right where its own caption scores best. Scores of an objective that predicts
/// captions are likelihoods, and go through subtract_priors() first. `options` are those of the
/// training loader. Step, samples and epoch of the record are left to the caller. Nothing, once
/// `stop` (or null) says so.
/// Errors: those of the loader.
std::optional<ValidationRecord> validate(Learner& learner, Objective objective,
                                         const train::PairSource& pairs, const Tokenizer& tokenizer,
                                         train::LoaderOptions options,
                                         const std::atomic<bool>* stop);

/// From log p(caption | picture) to log p(caption | picture) / p(caption), with p(caption) the mean
/// over these pictures. A likelihood says most of all how common a caption is: without this, the
/// most common one is the answer for every picture. Contrastive similarities need no such thing:
/// the captions of a batch are already as common in its wrong pairs as in its right ones.
/// scores (rows, columns) row by row: changed.
void subtract_priors(std::span<float> scores, std::size_t columns);

} // namespace clip::trainer
