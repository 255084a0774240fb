// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>

#include "backend/cuda/context.hpp"
#include "base/dtype.hpp"

namespace clip::cuda {

/// In which order rows that go to one place are added up. Either depends on these rows alone.
enum class ScatterOrder : std::uint8_t {
    chain,  ///< to what is there, one after the other: the bits of a plain loop
    strands ///< four sums of every fourth row, then these: for places that get hundreds of rows
};

/// to[targets[i]] += from[i], without atomics: rows are sorted by their target on the host, and
/// what goes to one place is added up by one warp or block.
///
/// Shapes:  from (targets, width); to (places, width); each target in [0, places).
/// Errors:  out_of_memory.
void scatter_rows(Context& context, float* to, const float* from,
                  std::span<const std::int32_t> targets, std::int64_t places, std::int64_t width,
                  ScatterOrder order);
void scatter_rows(Context& context, float* to, const float* from,
                  std::span<const std::int64_t> targets, std::int64_t places, std::int64_t width,
                  ScatterOrder order);
/// The same as a chain, of f32, f16 or bf16: summed in float32, and rounded at its end.
void scatter_rows(Context& context, DType dtype, void* to, const void* from,
                  std::span<const std::int64_t> targets, std::int64_t places, std::int64_t width);

} // namespace clip::cuda
