// SPDX-License-Identifier: MIT
// NumPy's .npy, version 1.0, little-endian, C order.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "base/dtype.hpp"
#include "base/shape.hpp"

namespace clip::io {

/// Magic, version and dictionary, padded with spaces to `total` bytes; 0 takes the smallest
/// multiple of 64. Errors: unsupported (neither f32 nor f16), internal (`total` is too small).
std::string npy_header(DType dtype, const Shape& shape, std::size_t total = 0);

/// Writes float32 values of any shape, atomically; a stream target is written directly.
/// Errors: shape_mismatch, ClosedPipe, io_failure, not_found.
/// Source: NEP 1, "A Simple File Format for NumPy Arrays".
void write_npy(const std::string& path, std::span<const float> values, const Shape& shape);

} // namespace clip::io
