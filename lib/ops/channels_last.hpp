// SPDX-License-Identifier: MIT
#pragma once

#include "backend/backend.hpp"

namespace clip::ops {

/// Puts the channels of pictures last, as the layers of a ResNet want them.
///
/// Shapes:  x (N, C, height, width); y (N, height, width, C), of any type the backend takes.
/// Aliasing: none.
/// Errors:  shape_mismatch, dtype_mismatch, device_mismatch, invalid_argument (null pointer,
/// overlap).
void channels_last(Backend& backend, const ChannelsLastArgs& args);

} // namespace clip::ops
