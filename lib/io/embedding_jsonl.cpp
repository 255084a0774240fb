// SPDX-License-Identifier: MIT
#include "io/embedding_jsonl.hpp"

#include "io/input_record.hpp"
#include "io/json_text.hpp"

namespace clip::io {

void append_embedding_line(std::string& out, const EmbeddingRow& row, const std::string& model) {
    begin_json_record(out, row.item, row.is_text, row.extra);
    append_json_key(out, "model");
    append_json_string(out, model);
    append_json_key(out, "embedding");
    append_json_floats(out, row.values);
    out += "}\n";
}

} // namespace clip::io
