// SPDX-License-Identifier: MIT
#pragma once

#include "backend/backend.hpp"

namespace clip::ops {

/// Resizes RGB pictures as Pillow does, keeps of each what its axes say, and normalises them: what
/// clip::preprocess() does to a picture of that mode, to the bit. Pictures of a batch go together,
/// whatever their sizes: on a device they are one copy and a few launches.
///
/// Shapes:  pictures (height, width, 3) u8, on the host, as the axes are, which have S outputs
/// each;
///          y (N, 3, S, S), of which each is written at most once, and others stay as they are.
/// Numerics: exact up to the two divisions, each of which is rounded to float32.
/// Aliasing: none.
/// Errors:  shape_mismatch, dtype_mismatch, device_mismatch, invalid_argument (an input outside of
///          its picture, a picture that becomes none of y's or one that another becomes, null
///          pointer).
/// Source:  Pillow's ImagingResample for pictures of 8 bits.
void preprocess(Backend& backend, const PreprocessArgs& args);

} // namespace clip::ops
