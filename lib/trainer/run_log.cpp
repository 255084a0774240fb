// SPDX-License-Identifier: MIT
#include "trainer/run_log.hpp"

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <optional>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "io/atomic_file.hpp"
#include "io/json_text.hpp"
#include "io/mapped_file.hpp"
#include "io/output_stream.hpp"
#include "io/utf8.hpp"

namespace clip::trainer {

namespace {

/// What a line says of its step; a JSON object without a step has a line's place, but no step.
struct LogLine {
    bool object = false;
    std::optional<std::uint64_t> step;
};

LogLine read_line(std::string_view text) {
    LogLine line;
    if (!io::is_valid_utf8(text))
        return line;
    try {
        io::JsonScanner scanner(text);
        scanner.expect('{');
        for (bool more = !scanner.accept('}'); more;) {
            const std::string key = scanner.read_string();
            scanner.expect(':');
            scanner.skip_space();
            const std::size_t begin = scanner.position();
            scanner.skip_value();
            std::uint64_t number = 0;
            const char* end = text.data() + scanner.position();
            const auto parsed = std::from_chars(text.data() + begin, end, number);
            if (key == "step" && parsed.ec == std::errc() && parsed.ptr == end)
                line.step = number;
            more = scanner.accept(',');
            if (!more)
                scanner.expect('}');
        }
        scanner.skip_space();
        line.object = scanner.at_end();
    } catch (const Error&) {
        line.object = false;
    }
    return line;
}

/// Calls `take(line with its end, what it says)` for each line that is whole.
template <typename Take>
void for_lines(std::string_view text, const Take& take) {
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = text.find('\n', at);
        if (end == std::string_view::npos)
            return;
        const std::string_view line = text.substr(at, end + 1 - at);
        take(line, read_line(line.substr(0, line.size() - 1)));
        at = end + 1;
    }
}

bool is_kept(const LogLine& line, std::uint64_t step) {
    return line.object && (!line.step || *line.step <= step);
}

} // namespace

void RunLog::append(std::string_view line) {
    expect(line.find('\n') == std::string_view::npos, "a line of a log is one line");
    if (fd_ < 0)
        fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd_ < 0)
        fail_errno(concat("write ", path_), errno);
    struct stat before {};
    const bool known = ::fstat(fd_, &before) == 0 && S_ISREG(before.st_mode);
    try {
        io::write_all(fd_, concat(line, '\n'), path_);
    } catch (const Error&) {
        // What got there of it would spoil the next line. Where even this fails, reading it does
        // without that line.
        if (known)
            (void)!::ftruncate(fd_, before.st_size);
        throw;
    }
}

void RunLog::cut_behind(std::uint64_t step) {
    close();
    struct stat info {};
    if (::stat(path_.c_str(), &info) == 0 ? !S_ISREG(info.st_mode) : errno == ENOENT)
        return;            // nothing yet, or a link to a device
    std::size_t end = 0;   // of the last line that counts
    bool whole = true;     // no line before it is to go
    bool doubtful = false; // a line to go since then
    auto file = io::MappedFile::open(path_);
    const std::string_view text{reinterpret_cast<const char*>(file->bytes().data()),
                                file->bytes().size()};
    for_lines(text, [&](std::string_view line, const LogLine& said) {
        doubtful = doubtful || !is_kept(said, step);
        if (!is_kept(said, step) || !said.step)
            return;
        end = static_cast<std::size_t>(line.data() + line.size() - text.data());
        whole = whole && !doubtful;
    });
    if (end == text.size() && whole)
        return;
    if (whole) {
        file.reset(); // nobody maps what is cut off
        if (::truncate(path_.c_str(), static_cast<off_t>(end)) != 0)
            fail_errno(concat("write ", path_), errno);
        return;
    }
    io::AtomicFile anew(path_);
    io::OutputStream out(anew.fd(), path_);
    for_lines(text.substr(0, end), [&](std::string_view line, const LogLine& said) {
        if (is_kept(said, step))
            out.write(line);
    });
    out.flush();
    anew.commit();
}

void RunLog::clear() {
    close();
    if (::truncate(path_.c_str(), 0) != 0 && errno != ENOENT)
        fail_errno(concat("write ", path_), errno);
}

void RunLog::set_aside() {
    close();
    struct stat info {};
    if (::lstat(path_.c_str(), &info) != 0 || !S_ISREG(info.st_mode) || info.st_size == 0)
        return clear();
    if (::rename(path_.c_str(), concat(path_, ".old").c_str()) != 0)
        fail_errno(concat("write ", path_, ".old"), errno);
}

void RunLog::sync() noexcept {
    if (fd_ >= 0)
        (void)!::fdatasync(fd_);
}

void RunLog::close() noexcept {
    if (fd_ >= 0)
        ::close(fd_);
    fd_ = -1;
}

} // namespace clip::trainer
