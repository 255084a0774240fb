// SPDX-License-Identifier: MIT
#include "train/pair_source.hpp"

#include <algorithm>
#include <exception>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/concat.hpp"
#include "train/pair_kinds.hpp"

namespace clip::train {

namespace {

/// Several sources, one after the other.
class JoinedPairs : public PairSource {
  public:
    explicit JoinedPairs(std::vector<std::unique_ptr<PairSource>> parts)
        : parts_(std::move(parts)) {
        for (const auto& part : parts_)
            ends_.push_back(size() + part->size());
    }

    std::uint64_t size() const override { return ends_.empty() ? 0 : ends_.back(); }
    std::vector<std::uint64_t> shards() const override {
        std::vector<std::uint64_t> all;
        for (const auto& part : parts_) {
            const auto some = part->shards();
            if (some.empty())
                return {};
            all.insert(all.end(), some.begin(), some.end());
        }
        return all;
    }
    void read(std::uint64_t index, PairRecord& out) const override {
        const auto [part, inside] = find(index);
        part->read(inside, out);
    }
    void read_captions(std::uint64_t index, std::vector<std::string>& out) const override {
        const auto [part, inside] = find(index);
        part->read_captions(inside, out);
    }
    std::string describe(std::uint64_t index) const override {
        const auto [part, inside] = find(index);
        return part->describe(inside);
    }

  private:
    std::pair<const PairSource*, std::uint64_t> find(std::uint64_t index) const {
        expect(index < size(), "pair source: the index is below the size");
        const auto at = std::upper_bound(ends_.begin(), ends_.end(), index) - ends_.begin();
        const auto i = static_cast<std::size_t>(at);
        return {parts_[i].get(), index - (i == 0 ? 0 : ends_[i - 1])};
    }

    std::vector<std::unique_ptr<PairSource>> parts_;
    std::vector<std::uint64_t> ends_;
};

/// The name's ending in lower case, with its dot.
std::string ending_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    const std::size_t dot = path.rfind('.');
    if (dot == std::string::npos || (slash != std::string::npos && dot < slash))
        return {};
    std::string out = path.substr(dot);
    for (char& c : out)
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    return out;
}

std::unique_ptr<PairSource> open_one(const std::string& path, const PairSourceOptions& options) {
    std::error_code error;
    if (std::filesystem::is_directory(path, error))
        return open_folder(path, options);
    const std::string ending = ending_of(path);
    if (ending == ".tsv")
        return open_table(path, '\t', false, options);
    if (ending == ".csv")
        return open_table(path, ',', true, options);
    if (ending == ".jsonl" || ending == ".ndjson")
        return open_json_lines(path, options);
    if (ending == ".tar")
        return open_tar(path, options);
    if (!std::filesystem::exists(path, error))
        fail(ErrorCode::not_found, concat("open the training data ", path, ": no such file"));
    fail(ErrorCode::invalid_argument,
         concat("open the training data ", path,
                ": its name does not say what it is (want a folder, or a name that ends with .tsv, "
                ".csv, .jsonl or .tar)"));
}

/// What opening one operand came to.
struct Opening {
    std::vector<std::pair<std::string, Error>> problems;
    std::unique_ptr<PairSource> pairs;
    std::exception_ptr failure;
};

std::vector<std::unique_ptr<PairSource>> open_all(std::span<const std::string> data,
                                                  const PairSourceOptions& options) {
    std::vector<Opening> openings(data.size());
    const auto open_some = [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) {
            Opening& opening = openings[i];
            PairSourceOptions inside = options;
            inside.on_problem = [&](const std::string& place, const Error& error) {
                opening.problems.emplace_back(place, error);
            };
            try {
                opening.pairs = open_one(data[i], inside);
            } catch (...) {
                opening.failure = std::current_exception();
            }
        }
    };
    if (options.pool != nullptr)
        options.pool->parallel_for(data.size(), 1, open_some);
    else
        open_some(0, data.size());
    std::vector<std::unique_ptr<PairSource>> parts;
    for (Opening& opening : openings) {
        if (options.on_problem)
            for (const auto& [place, error] : opening.problems)
                options.on_problem(place, error);
        if (opening.failure)
            std::rethrow_exception(opening.failure);
        parts.push_back(std::move(opening.pairs));
    }
    return parts;
}

} // namespace

std::unique_ptr<PairSource> open_pairs(std::span<const std::string> data,
                                       const PairSourceOptions& options) {
    if (data.empty())
        fail(ErrorCode::invalid_argument, "open the training data: none was named");
    if (!options.columns.empty() && options.columns.size() != 2)
        fail(ErrorCode::invalid_argument,
             concat("open the training data: the columns are two, the pictures' and the captions' "
                    "(got ",
                    options.columns.size(), ")"));
    std::vector<std::unique_ptr<PairSource>> parts = open_all(data, options);
    if (parts.size() == 1)
        return std::move(parts.front());
    return std::make_unique<JoinedPairs>(std::move(parts));
}

} // namespace clip::train
