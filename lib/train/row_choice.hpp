// SPDX-License-Identifier: MIT
// Which pairs are tried for one row of a batch.
#pragma once

#include <cstdint>

namespace clip::train {

/// A row of the batches that an epoch is cut into.
struct BatchRow {
    std::uint64_t size;       ///< pairs of the epoch
    std::uint64_t batch_size; ///< at most `size`
    std::uint64_t batch;      ///< number of the batch, below size / batch_size
    std::uint64_t row;        ///< below batch_size
};

/// How many tries there are until some pair would be tried for the third time; every pair has been
/// tried then.
std::uint64_t tries_of(const BatchRow& row);

/// The position in the epoch's order that is tried after `attempt` failures: the row's own; the
/// same row of the following batches, round to the one before its own; what is left over behind the
/// last batch; at last all pairs in order. Rows of one batch thus try different pairs as long as
/// they can, without knowing of each other.
std::uint64_t position_of(const BatchRow& row, std::uint64_t attempt);

} // namespace clip::train
