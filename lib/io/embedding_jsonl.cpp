// SPDX-License-Identifier: MIT
#include "io/embedding_jsonl.hpp"

#include "io/input_record.hpp"
#include "io/json_text.hpp"

namespace clip::io {

void append_embedding_line(std::string& out, const EmbeddingRow& row, const std::string& model,
                           std::string_view layer) {
    begin_json_record(out, row.item, row.is_text, row.extra);
    append_json_key(out, "model");
    append_json_string(out, model);
    if (!layer.empty()) {
        append_json_key(out, "layer");
        append_json_string(out, layer);
    }
    append_json_key(out, "embedding");
    append_json_floats(out, row.values);
    out += "}\n";
}

} // namespace clip::io
