// SPDX-License-Identifier: MIT
// `clip-model pixels`: what the picture tower is given.
#pragma once

#include <string>

#include "data/image_decode.hpp"
#include "data/preprocess.hpp"

namespace clip::app {

/// Decodes and preprocesses the picture `path` and writes float32 (3, n, n) to `output`, a .npy
/// file or "-" for standard output. Errors: those of read_image, preprocess and write_npy.
void write_pixels(const std::string& path, const DecodeOptions& decode,
                  const PreprocessOptions& options, const std::string& output);

} // namespace clip::app
