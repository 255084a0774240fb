// SPDX-License-Identifier: MIT
// Pairs from .tsv, .csv and .jsonl.
#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string_view>

#include "base/concat.hpp"
#include "train/json_pair.hpp"
#include "train/list_file.hpp"
#include "train/pair_kinds.hpp"

namespace clip::train {

namespace {

constexpr std::array<std::string_view, 10> kPictureNames = {
    "path",      "filepath", "file_path",  "file", "filename",
    "file_name", "image",    "image_path", "img",  "picture"};
constexpr std::array<std::string_view, 6> kTextNames = {"text",  "caption",     "captions",
                                                        "title", "description", "sentence"};

/// Trimmed and in lower case (ASCII).
std::string plain_name(std::string_view name) {
    const std::size_t first = name.find_first_not_of(" \t\r");
    if (first == std::string_view::npos)
        return {};
    std::string out(name.substr(first, name.find_last_not_of(" \t\r") + 1 - first));
    for (char& c : out)
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    return out;
}

/// The first field that has the first name that any has: `path` counts before `image`.
template <typename Names>
std::optional<std::size_t> find_column(const std::vector<std::string>& header, const Names& names) {
    for (const std::string_view name : names)
        for (std::size_t i = 0; i < header.size(); ++i)
            if (plain_name(header[i]) == plain_name(name))
                return i;
    return std::nullopt;
}

/// A column's number from 1, as a place from 0.
std::optional<std::size_t> column_number(std::string_view text) {
    std::size_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size())
        return std::nullopt;
    return number - 1; // 0 becomes more columns than any table has
}

/// The header's columns for messages: 'a', 'b', ...
std::string list_of(const std::vector<std::string>& header) {
    std::string out;
    constexpr std::size_t kMost = 20;
    for (std::size_t i = 0; i < header.size() && i < kMost; ++i)
        out += concat(i == 0 ? "'" : ", '", std::string_view(header[i]).substr(0, 60), "'");
    return header.size() > kMost ? out + ", ..." : out;
}

struct Columns {
    std::size_t picture = 0;
    std::size_t text = 0;
    bool header = true; ///< the first row names them
};

Columns find_columns(const std::string& path, const std::vector<std::string>& first,
                     const std::vector<std::string>& wanted) {
    const std::string what = concat("read the table ", path);
    Columns out;
    if (!wanted.empty()) {
        const auto picture = column_number(wanted[0]), text = column_number(wanted[1]);
        if (picture && text) {
            if (std::max(*picture, *text) >= first.size())
                fail(ErrorCode::bad_format,
                     concat(what, ": no such column (want columns ", wanted[0], " and ", wanted[1],
                            ", its first row has ", first.size(), ": ", list_of(first), ")"));
            const auto is_one_of = [&](std::size_t column, const auto& names) {
                return std::find(names.begin(), names.end(), plain_name(first[column])) !=
                       names.end();
            };
            return {*picture, *text,
                    is_one_of(*picture, kPictureNames) && is_one_of(*text, kTextNames)};
        }
    }
    const auto picture = wanted.empty() ? find_column(first, kPictureNames)
                                        : find_column(first, std::array{wanted[0]});
    const auto text =
        wanted.empty() ? find_column(first, kTextNames) : find_column(first, std::array{wanted[1]});
    if (!picture || !text)
        fail(ErrorCode::bad_format,
             concat(what, ": no column ", !picture ? "for pictures" : "for captions",
                    wanted.empty() ? std::string(!picture ? " (such as 'path' or 'image')"
                                                          : " (such as 'text' or 'caption')")
                                   : concat(" named '", wanted[!picture ? 0 : 1], "'"),
                    "; the first row has ", list_of(first),
                    wanted.empty() ? "; --columns says which to take" : ""));
    out.picture = *picture;
    out.text = *text;
    return out;
}

class TablePairs : public PairSource {
  public:
    TablePairs(const std::string& path, const io::DelimitedFormat& format,
               const PairSourceOptions& options)
        : file_(path, format, options), format_(format) {
        std::vector<std::string> first;
        io::split_record(file_.read(0), format_, first);
        columns_ = find_columns(path, first, options.columns);
        if (columns_.picture == columns_.text)
            fail(ErrorCode::invalid_argument,
                 concat("read the table ", path, ": one column cannot be both (got ",
                        columns_.picture + 1, ")"));
        if (columns_.header)
            file_.drop_first();
        if (file_.size() == 0)
            fail(ErrorCode::bad_format, concat("read the table ", path, ": no row but the header"));
    }

    std::uint64_t size() const override { return file_.size(); }
    std::string describe(std::uint64_t index) const override {
        return concat(file_.path(), ": row ", index + 1);
    }
    void read(std::uint64_t index, PairRecord& out) const override {
        std::vector<std::string> fields = read_row(index);
        if (fields[columns_.picture].empty())
            fail(ErrorCode::bad_format, concat(describe(index), ": no picture is named"));
        out.path = file_.resolve(fields[columns_.picture]);
        out.name = out.path;
        out.bytes.clear();
        out.captions.assign(1, std::move(fields[columns_.text]));
    }
    void read_captions(std::uint64_t index, std::vector<std::string>& out) const override {
        out.assign(1, std::move(read_row(index)[columns_.text]));
    }

  private:
    std::vector<std::string> read_row(std::uint64_t index) const {
        std::vector<std::string> fields;
        io::split_record(file_.read(index), format_, fields);
        const std::size_t last = std::max(columns_.picture, columns_.text);
        if (fields.size() <= last)
            fail(ErrorCode::bad_format, concat(describe(index), ": too few fields (got ",
                                               fields.size(), ", want at least ", last + 1, ")"));
        return fields;
    }

    ListFile file_;
    io::DelimitedFormat format_;
    Columns columns_;
};

class JsonLinePairs : public PairSource {
  public:
    JsonLinePairs(const std::string& path, const PairSourceOptions& options)
        : file_(path, {'\n', false}, options) {}

    std::uint64_t size() const override { return file_.size(); }
    std::string describe(std::uint64_t index) const override {
        return concat(file_.path(), ": record ", index + 1);
    }
    void read(std::uint64_t index, PairRecord& out) const override {
        JsonPair pair = parse(index);
        out.path = file_.resolve(pair.path);
        out.name = out.path;
        out.bytes.clear();
        out.captions = std::move(pair.captions);
    }
    void read_captions(std::uint64_t index, std::vector<std::string>& out) const override {
        out = std::move(parse(index).captions);
    }

  private:
    JsonPair parse(std::uint64_t index) const {
        try {
            return parse_json_pair(file_.read(index));
        } catch (const Error& error) {
            fail(error.code(), concat(describe(index), ": ", error.what()));
        }
    }

    ListFile file_;
};

} // namespace

std::unique_ptr<PairSource> open_table(const std::string& path, char separator, bool quotes,
                                       const PairSourceOptions& options) {
    return std::make_unique<TablePairs>(path, io::DelimitedFormat{separator, quotes}, options);
}

std::unique_ptr<PairSource> open_json_lines(const std::string& path,
                                            const PairSourceOptions& options) {
    return std::make_unique<JsonLinePairs>(path, options);
}

} // namespace clip::train
