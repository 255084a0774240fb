// SPDX-License-Identifier: MIT
// Tables in text: fields between commas or tabs, a record a line.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace clip::io {

struct DelimitedFormat {
    char separator = ',';
    /// A field that begins with a double quote goes on to the next single one, line breaks
    /// included; a doubled one inside is one (RFC 4180). Without it a quote is a letter like any
    /// other, and a record is a line: the custom of tab-separated files.
    bool quotes = true;
};

struct RecordEnd {
    std::size_t length = 0; ///< without the line break
    std::size_t next = 0;   ///< where the next record begins
    /// A quoted field never ends within the text or the limit; length and next are then those of
    /// the first line alone.
    bool unclosed = false;
};

/// Where the record ends with which `text` begins. Lines end with LF, CR LF or the end of the text.
/// A record of several lines that is longer than `max_length` counts as unclosed.
RecordEnd find_record_end(std::string_view text, const DelimitedFormat& format,
                          std::size_t max_length = std::size_t{1} << 20);

/// The fields of one record (without its line break). What follows a closing quote up to the
/// separator is kept as it is, as most readers do.
void split_record(std::string_view record, const DelimitedFormat& format,
                  std::vector<std::string>& fields);

} // namespace clip::io
