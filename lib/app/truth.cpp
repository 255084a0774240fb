// SPDX-License-Identifier: MIT
#include "app/truth.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "app/labels.hpp"
#include "base/concat.hpp"
#include "io/json_text.hpp"
#include "io/path_escape.hpp"

namespace clip::app {

namespace fs = std::filesystem;

namespace {

/// The last name in the path of the folder that holds `path`, as it is spelt; empty without one.
std::string_view spelt_parent(std::string_view path) {
    std::string_view folder = path.substr(0, std::min(path.find_last_of('/'), path.size()));
    if (folder.size() == path.size())
        return {};
    while (folder.ends_with('/'))
        folder.remove_suffix(1);
    const std::size_t start = folder.find_last_of('/');
    return start == std::string_view::npos ? folder : folder.substr(start + 1);
}

/// The name of the folder that holds `path`; empty in the root. Where the path does not spell it
/// (1.png, ./1.png, ../1.png), it is the name that the folder has on this machine.
std::string parent_name(std::string_view path) {
    const std::string_view spelt = spelt_parent(path);
    if (!spelt.empty() && spelt != "." && spelt != "..")
        return std::string(spelt);
    std::error_code error;
    const fs::path whole = fs::absolute(fs::path(path), error);
    if (error)
        return {};
    const fs::path folder = fs::weakly_canonical(whole.parent_path(), error);
    return error ? std::string() : folder.filename().string();
}

/// Adds the labels between the bars of `text` that are not in `labels` yet.
void add_labels(std::vector<std::string>& labels, std::string_view text) {
    while (!text.empty()) {
        const std::size_t bar = std::min(text.find('|'), text.size());
        const std::string_view label = text.substr(0, bar);
        if (!label.empty() && std::find(labels.begin(), labels.end(), label) == labels.end())
            labels.emplace_back(label);
        text.remove_prefix(std::min(bar + 1, text.size()));
    }
}

constexpr std::size_t kMostMatrixClasses = 4096;

std::string percent(double part) {
    std::array<char, 32> buffer{};
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), 100 * part,
                                   std::chars_format::fixed, 2);
    return std::string(buffer.data(), end.ptr) + " %";
}

double ratio(std::uint64_t part, std::uint64_t whole) {
    return static_cast<double>(part) / static_cast<double>(whole);
}

} // namespace

Truth::Truth(const std::string& source, bool several) : by_folder_(source == "folder") {
    if (by_folder_)
        return;
    const std::vector<std::string> lines = read_text_lines(source);
    for (std::size_t i = 0; i < lines.size(); ++i) {
        if (lines[i].empty())
            continue;
        // The last tab: a path may hold one, a label may not.
        const std::size_t tab = lines[i].find_last_of('\t');
        if (tab == std::string::npos)
            fail(ErrorCode::bad_format,
                 concat(source, ":", i + 1, ": no tab between path and label"));
        const auto [at, added] = labels_.try_emplace(lines[i].substr(0, tab));
        std::string_view rest = std::string_view(lines[i]).substr(tab + 1);
        if (several) {
            add_labels(at->second, rest);
        } else if (added) {
            at->second.emplace_back(rest);
        } else if (at->second.front() != rest) {
            fail(ErrorCode::bad_format,
                 concat(source, ":", i + 1, ": ", at->first, " has another label further up (got '",
                        rest, "' and '", at->second.front(), "')"));
        }
    }
}

