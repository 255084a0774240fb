// SPDX-License-Identifier: MIT
#include "app/model_tokens.hpp"

#include "base/concat.hpp"
#include "base/error.hpp"
#include "io/json_text.hpp"
#include "io/line_reader.hpp"

namespace clip::app {

namespace {

void print_one(const Tokenizer& tokenizer, std::string_view text, const std::string& where,
               std::ostream& out, Reporter& reporter) {
    std::string line = "{\"text\":";
    try {
        io::append_json_string(line, text);
    } catch (const Error& error) {
        reporter.error(where, error.what());
        return;
    }
    line += ",\"tokens\":[";
    const std::vector<std::int32_t> ids = tokenizer.encode(text);
    for (std::size_t i = 0; i < ids.size(); ++i)
        line += concat(i == 0 ? "" : ",", ids[i]);
    out << line << "]}\n";
}

} // namespace

void print_tokens(const Tokenizer& tokenizer, const std::vector<std::string>& operands,
                  bool null_separated, std::ostream& out, Reporter& reporter) {
    const auto read_input = [&] {
        io::LineReader reader = io::LineReader::open(
            "-", {.separator = null_separated ? '\0' : '\n', .stop = &reporter.stop()});
        std::string_view line;
        while (reader.next(line))
            print_one(tokenizer, line, reader.where(), out, reporter);
    };
    if (operands.empty())
        read_input();
    for (std::size_t i = 0; i < operands.size(); ++i) {
        if (operands[i] == "-")
            read_input();
        else
            print_one(tokenizer, operands[i], concat("text ", i + 1), out, reporter);
    }
    if (reporter.stop())
        fail(ErrorCode::interrupted, "interrupted");
}

} // namespace clip::app
