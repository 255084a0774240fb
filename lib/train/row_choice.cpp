// SPDX-License-Identifier: MIT
#include "train/row_choice.hpp"

namespace clip::train {

std::uint64_t tries_of(const BatchRow& row) {
    return row.size / row.batch_size + row.size % row.batch_size + row.size;
}

std::uint64_t position_of(const BatchRow& row, std::uint64_t attempt) {
    const std::uint64_t batches = row.size / row.batch_size;
    const std::uint64_t left_over = row.size % row.batch_size;
    if (attempt < batches)
        return (row.batch + attempt) % batches * row.batch_size + row.row;
    attempt -= batches;
    if (attempt < left_over)
        return batches * row.batch_size + (row.row + attempt) % left_over;
    attempt -= left_over;
    return (row.batch * row.batch_size + row.row + attempt) % row.size;
}

} // namespace clip::train
