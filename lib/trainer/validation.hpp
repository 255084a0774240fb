// SPDX-License-Identifier: MIT
#pragma once

#include "data/tokenizer.hpp"
#include "train/batch_loader.hpp"
#include "train/pair_source.hpp"
#include "trainer/training_run.hpp"

namespace clip::trainer {

/// The mean loss over held-out pairs in batches of the run's size, or of 256 where that is larger,
/// and zero-shot accuracy: the distinct captions of the data (each pair's first) are the classes,
/// and a picture is right where its own caption scores best. `options` are those of the training
/// loader. Step, samples and epoch of the record are left to the caller.
/// Errors: those of the loader.
ValidationRecord validate(Learner& learner, const train::PairSource& pairs,
                          const Tokenizer& tokenizer, train::LoaderOptions options);

} // namespace clip::trainer
