// SPDX-License-Identifier: MIT
#include "app/embedding_settings.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "base/concat.hpp"

namespace clip::app {

namespace {

constexpr std::array<std::string_view, 4> kComputing{
    "precision=", "activation=", "device=", "products="};

std::vector<std::string_view> words_of(std::string_view settings) {
    std::vector<std::string_view> words;
    while (!settings.empty()) {
        const std::size_t end = std::min(settings.find(' '), settings.size());
        if (end > 0)
            words.push_back(settings.substr(0, end));
        settings.remove_prefix(std::min(end + 1, settings.size()));
    }
    return words;
}

/// The words of `settings` that the other has not; those of computing alone, where asked for.
std::string own_words(std::string_view settings, std::string_view other,
                      ComparedSettings compared) {
    const std::vector<std::string_view> others = words_of(other);
    std::string out;
    for (const std::string_view word : words_of(settings)) {
        const bool counts = compared == ComparedSettings::all ||
                            std::ranges::any_of(kComputing, [&](std::string_view key) {
                                return word.starts_with(key);
                            });
        if (counts && std::ranges::find(others, word) == others.end())
            out += concat(out.empty() ? "" : " ", word);
    }
    return out;
}

/// What the CPU and the usual products leave unsaid.
std::string whole(std::string_view settings) {
    std::string out(settings);
    if (setting(settings, "precision=").empty())
        return out;
    if (setting(settings, "device=").empty())
        out += " device=cpu";
    return out;
}

} // namespace

std::string setting(std::string_view settings, std::string_view key) {
    for (const std::string_view word : words_of(settings))
        if (word.starts_with(key))
            return std::string(word.substr(key.size()));
    return {};
}

void EmbeddingSettings::meet(const std::string& name, std::string_view settings) {
    if (warned_ || (met_ && settings == last_))
        return;
    if (compared_ == ComparedSettings::computing && setting(settings, "precision=").empty())
        return;
    last_ = settings;
    std::string all = whole(settings);
    if (!met_) {
        met_ = true;
        first_ = name;
        settings_ = std::move(all);
        return;
    }
    const std::string here = own_words(all, settings_, compared_);
    const std::string there = own_words(settings_, all, compared_);
    if (here.empty() && there.empty())
        return;
    warned_ = true;
    reporter_.warning(name, concat("made with other settings than ", first_, " (",
                                   here.empty() ? "defaults" : here, ", there ",
                                   there.empty() ? "defaults" : there, ")"));
}

} // namespace clip::app
