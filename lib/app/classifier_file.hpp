// SPDX-License-Identifier: MIT
// A classifier as an embedding file: one row a class, its item the label, its kind text.
#pragma once

#include <string>
#include <string_view>

#include "io/embedding_file.hpp"
#include "model/zero_shot.hpp"

namespace clip::app {

/// Writes `classifier` as HDF5, atomically. `tool` is the program and its version.
/// Errors: not_found, io_failure.
void save_classifier(const std::string& path, const Classifier& classifier,
                     const std::string& tool);

/// Reads such a file, or any embedding file of texts, whose texts then are the labels. "-" is
/// standard input. Rows are brought to length 1.
/// Errors: those of EmbeddingReader; bad_format (no rows, a picture among them, a label twice, a
/// row of zeros, vectors of another layer than the projected one).
Classifier load_classifier(const std::string& path);

using io::other_layer;

/// Divides by the length what is not of length 1 yet, in float64, so that a vector that is read
/// back from a file keeps its bits. A row of zeros stays.
void normalize_given(float* row, std::int64_t dim);

} // namespace clip::app
