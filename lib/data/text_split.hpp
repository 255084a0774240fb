// SPDX-License-Identifier: MIT
// Splitting of a cleaned text into the words that byte pairs are merged in.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace clip {

inline constexpr std::string_view kStartMark = "<|startoftext|>";
inline constexpr std::string_view kEndMark = "<|endoftext|>";

/// Yields the words of a text from left to right: the two marks, English contractions ('s 't 're
/// 've 'm 'll 'd), runs of letters, single numerals, and runs of everything else but white space.
/// Ignoring case as the reference's pattern does, which after lower-casing matters for the long s
/// (U+017F) alone.
class WordSplitter {
  public:
    /// `text` is UTF-8 from clean_text() and must outlive this.
    explicit WordSplitter(std::string_view text) : text_(text) {}
    std::optional<std::string_view> next();

  private:
    std::string_view text_;
    std::size_t at_ = 0;
};

} // namespace clip
