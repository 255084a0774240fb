// SPDX-License-Identifier: MIT
#include "app/embedding_output.hpp"

#include <filesystem>

#include <unistd.h>

#include "base/concat.hpp"
#include "data/image_decode.hpp"
#include "io/atomic_file.hpp"

namespace clip::app {

namespace {

bool is_standard_output(const std::string& path) {
    return path.empty() || path == "-";
}

io::EmbeddingFormat parse_format(const std::string& format) {
    if (format.empty() || format == "jsonl")
        return io::EmbeddingFormat::jsonl;
    if (format == "h5")
        return io::EmbeddingFormat::h5;
    if (format == "npy")
        return io::EmbeddingFormat::npy;
    fail(ErrorCode::invalid_argument,
         concat("read --format: got '", format, "', want jsonl, h5 or npy"));
}

/// One spelling for all names of a file, also of one that is not there yet.
std::filesystem::path canonical(const std::string& path) {
    std::error_code ignored;
    const std::filesystem::path absolute = std::filesystem::absolute(io::resolve_links(path));
    const std::filesystem::path out = std::filesystem::weakly_canonical(absolute, ignored);
    return ignored ? absolute : out;
}

} // namespace

io::EmbeddingFormat choose_format(const std::string& path, const std::string& format) {
    const io::EmbeddingFormat wanted = parse_format(format);
    io::EmbeddingFormat named = wanted;
    if (io::embedding_format_of(path, named) && named != wanted && !format.empty())
        fail(ErrorCode::invalid_argument,
             concat(path, ": its name says another format than --format ", format));
    return named;
}

void check_outputs(const std::string& path, const std::string& errors) {
    const bool to_file = !is_standard_output(path) && !io::is_stream_target(path);
    const bool errors_to_file = !errors.empty() && !io::is_stream_target(errors);
    if (to_file && looks_like_picture(path))
        fail(ErrorCode::invalid_argument, concat(path, ": output named like a picture"));
    if (errors_to_file && looks_like_picture(errors))
        fail(ErrorCode::invalid_argument, concat(errors, ": --errors named like a picture"));
    if (!to_file || !errors_to_file)
        return;
    const std::filesystem::path target = canonical(path), log = canonical(errors);
    if (log == target || log == target.string() + ".part")
        fail(ErrorCode::invalid_argument,
             concat(errors, ": --errors cannot be the file that rows are written to"));
}

EmbeddingOutput::EmbeddingOutput(const std::string& path, io::EmbeddingFormat format,
                                 const io::EmbeddingHeader& header, bool resume,
                                 const std::string& default_settings)
    : path_(path) {
    const bool standard = is_standard_output(path);
    if (resume && (standard || io::is_stream_target(path)))
        fail(ErrorCode::invalid_argument, "--resume needs a file: give it with -o FILE");
    if (standard) {
        if (format != io::EmbeddingFormat::jsonl && ::isatty(STDOUT_FILENO) == 1)
            fail(ErrorCode::invalid_argument,
                 "write binary data to a terminal: refused; give -o FILE or a pipe");
        standard_output_ = std::make_unique<io::OutputStream>(STDOUT_FILENO, "standard output");
        writer_ = io::create_embedding_stream(*standard_output_, format, header);
    } else if (io::is_stream_target(path)) {
        writer_ = io::create_embedding_file(path, format, header);
    } else {
        journal_ = std::make_unique<io::EmbeddingJournal>(
            io::JournalOptions{.path = path,
                               .format = format,
                               .header = header,
                               .resume = resume,
                               .default_settings = default_settings});
    }
}

std::optional<io::KnownRow> EmbeddingOutput::known(std::string_view item, bool is_text) {
    return journal_ ? journal_->lookup(item, is_text) : std::nullopt;
}

void EmbeddingOutput::reuse(io::KnownRow row, std::string_view extra) {
    journal_->reuse(row, extra);
    ++rows_;
}

void EmbeddingOutput::append(const io::EmbeddingRow& row) {
    if (journal_)
        journal_->append(row);
    else
        writer_->append(row);
    ++rows_;
}

void EmbeddingOutput::flush() {
    if (journal_)
        journal_->flush();
    else
        writer_->flush();
}

void EmbeddingOutput::finish() {
    if (journal_)
        journal_->finish();
    else
        writer_->finish();
}

std::string EmbeddingOutput::kept_message() const {
    const std::uint64_t kept = journal_ ? journal_->kept() : 0;
    if (kept == 0)
        return {};
    return concat(kept, kept == 1 ? " row is" : " rows are", " kept in ", path_,
                  ".part; the same command with --resume goes on from there");
}

std::string EmbeddingOutput::stop() {
    if (!journal_) {
        writer_->finish();
        return {};
    }
    journal_->flush();
    const std::string kept = kept_message();
    return kept.empty() ? "interrupted before a new row was finished" : "interrupted: " + kept;
}

} // namespace clip::app
