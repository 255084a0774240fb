// SPDX-License-Identifier: MIT
// Pairs from .tsv, .csv and .jsonl.
#include "base/concat.hpp"
#include "train/json_pair.hpp"
#include "train/list_file.hpp"
#include "train/pair_kinds.hpp"
#include "train/table_columns.hpp"

namespace clip::train {

namespace {

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
        if (const std::string problem = columns_.problem(fields); !problem.empty())
            fail(ErrorCode::bad_format, concat(describe(index), ": ", problem));
        return fields;
    }

    ListFile file_;
    io::DelimitedFormat format_;
    TableColumns columns_;
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
