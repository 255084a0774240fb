// SPDX-License-Identifier: MIT
#include "app/classify_options.hpp"

#include <algorithm>
#include <initializer_list>
#include <string_view>

#include "app/option_checks.hpp"
#include "base/concat.hpp"
#include "base/error.hpp"
#include "data/image_decode.hpp"

namespace clip::app {

namespace {

bool is_one_of(const std::string& text, std::initializer_list<std::string_view> list) {
    return std::find(list.begin(), list.end(), text) != list.end();
}

} // namespace

AnswerFormat choose_answer_format(const std::string& path, const std::string& format) {
    if (!format.empty() && format != "jsonl" && format != "tsv")
        fail(ErrorCode::invalid_argument,
             concat("read --format: got '", format, "', want jsonl or tsv"));
    const std::string extension = lower_extension(path);
    const std::string named = is_one_of(extension, {".jsonl", ".ndjson", ".json"}) ? "jsonl"
                              : extension == ".tsv"                                ? "tsv"
                                                                                   : "";
    if (is_one_of(extension, {".h5", ".hdf5", ".npy", ".csv"}) || looks_like_picture(path))
        fail(ErrorCode::invalid_argument, concat("write ", path, ": records are not written as ",
                                                 extension, " (want a name in .jsonl or .tsv)"));
    if (!named.empty() && !format.empty() && named != format)
        fail(ErrorCode::invalid_argument,
             concat("write ", path, ": the name says ", named, ", --format says ", format));
    return (named.empty() ? format : named) == "tsv" ? AnswerFormat::tsv : AnswerFormat::jsonl;
}

void check_options(const ClassifyOptions& options) {
    if (!options.summary.empty() && options.truth.empty())
        fail(ErrorCode::invalid_argument, "--summary needs --truth");
    const FileOption inputs[] = {{"--labels", options.classes.label_file},
                                 {"--templates", options.classes.template_file},
                                 {"--classifier", options.classes.file},
                                 {"--truth", options.truth}};
    check_standard_input(inputs, options.inputs);
    const FileOption outputs[] = {{"--output", options.output.empty() ? "-" : options.output},
                                  {"--summary", options.summary},
                                  {"--errors", options.errors},
                                  {"--save-classifier", options.save_classifier}};
    check_distinct_outputs(outputs);
    std::vector<std::string> read = options.inputs;
    for (const FileOption& input : inputs)
        read.push_back(input.path);
    check_outputs_are_not_inputs(outputs, read);
}

} // namespace clip::app
