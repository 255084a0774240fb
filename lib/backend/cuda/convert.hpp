// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "backend/cuda/context.hpp"

namespace clip::cuda {

/// Puts `count` elements at `from`, in another type or the same, to `to`: for ops that are given
/// one type and need another. Types are f32, f16 or bf16; rounding is to nearest even.
void convert_elements(Context& context, void* to, DType to_type, const void* from, DType from_type,
                      std::int64_t count);

} // namespace clip::cuda
