// SPDX-License-Identifier: MIT
#include "app/embedding_output.hpp"

#include <unistd.h>

#include "base/concat.hpp"
#include "io/atomic_file.hpp"

namespace clip::app {

io::EmbeddingFormat choose_format(const std::string& path, const std::string& format) {
    io::EmbeddingFormat chosen = io::EmbeddingFormat::jsonl;
    if (io::embedding_format_of(path, chosen) || format.empty() || format == "jsonl")
        return chosen;
    if (format == "h5")
        return io::EmbeddingFormat::h5;
    if (format == "npy")
        return io::EmbeddingFormat::npy;
    fail(ErrorCode::invalid_argument,
         concat("read --format: got '", format, "', want jsonl, h5 or npy"));
}

EmbeddingOutput::EmbeddingOutput(const std::string& path, io::EmbeddingFormat format,
                                 const io::EmbeddingHeader& header, bool resume)
    : path_(path) {
    const bool standard = path.empty() || path == "-";
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
            io::JournalOptions{.path = path, .format = format, .header = header, .resume = resume});
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

std::string EmbeddingOutput::stop() {
    if (!journal_) {
        writer_->finish();
        return {};
    }
    journal_->flush();
    return concat("interrupted: ", rows_, " rows are kept in ", path_,
                  ".part; the same command with --resume goes on from there");
}

} // namespace clip::app
