// SPDX-License-Identifier: MIT
// A batch in parts, for losses that are a mean over pictures.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include "trainer/learner.hpp"

namespace clip::trainer {

/// The number of slices that a batch goes through in: `wanted`, or fewer where a rank has fewer
/// rows. It is the same on all ranks, since batch norms add up their statistics slice by slice.
inline std::size_t slices_of(const LearnerBatch& batch, std::size_t wanted,
                             const Communicator& ranks) {
    const std::uint64_t fewest = batch.global_rows / static_cast<std::uint64_t>(ranks.size());
    return std::clamp<std::size_t>(wanted, 1, std::max<std::uint64_t>(fewest, 1));
}

/// Calls body(slice) for slices_of() parts of a rank's rows, one after the other, as equal as can
/// be. A slice's global_rows are those of the batch, so that means over the whole batch are what
/// its parts add up to.
template <typename Body>
void for_slices(const LearnerBatch& batch, std::size_t wanted, const Communicator& ranks,
                const Body& body) {
    const std::size_t rows = batch.texts.size(), slices = slices_of(batch, wanted, ranks);
    const std::int64_t side = batch.pictures.shape[2];
    for (std::size_t i = 0; i < slices; ++i) {
        const std::size_t first = rows * i / slices, end = rows * (i + 1) / slices;
        if (first == end)
            continue;
        LearnerBatch slice = batch;
        slice.pictures.data =
            batch.pictures.f32() + static_cast<std::int64_t>(first) * 3 * side * side;
        slice.pictures.shape = Shape{static_cast<std::int64_t>(end - first), 3, side, side};
        slice.texts = batch.texts.subspan(first, end - first);
        slice.first_row += first;
        body(slice);
    }
}

/// The mean over the whole batch of losses whose sum over this rank's rows is `sum`.
inline double mean_over_ranks(double sum, const LearnerBatch& batch, Communicator& ranks) {
    std::array<double, 1> total{sum};
    ranks.all_reduce_sum(total);
    return total[0] / static_cast<double>(batch.global_rows);
}

} // namespace clip::trainer
