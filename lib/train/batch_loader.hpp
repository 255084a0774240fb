// SPDX-License-Identifier: MIT
// Batches of training data, made ahead on threads of their own.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "train/epoch_order.hpp"
#include "train/sample_maker.hpp"

namespace clip::train {

struct LoaderOptions {
    SampleOptions sample; ///< `seed` and `training` are used for the order, too
    /// Pairs of one batch, over all ranks.
    std::size_t batch_size = 128;
    /// This rank's share of every batch: its rows from batch_size * rank / ranks on.
    std::size_t rank = 0, ranks = 1;
    std::uint64_t shuffle_buffer = 10000; ///< for shards only: OrderOptions
    std::size_t threads = 1;              ///< that decode, besides the caller
    std::size_t ahead = 2;                ///< batches that are made before they are asked for
    /// Where to begin: any batch of any epoch costs the same.
    std::uint32_t epoch = 0;
    std::uint64_t batch = 0;
    /// next() ends before this epoch.
    std::uint32_t end_epoch = 0xffffffffU;
    /// Called by next() for each of the first skipped pairs that this rank met, in their order.
    std::function<void(const Skip& skip)> on_skip;
    std::size_t named_skips = 20;
};

/// A rank's rows of one batch.
struct Batch {
    std::uint32_t epoch = 0;
    std::uint64_t number = 0; ///< in its epoch, from 0
    bool last_of_epoch = false;
    std::vector<float> pixels;          ///< (N, 3, n, n)
    std::vector<TokenizedText> texts;   ///< N
    std::vector<std::uint64_t> indices; ///< N, of the pairs in their source

    std::size_t size() const { return texts.size(); }
};

/// Of what next() has handed out so far.
struct LoaderStats {
    std::uint64_t pairs = 0;                           ///< rows of batches
    std::uint64_t truncated = 0;                       ///< captions that were too long
    std::array<std::uint64_t, kSkipReasons> skipped{}; ///< by SkipReason; each time it is met
    double waited = 0.0;                               ///< seconds that next() waited

    std::uint64_t all_skipped() const;
};

/// Gives the batches of one epoch after the other, in an order and with a content that depend on
/// the data, the seed, epoch and number alone: neither on threads, nor on ranks (the ranks' rows,
/// one after the other, are the batch of one rank), nor on where reading began.
///
/// In training every epoch has size / batch_size batches, all full; what is left over changes with
/// the order. A pair that cannot be used is replaced by the pair in the same row of the next batch
/// that can (then by what is left over, then by any), so that other rows stay as they were. In
/// validation pairs come in the order of the data, a batch loses those that cannot be used, and the
/// last may be smaller; batches without a row are passed over.
class BatchLoader {
  public:
    /// A row for which so many pairs in a row cannot be used ends the run.
    static constexpr std::uint64_t kMaxTries = 1000;

    /// Starts the threads. `pairs` and `tokenizer` must outlive this.
    /// Errors: invalid_argument (no rows in a batch, fewer pairs than a batch has, an impossible
    /// rank, a batch behind the epoch's end).
    BatchLoader(const PairSource& pairs, const Tokenizer& tokenizer, const LoaderOptions& options);
    ~BatchLoader();
    BatchLoader(const BatchLoader&) = delete;
    BatchLoader& operator=(const BatchLoader&) = delete;

    std::uint64_t batches_per_epoch() const;
    /// The next batch; false before `end_epoch`. Called by one thread. The memory of what `batch`
    /// held is used again, so hand in the batch before.
    /// Errors: bad_format (kMaxTries, or all pairs there are, cannot be used; in validation, none
    /// of an epoch); whatever a thread met. The loader gives no further batch then.
    bool next(Batch& batch);
    const LoaderStats& stats() const;

  private:
    class State;
    std::unique_ptr<State> state_;
};

} // namespace clip::train
