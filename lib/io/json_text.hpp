// SPDX-License-Identifier: MIT
// JSON as text: what is written to a line, and a validating scanner that keeps the bytes in place.
//
// A general parser builds values; here a record's unknown members must come out byte for byte, and
// a line is mostly one long array of floats. So the scanner hands out positions.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace clip::io {

/// Appends `text` as a JSON string with its quotes. Only `"`, `\` and control characters below
/// U+0020 are escaped.
/// Errors: bad_format (not UTF-8; the message gives the byte's position).
void append_json_string(std::string& out, std::string_view text);

/// Appends the shortest decimal that reads back as the same float32 (`0.5`, `1e-7`, `-0`).
/// Errors: invalid_argument (NaN or infinite: JSON has no spelling for them).
void append_json_float(std::string& out, float value);
void append_json_double(std::string& out, double value);

/// Appends `[a,b,...]`.
void append_json_floats(std::string& out, std::span<const float> values);

/// Walks over one JSON text. Positions are byte offsets; every error names the column (1-based).
///
/// The whole text must be checked for UTF-8 by the caller.
/// Errors: truncated (the text ends too early), bad_format (anything else that is not JSON).
class JsonScanner {
  public:
    explicit JsonScanner(std::string_view text) : text_(text) {}

    std::size_t position() const { return at_; }
    bool at_end() const { return at_ == text_.size(); }
    void skip_space();
    /// The next byte that is not space, without taking it; '\0' at the end.
    char peek();
    /// Takes `wanted` after optional space.
    void expect(char wanted);
    /// Takes `wanted` after optional space if it is there.
    bool accept(char wanted);
    /// Takes a string and returns it decoded. Errors besides: bad_format (an unpaired surrogate).
    std::string read_string();
    /// Takes a number as float32, rounded once. Errors besides: bad_format (not finite in float32).
    float read_float();
    /// Takes an array of numbers.
    void read_floats(std::vector<float>& out);
    /// Takes any value and checks its grammar.
    void skip_value();

    /// Throws with the present column: bad_format, or truncated where the text is at its end.
    [[noreturn]] void fail_here(std::string_view what) const;

  private:
    void skip_string();
    void skip_number();
    void skip_nested(std::size_t depth);
    void skip_literal(std::string_view literal);
    unsigned read_hex4();

    std::string_view text_;
    std::size_t at_ = 0;
};

} // namespace clip::io
