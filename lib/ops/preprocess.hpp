// SPDX-License-Identifier: MIT
#pragma once

#include "backend/backend.hpp"

namespace clip::ops {

/// Resizes one RGB picture as Pillow does, keeps what the axes say, and normalises it: what
/// clip::preprocess() does to a picture of that mode, to the bit.
///
/// Shapes:  picture (height, width, 3) u8; y (3, S, S); the axes' spans are on the host, S outputs
///          each.
/// Numerics: exact up to the two divisions, each of which is rounded to float32.
/// Aliasing: none.
/// Errors:  shape_mismatch, dtype_mismatch, device_mismatch, invalid_argument (an input outside of
///          the picture, null pointer, overlap).
/// Source:  Pillow's ImagingResample for pictures of 8 bits.
void preprocess(Backend& backend, const PreprocessArgs& args);

} // namespace clip::ops
