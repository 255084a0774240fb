// SPDX-License-Identifier: MIT
#include "app/option_checks.hpp"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "io/atomic_file.hpp"

namespace clip::app {

namespace fs = std::filesystem;

namespace {

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

} // namespace

std::string lower_extension(const std::string& path) {
    std::string extension = fs::path(path).extension().string();
    for (char& c : extension)
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    return extension;
}

void check_standard_input(std::span<const FileOption> files,
                          std::span<const std::string> operands) {
    std::vector<const char*> readers;
    for (const FileOption& file : files)
        if (file.path == "-")
            readers.push_back(file.option);
    if (operands.empty() || std::find(operands.begin(), operands.end(), "-") != operands.end())
        readers.push_back("the inputs");
    if (readers.size() > 1)
        fail(ErrorCode::invalid_argument,
             concat("read standard input: ", readers[0], " and ", readers[1], " both want it"));
}

void check_distinct_outputs(std::span<const FileOption> files) {
    std::vector<std::pair<std::string, const char*>> seen;
    for (const FileOption& use : files) {
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

void check_outputs_are_not_inputs(std::span<const FileOption> outputs,
                                  std::span<const std::string> inputs) {
    for (const FileOption& output : outputs) {
        if (output.path.empty() || output.path == "-" || io::is_stream_target(output.path))
            continue;
        for (const std::string& input : inputs) {
            std::error_code error; // where one is not there, they are not the same
            if (fs::equivalent(output.path, input, error) && !error)
                fail(ErrorCode::invalid_argument,
                     concat("write ", output.path, ": ", output.option, " would replace an input"));
        }
    }
}

} // namespace clip::app
