// SPDX-License-Identifier: MIT
#include "app/input_source.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <sys/stat.h>
#include <unistd.h>

#include "app/stream_peek.hpp"
#include "base/concat.hpp"
#include "data/image_decode.hpp"
#include "io/file_walk.hpp"
#include "io/utf8.hpp"

namespace clip::app {

namespace {

// Rows of an embedding file read at once: a few megabytes.
constexpr std::int64_t kRowsAtOnce = 1024;

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

/// What standard input may begin with when somebody takes it for the picture itself.
struct Signature {
    std::string_view bytes;
    const char* kind;
};
constexpr Signature kNotLists[] = {
    {"\xFF\xD8\xFF", "a JPEG picture"}, {"\x89PNG", "a PNG picture"},
    {"GIF8", "a GIF picture"},          {"RIFF", "a WebP picture"},
    {"\x89HDF", "an HDF5 file"},        {"\x93NUMPY", "a NumPy file"}};

bool is_folder(const std::string& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

bool ends_in(std::string_view path, std::initializer_list<std::string_view> endings) {
    return std::any_of(endings.begin(), endings.end(), [&](std::string_view ending) {
        return path.size() >= ending.size() &&
               std::equal(ending.rbegin(), ending.rend(), path.rbegin(), [](char want, char got) {
                   return want == (got >= 'A' && got <= 'Z' ? got + ('a' - 'A') : got);
               });
    });
}

bool is_blank(std::string_view line) {
    return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

Input failed_input(std::string name, const Error& error) {
    Input input;
    input.name = std::move(name);
    input.has_item = false;
    input.error = error;
    return input;
}

} // namespace

std::string quoted_beginning(std::string_view text) {
    constexpr std::size_t kCharacters = 40;
    std::size_t bytes = 0;
    for (std::size_t shown = 0; bytes < text.size(); ++bytes)
        if ((static_cast<unsigned char>(text[bytes]) & 0xC0) != 0x80 && ++shown > kCharacters)
            break;
    return concat('\'', text.substr(0, bytes), bytes < text.size() ? "...'" : "'");
}

std::string place_of(const Input& input) {
    return input.row < 0 ? std::string() : concat(" (row ", input.row, " of ", input.file, ")");
}

InputSource::InputSource(InputSourceOptions options) : options_(std::move(options)) {
    if (options_.operands.empty())
        options_.operands.emplace_back("-");
}

bool InputSource::next(Input& input) {
    while (options_.stop == nullptr || !options_.stop->load()) {
        if (!next_of_all(input))
            return false;
        input.position = ++position_;
        if (options_.shard.takes(position_))
            return true;
    }
    return false;
}

bool InputSource::next_of_all(Input& input) {
    while (true) {
        if (next_walked_ < walked_.size()) { // first: a list may name folders
            WalkedFile& file = walked_[next_walked_++];
            if (file.error) {
                input = failed_input(std::move(file.path), *file.error);
            } else {
                input = Input{};
                input.name = file.path;
                input.item = std::move(file.path);
            }
            return true;
        }
        if (lines_) {
            if (next_line(input))
                return true;
            if (next_walked_ >= walked_.size())
                lines_.reset();
        } else if (rows_) {
            if (next_row(input))
                return true;
            rows_.reset();
        } else if (next_operand_ < options_.operands.size()) {
            bool found = false;
            const std::string& operand = options_.operands[next_operand_++];
            try {
                open_operand(operand, input, found);
            } catch (const Error& error) {
                input = failed_input(operand, error);
                found = true;
            }
            if (found)
                return true;
        } else {
            return false;
        }
    }
}

void InputSource::open_operand(const std::string& operand, Input& input, bool& found) {
    if (operand == "-") {
        open_standard_input();
        return;
    }
    if (!options_.texts) {
        if (is_folder(operand)) {
            if (!options_.recursive)
                fail(ErrorCode::invalid_argument, "a folder (-r walks folders)");
            walk(operand);
            return;
        }
        const int pipe = shell_pipe(operand);
        const bool piped_rows = pipe >= 0 && begins_with(pipe, "\x89HDF", options_.stop);
        if (options_.embeddings &&
            (piped_rows || ends_in(operand, {".h5", ".hdf5"}) || io::looks_like_hdf5(operand))) {
            rows_ = io::EmbeddingReader::open(operand);
            next_row_ = singly_until_ = 0;
            block_items_.clear();
            return;
        }
        if (ends_in(operand, {".jsonl", ".ndjson"}) ||
            (pipe >= 0 && begins_with(pipe, "{", options_.stop))) {
            lines_.emplace(io::LineReader::open(operand, {.stop = options_.stop}));
            list_kind_ = ListKind::json;
            return;
        }
        if ((options_.captions && ends_in(operand, {".txt"})) ||
            (options_.lists_of_texts && (pipe >= 0 || !looks_like_picture(operand)))) {
            lines_.emplace(io::LineReader::open(operand, {.stop = options_.stop}));
            list_kind_ = ListKind::captions;
            return;
        }
    }
    io::RecordOptions as_it_stands{.json = false, .plain_is_text = options_.texts};
    input = Input{};
    input.name = options_.texts ? quoted_beginning(operand) : operand;
    take_record(input, io::parse_record(operand, as_it_stands).value());
    found = true;
}

void InputSource::walk(const std::string& folder) {
    walked_.clear();
    next_walked_ = 0;
    io::walk_files(
        folder,
        {.is_wanted = [](std::string_view name) { return looks_like_picture(std::string(name)); },
         .on_file =
             [this](const std::string& path) {
                 walked_.push_back({path, std::nullopt});
                 return options_.stop == nullptr || !options_.stop->load();
             },
         .on_error =
             [this](const std::string& path, const Error& error) {
                 walked_.push_back({path, error});
             }});
}

void InputSource::open_standard_input() {
    if (options_.embeddings && begins_with(STDIN_FILENO, "\x89HDF", options_.stop)) {
        rows_ = io::EmbeddingReader::open("-");
        next_row_ = singly_until_ = 0;
        block_items_.clear();
        return;
    }
    for (const Signature& signature : kNotLists)
        if (begins_with(STDIN_FILENO, signature.bytes, options_.stop))
            fail(ErrorCode::bad_format,
                 concat("standard input is ", signature.kind, ", not a list of inputs"));
    lines_.emplace(STDIN_FILENO, "-",
                   io::LineReaderOptions{.separator = options_.null_separated ? '\0' : '\n',
                                         .stop = options_.stop});
    list_kind_ = ListKind::mixed;
}

bool InputSource::next_line(Input& input) {
    const bool captions = list_kind_ == ListKind::captions;
    const io::RecordOptions record_options{
        .json = list_kind_ == ListKind::json || (!options_.null_separated && !captions),
        .plain_is_text = options_.texts || captions || options_.lists_of_texts,
        .own_keys = options_.own_keys};
    const bool blanks_count = options_.texts && list_kind_ == ListKind::mixed;
    while (true) {
        std::string_view line;
        try {
            if (!lines_->next(line))
                return false;
        } catch (const Error& error) {
            if (error.code() != ErrorCode::bad_format)
                throw; // the stream is broken, not one line of it
            input = failed_input(lines_->where(), Error(error.code(), "the line is too long"));
            return true;
        }
        if (lines_->line_number() == 1 && line.starts_with(kByteOrderMark))
            line.remove_prefix(kByteOrderMark.size());
        if (is_blank(line) && !blanks_count)
            continue;
        if (captions && line.ends_with('\r'))
            line.remove_suffix(1);
        if (const auto start = line.find_first_not_of(" \t");
            record_options.json && start != std::string_view::npos && line[start] == '{')
            line.remove_prefix(start); // as JSON allows; a name with blanks before it stays
        input = Input{};
        input.name = lines_->where();
        if (list_kind_ == ListKind::json && !line.starts_with('{')) {
            input = failed_input(input.name, Error(ErrorCode::bad_format, "not a JSON object"));
            return true;
        }
        Result<io::InputRecord> record = io::parse_record(line, record_options);
        if (!record.ok()) {
            input = failed_input(input.name, record.error());
            return true;
        }
        take_record(input, std::move(record).value());
        if (options_.recursive && input.has_item && !input.is_text && input.embedding.empty() &&
            is_folder(input.item)) {
            walk(input.item);
            return false;
        }
        return true;
    }
}

void InputSource::take_record(Input& input, io::InputRecord record) {
    input.item = std::move(record.item);
    input.has_item = record.has_item;
    input.is_text = record.item_is_text;
    input.extra = std::move(record.extra);
    if (input.has_item)
        input.name = input.is_text ? quoted_beginning(input.item) : input.item;
    if (options_.embeddings) {
        input.embedding = std::move(record.embedding);
        input.model = std::move(record.model);
        if (!record.layer.empty())
            input.settings = "layer=" + record.layer;
    } else if (!input.has_item) {
        input.error.emplace(ErrorCode::bad_format,
                            "the JSON record has neither \"path\" nor \"text\"");
    }
}

bool InputSource::next_row(Input& input) {
    if (next_row_ >= rows_->rows())
        return false;
    const auto dim = static_cast<std::size_t>(rows_->header().dim);
    auto within = static_cast<std::size_t>(next_row_ - block_start_);
    if (block_items_.empty() || within >= block_items_.size()) {
        const std::int64_t count =
            next_row_ < singly_until_ ? 1 : std::min(kRowsAtOnce, rows_->rows() - next_row_);
        block_start_ = next_row_;
        within = 0;
        try {
            block_items_ = rows_->read_items(block_start_, count);
            block_values_.resize(static_cast<std::size_t>(count) * dim);
            rows_->read_rows(block_start_, count, block_values_.data());
        } catch (const Error& error) {
            if (error.code() == ErrorCode::bad_format && count > 1) {
                block_items_.clear();
                singly_until_ = block_start_ + count; // one row is bad: the others are not
                return next_row(input);
            }
            input = failed_input(rows_->name(), error);
            // What follows a row that is cut off cannot be trusted.
            next_row_ = error.code() == ErrorCode::bad_format ? next_row_ + 1 : rows_->rows();
            return true;
        }
    }
    io::EmbeddingReader::Item& item = block_items_[within];
    input = Input{};
    input.item = std::move(item.item);
    input.is_text = item.is_text;
    input.name = input.is_text ? quoted_beginning(input.item) : input.item;
    input.extra = std::move(item.extra);
    if (!input.extra.empty() && !options_.own_keys.empty()) {
        // Carried members of an earlier command may have the names that this one writes.
        const std::string record = concat("{\"text\":\"\",", input.extra, '}');
        input.extra = io::parse_record(record, {.own_keys = options_.own_keys}).value().extra;
    }
    const float* row = block_values_.data() + within * dim;
    input.embedding.assign(row, row + dim);
    input.model = rows_->header().model;
    input.file = rows_->name();
    input.settings = rows_->header().settings;
    input.row = next_row_;
    input.normalized = rows_->header().normalized;
    ++next_row_;
    return true;
}

bool InputSource::would_wait() {
    if (next_walked_ < walked_.size())
        return false;
    if (lines_)
        return lines_->would_wait();
    // Before standard input is opened nothing is known of it; at its end nothing is waited for.
    return !rows_ && next_operand_ < options_.operands.size() &&
           options_.operands[next_operand_] == "-" && would_wait_for(STDIN_FILENO);
}

std::optional<std::uint64_t> InputSource::total() const {
    if (lines_)
        return std::nullopt;
    std::uint64_t count = position_ + (walked_.size() - next_walked_);
    if (rows_)
        count += static_cast<std::uint64_t>(rows_->rows() - next_row_);
    for (std::size_t i = next_operand_; i < options_.operands.size(); ++i) {
        const std::string& operand = options_.operands[i];
        if (operand == "-" ||
            (!options_.texts && (is_folder(operand) || ends_in(operand, {".jsonl", ".ndjson"}) ||
                                 (options_.captions && ends_in(operand, {".txt"})) ||
                                 (options_.embeddings && ends_in(operand, {".h5", ".hdf5"})))))
            return std::nullopt;
        ++count;
    }
    const Shard& shard = options_.shard;
    return count / shard.count + (count % shard.count >= shard.index ? 1 : 0);
}

} // namespace clip::app
