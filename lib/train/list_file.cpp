// SPDX-License-Identifier: MIT
#include "train/list_file.hpp"

#include <algorithm>
#include <cerrno>
#include <string_view>

#include <fcntl.h>
#include <unistd.h>

#include "base/concat.hpp"
#include "io/mapped_file.hpp"
#include "train/caption_text.hpp"

namespace clip::train {

ListFile::ListFile(const std::string& path, const io::DelimitedFormat& format,
                   const PairSourceOptions& options)
    : path_(path), folder_(path.substr(0, path.rfind('/') + 1)), format_(format) {
    const auto file = io::MappedFile::open(path);
    std::string_view text(reinterpret_cast<const char*>(file->bytes().data()),
                          file->bytes().size());
    if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff"))
        fail(ErrorCode::bad_format, concat("read ", path, ": it is UTF-16 (want UTF-8)"));
    std::size_t at = text.starts_with("\xef\xbb\xbf") ? 3 : 0;
    std::uint64_t line = 1;
    while (at < text.size()) {
        const std::string_view rest = text.substr(at);
        const io::RecordEnd end = io::find_record_end(rest, format, kMaxRecord);
        const std::string_view record = rest.substr(0, end.length);
        if (end.unclosed || record.size() > kMaxRecord) {
            if (options.on_problem)
                options.on_problem(
                    concat(path, ":", line),
                    Error(ErrorCode::bad_format,
                          end.unclosed
                              ? std::string("the line is left out: its quoted field never ends")
                              : concat("the line is left out: it is too long (got ", record.size(),
                                       " bytes, want at most ", kMaxRecord, ")")));
        } else if (!is_blank(record)) {
            begin_.push_back(at);
        }
        line += static_cast<std::uint64_t>(
            std::count(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(end.next), '\n'));
        at += end.next;
    }
    if (begin_.empty())
        fail(ErrorCode::bad_format, concat("read ", path, ": it holds nothing"));
    begin_.push_back(text.size());
    fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd_ < 0)
        fail_errno(concat("read ", path), errno);
}

ListFile::~ListFile() {
    if (fd_ >= 0)
        ::close(fd_);
}

std::string ListFile::read(std::uint64_t record) const {
    expect(record < size(), "list: the record is there");
    const std::uint64_t begin = begin_[record];
    std::string out(static_cast<std::size_t>(
                        std::min<std::uint64_t>(begin_[record + 1] - begin, kMaxRecord + 2)),
                    '\0');
    std::size_t have = 0;
    while (have < out.size()) {
        const ssize_t got =
            ::pread(fd_, out.data() + have, out.size() - have, static_cast<off_t>(begin + have));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            fail_errno(concat("read ", path_), errno);
        if (got == 0)
            fail(ErrorCode::truncated, concat("read ", path_, ": it became shorter"));
        have += static_cast<std::size_t>(got);
    }
    out.resize(io::find_record_end(out, format_, kMaxRecord).length);
    return out;
}

std::string ListFile::resolve(const std::string& path) const {
    return path.starts_with('/') ? path : folder_ + path;
}

} // namespace clip::train
