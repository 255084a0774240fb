// SPDX-License-Identifier: MIT
#include "app/classification_output.hpp"

#include "app/tsv.hpp"
#include "io/input_record.hpp"
#include "io/json_text.hpp"

namespace clip::app {

void append_answer_json(std::string& out, const Input& input, const Answer& answer,
                        std::span<const std::string> labels) {
    if (input.has_item)
        io::begin_json_record(out, input.item, input.is_text, input.extra);
    else
        out += '{' + input.extra;
    if (out.ends_with('{'))
        out += "\"label\":";
    else
        io::append_json_key(out, "label");
    if (answer.confident)
        io::append_json_string(out, labels[answer.top.front().label]);
    else
        out += "null";
    io::append_json_key(out, "score");
    io::append_json_float(out, answer.top.front().score);
    io::append_json_key(out, "top");
    out += '[';
    for (const Ranked& place : answer.top) {
        out += out.ends_with('[') ? "{\"label\":" : ",{\"label\":";
        io::append_json_string(out, labels[place.label]);
        io::append_json_key(out, "score");
        io::append_json_float(out, place.score);
        out += '}';
    }
    out += ']';
    if (answer.with_truth) {
        io::append_json_key(out, "truth");
        if (answer.truth)
            io::append_json_string(out, *answer.truth);
        else
            out += "null";
    }
    out += "}\n";
}

void append_answer_tsv(std::string& out, const Input& input, const Answer& answer,
                       std::span<const std::string> labels) {
    append_tsv_field(out, input.item);
    for (std::size_t i = 0; i < answer.top.size(); ++i) {
        out += '\t';
        if (i > 0 || answer.confident)
            append_tsv_field(out, labels[answer.top[i].label]);
        out += '\t';
        io::append_json_float(out, answer.top[i].score);
    }
    if (answer.with_truth) {
        out += '\t';
        append_tsv_field(out, answer.truth.value_or(""));
    }
    out += '\n';
}

} // namespace clip::app