std::optional<std::vector<std::string>> Truth::all_of(const Input& input) const {
    if (!input.has_item)
        return std::nullopt;
    if (by_folder_) {
        const std::string name = input.is_text ? std::string() : parent_name(input.item);
        if (name.empty())
            return std::nullopt;
        return std::vector<std::string>{io::path_to_utf8(name)};
    }
    const auto found = labels_.find(input.is_text ? input.item : io::path_to_utf8(input.item));
    return found == labels_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<std::string> Truth::of(const Input& input) const {
    std::optional<std::vector<std::string>> labels = all_of(input);
    return !labels || labels->empty() ? std::nullopt : std::optional(std::move(labels->front()));
}

Scoreboard::Scoreboard(std::vector<std::string> labels) : labels_(std::move(labels)) {
    for (std::size_t i = 0; i < labels_.size(); ++i)
        index_.emplace(labels_[i], i);
}

void Scoreboard::add(const std::optional<std::string>& truth, std::span<const float> scores) {
    if (!truth) {
        ++without_;
        return;
    }
    const auto found = index_.find(*truth);
    if (found == index_.end()) {
        ++strange_[*truth];
        return;
    }
    const std::size_t right = found->second;
    std::size_t better = 0, best = 0;
    for (std::size_t c = 0; c < scores.size(); ++c) {
        better += scores[c] > scores[right] || (scores[c] == scores[right] && c < right) ? 1 : 0;
        if (scores[c] > scores[best])
            best = c;
    }
    ++n_;
    top1_ += better < 1 ? 1 : 0;
    top5_ += better < 5 ? 1 : 0;
    ++confusion_[{right, best}];
}

std::uint64_t Scoreboard::count(std::size_t truth, std::size_t answer) const {
    const auto found = confusion_.find({truth, answer});
    return found == confusion_.end() ? 0 : found->second;
}

double Scoreboard::mean_per_class() const {
    // A class without an input has no accuracy.
    std::map<std::size_t, std::uint64_t> inputs;
    for (const auto& [cell, number] : confusion_)
        inputs[cell.first] += number;
    double sum = 0;
    for (const auto& [truth, number] : inputs)
        sum += ratio(count(truth, truth), number);
    return sum / static_cast<double>(inputs.size());
}

std::string Scoreboard::to_json() const {
    std::string out = concat("{\"n\":", n_);
    const auto add_ratio = [&](const char* key, double value) {
        out += concat(",\"", key, "\":");
        if (n_ == 0)
            out += "null";
        else
            io::append_json_double(out, value);
    };
    add_ratio("top1", n_ == 0 ? 0 : ratio(top1_, n_));
    add_ratio("top5", n_ == 0 ? 0 : ratio(top5_, n_));
    add_ratio("mean_per_class", n_ == 0 ? 0 : mean_per_class());
    out += concat(",\"without_truth\":", without_, ",\"strange_truth\":{");
    for (const auto& [label, count] : strange_) {
        out += out.back() == '{' ? "" : ",";
        io::append_json_string(out, label);
        out += concat(":", count);
    }
    out += "},\"confusion\":{\"labels\":[";
    for (std::size_t c = 0; c < labels_.size(); ++c) {
        out += c == 0 ? "" : ",";
        io::append_json_string(out, labels_[c]);
    }
    out += "],\"matrix\":";
    if (labels_.size() > kMostMatrixClasses)
        return out + "null}}\n";
    out += '[';
    for (std::size_t c = 0; c < labels_.size(); ++c) {
        out += c == 0 ? "[" : ",[";
        for (std::size_t answer = 0; answer < labels_.size(); ++answer)
            out += concat(answer == 0 ? "" : ",", count(c, answer));
        out += ']';
    }
    return out + "]}}\n";
}

std::string Scoreboard::to_text() const {
    constexpr std::size_t kMistakesShown = 10;
    std::string out = concat(n_, n_ == 1 ? " input with truth" : " inputs with truth");
    if (n_ > 0)
        out += concat(": top-1 ", percent(ratio(top1_, n_)), ", top-5 ", percent(ratio(top5_, n_)),
                      ", mean per class ", percent(mean_per_class()));
    out += '\n';
    if (without_ > 0)
        out += concat(without_, " without truth, not counted\n");
    for (const auto& [label, count] : strange_)
        out += concat(count, " whose truth is no label, not counted: ", label, '\n');
    struct Mistake {
        std::uint64_t count;
        std::size_t truth, answer;
    };
    std::vector<Mistake> mistakes;
    for (const auto& [cell, number] : confusion_)
        if (cell.first != cell.second)
            mistakes.push_back({number, cell.first, cell.second});
    std::stable_sort(mistakes.begin(), mistakes.end(),
                     [](const Mistake& a, const Mistake& b) { return a.count > b.count; });
    mistakes.resize(std::min(mistakes.size(), kMistakesShown));
    for (const Mistake& mistake : mistakes)
        out += concat("  ", mistake.count, " x ", labels_[mistake.truth], " taken for ",
                      labels_[mistake.answer], '\n');
    return out;
}

} // namespace clip::app
