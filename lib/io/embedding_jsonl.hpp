// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include "io/embedding_file.hpp"

namespace clip::io {

/// Appends a row's line, newline included:
/// `{"path":"a.jpg",<carried>,"model":"ViT-B-32@1f0c...","embedding":[0.0123,...]}`. Where `layer`
/// is not empty, `"layer":"penultimate"` stands before the embedding.
/// Errors: bad_format (a text that is not UTF-8), invalid_argument (a value that is not finite).
void append_embedding_line(std::string& out, const EmbeddingRow& row, const std::string& model,
                           std::string_view layer = {});

} // namespace clip::io
