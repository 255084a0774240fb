// SPDX-License-Identifier: MIT
// How clip-classify writes its answers.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "app/input_source.hpp"

namespace clip::app {

/// A class and its score.
struct Ranked {
    std::size_t label = 0; ///< index into the labels
    float score = 0;
};

/// The answer for one input.
struct Answer {
    std::vector<Ranked> top; ///< best first, at least one
    bool confident = true;   ///< whether the best score reaches --threshold
    bool with_truth = false; ///< whether `truth` is written
    std::optional<std::string> truth;
};

/// `{"path":"a.jpg",<carried>,"label":"dog","score":0.97,"top":[{"label":"dog","score":0.97},...]}`
/// and a newline; `"truth"` last, null where it is not known. An answer that is not confident has
/// the label null. An embedding without a name has no item.
void append_answer_json(std::string& out, const Input& input, const Answer& answer,
                        std::span<const std::string> labels);

/// item<TAB>label<TAB>score, and a further label<TAB>score for each further place; then the truth.
/// Tab, newline, carriage return and backslash are written as \t, \n, \r and \\; other bytes of a
/// path stay. An answer that is not confident has an empty first label.
void append_answer_tsv(std::string& out, const Input& input, const Answer& answer,
                       std::span<const std::string> labels);

} // namespace clip::app
