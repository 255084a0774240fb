// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include "model/weights.hpp"

namespace clip {

/// Twelve hex digits that identify weights: the same in every layout and in every element type that
/// holds the values exactly.
///
/// They are the first 12 of the SHA-256 over these bytes. First the line "clip-weights 1\n". Then
/// for each weight of weight_specs(), in the order of the names' bytes:
///  - its canonical name, a space, its canonical shape as "(2, 3)" ("()" for a scalar), "\n";
///  - the sample: with n = min(numel, 8), the elements floor(i * numel / n) for i = 0 .. n-1 and
///    then the last one, each as a little-endian float32; every NaN is written 0x7fc00000.
/// Elements are counted row-major in the canonical orientation; conversion from float64 rounds.
/// So at most 9 values of a tensor are read. A change of other elements alone keeps the digest,
/// which no training or conversion does.
///
/// Errors: not_found (a weight is absent), io_failure (no SHA-256 in this OpenSSL).
std::string weights_digest(const Weights& weights);

/// The first 12 hex digits of the SHA-256 of some bytes. Errors: io_failure (as above).
std::string bytes_digest(std::string_view bytes);

} // namespace clip
