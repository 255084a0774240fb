// SPDX-License-Identifier: MIT
// The hand-written CPU kernels: packed weights, one fused multiply-add chain an output element, and
// one set of kernel sources compiled once for each instruction set.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "backend/backend.hpp"

namespace clip {

/// Instruction sets that the kernels are compiled for. All of them give the same bits.
enum class Isa : std::uint8_t {
    portable, ///< any CPU; fused multiply-adds are emulated where the compiler has none
    neon,     ///< AArch64
    avx2,     ///< AVX2, FMA and F16C
    avx512,   ///< AVX-512 F, BW, DQ and VL
};

/// "portable", "neon", "avx2" or "avx512".
std::string_view isa_name(Isa isa);

/// The instruction sets that this build holds and this CPU runs, slowest first; never empty.
std::vector<Isa> usable_isas();

/// The name of the fastest of them.
std::string_view cpu_isa_name();

/// The int8 kernels for screening that this CPU and its system run, slowest first; may be empty.
std::vector<std::string_view> usable_int8_names();

/// Makes the backend; `pool` must outlive it.
///
/// `isa` forces an instruction set (for tests and comparisons); without it the fastest usable one
/// is taken, and where that is only `portable`, `fallback` itself is returned unless it is null.
/// `int8` forces the kernels for screening likewise, and empty ones: none. Without it the fastest
/// usable ones are taken, or none where `isa` is forced.
/// Errors: unsupported (`isa` or `int8` is not usable here).
std::unique_ptr<Backend> make_cpu_backend(ThreadPool& pool, std::unique_ptr<Backend> fallback,
                                          std::optional<Isa> isa = std::nullopt,
                                          std::optional<std::string_view> int8 = std::nullopt);

} // namespace clip
