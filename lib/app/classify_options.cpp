// SPDX-License-Identifier: MIT
#include "app/classify_options.hpp"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "data/image_decode.hpp"
#include "io/atomic_file.hpp"

namespace clip::app {

namespace fs = std::filesystem;

namespace {

struct Use {
    const char* option;
    std::string path;
};

std::string lower_extension(const std::string& path) {
    std::string extension = fs::path(path).extension().string();
    for (char& c : extension)
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    return extension;
}

bool is_one_of(const std::string& text, std::initializer_list<std::string_view> list) {
    return std::find(list.begin(), list.end(), text) != list.end();
}

/// Two spellings of one file are the same here. Nothing for streams: two outputs may go to
/// /dev/null.
std::string one_spelling(const std::string& path) {
    if (path == "-")
        return path;
    if (io::is_stream_target(path))
        return {};
    std::error_code error;
    const fs::path whole = fs::absolute(io::resolve_links(path), error);
    const fs::path real = fs::weakly_canonical(whole, error);
    return error ? whole.string() : real.string();
}

void check_standard_input(const ClassifyOptions& options) {
    std::vector<const char*> readers;
    for (const Use& use :
         {Use{"--labels", options.label_file}, Use{"--templates", options.template_file},
          Use{"--classifier", options.classifier}, Use{"--truth", options.truth}})
        if (use.path == "-")
            readers.push_back(use.option);
    if (options.inputs.empty() ||
        std::find(options.inputs.begin(), options.inputs.end(), "-") != options.inputs.end())
        readers.push_back("the inputs");
    if (readers.size() > 1)
        fail(ErrorCode::invalid_argument,
             concat("read standard input: ", readers[0], " and ", readers[1], " both want it"));
}

void check_outputs(const ClassifyOptions& options) {
    const Use uses[] = {{"--output", options.output.empty() ? "-" : options.output},
                        {"--summary", options.summary},
                        {"--errors", options.errors},
                        {"--save-classifier", options.save_classifier}};
    std::vector<std::pair<std::string, const char*>> seen;
    for (const Use& use : uses) {
        const std::string file = use.path.empty() ? std::string() : one_spelling(use.path);
        if (file.empty())
            continue;
        for (const auto& [other, option] : seen)
            if (other == file)
                fail(ErrorCode::invalid_argument,
                     concat("write ", file == "-" ? "standard output" : use.path, ": ", option,
                            " and ", use.option, " both want it"));
        seen.emplace_back(file, use.option);
    }
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
    check_standard_input(options);
    check_outputs(options);
}

} // namespace clip::app
