// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "base/dtype.hpp"

namespace clip::ref {

/// Rounds the rows of `weight` (rows, cols) in place to what `storage` can hold.
///
/// f32 changes nothing, f16 and bf16 round to nearest even. i8 keeps integers in [-127, 127] and
/// one scale a row, its largest absolute value / 127. Errors: unsupported (another dtype).
void round_to_storage(float* weight, std::int64_t rows, std::int64_t cols, DType storage);

} // namespace clip::ref
