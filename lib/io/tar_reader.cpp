// SPDX-License-Identifier: MIT
#include "io/tar_reader.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/concat.hpp"
#include "base/error.hpp"

namespace clip::io {

namespace {

constexpr std::uint64_t kBlock = 512;
/// Longer names and pax records are nobody's.
constexpr std::uint64_t kMaxText = std::uint64_t{1} << 20;

std::uint64_t padded(std::uint64_t size) {
    return (size + kBlock - 1) / kBlock * kBlock;
}

/// A field up to its first NUL.
std::string_view text_of(std::string_view field) {
    return field.substr(0, field.find('\0'));
}

/// Octal digits between spaces and NULs, or base 256 where the first bit is set.
std::optional<std::uint64_t> number_of(std::string_view field) {
    const auto first = static_cast<unsigned char>(field.front());
    if (first == 0xff) // negative
        return std::nullopt;
    std::uint64_t value = 0;
    if (first & 0x80U) {
        for (std::size_t i = 0; i < field.size(); ++i) {
            if (value >> 55U)
                return std::nullopt;
            const auto byte = static_cast<unsigned char>(field[i]);
            value = value << 8U | (i == 0 ? byte & 0x7fU : byte);
        }
        return value;
    }
    std::size_t i = std::min(field.find_first_not_of(' '), field.size());
    for (; i < field.size() && field[i] != ' ' && field[i] != '\0'; ++i) {
        if (field[i] < '0' || field[i] > '7' || value >> 59U)
            return std::nullopt;
        value = value << 3U | static_cast<unsigned>(field[i] - '0');
    }
    if (field.find_first_not_of(std::string_view(" \0", 2), i) != std::string_view::npos)
        return std::nullopt;
    return value;
}

} // namespace

/// One block of 512 bytes.
struct TarReader::Header {
    std::array<char, kBlock> bytes;
    std::uint64_t size = 0;
    bool zero = false;

    std::string_view field(std::size_t begin, std::size_t length) const {
        return {bytes.data() + begin, length};
    }
    char type() const { return bytes[156]; }
    std::string name() const {
        std::string out(text_of(field(0, 100)));
        // GNU's own format has other things where POSIX has the first part of a long name.
        if (field(257, 6) == std::string_view("ustar\0", 6))
            if (const std::string_view prefix = text_of(field(345, 155)); !prefix.empty())
                out = std::string(prefix) + "/" + out;
        return out;
    }
};

/// What headers before a member say of it.
struct TarReader::Override {
    std::optional<std::string> name;
    std::optional<std::uint64_t> size;
    std::optional<std::uint64_t> header;
    bool sparse = false;
};

TarReader::TarReader(const std::string& path) : path_(path) {
    const std::string what = concat("open the archive ", path);
    fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd_ < 0)
        fail_errno(what, errno);
    try {
        struct stat status {};
        if (::fstat(fd_, &status) != 0)
            fail_errno(what, errno);
        if (!S_ISREG(status.st_mode))
            fail(ErrorCode::bad_format, concat(what, ": it is not a regular file"));
        size_ = static_cast<std::uint64_t>(status.st_size);
        if (size_ == 0)
            fail(ErrorCode::bad_format, concat(what, ": the file is empty"));
        std::array<char, 6> magic{};
        read_at(0, magic.data(), std::min<std::uint64_t>(size_, magic.size()));
        const std::string_view start(magic.data(), magic.size());
        if (start.starts_with("\x1f\x8b") || start.starts_with("BZh") ||
            start.starts_with("\x28\xb5\x2f\xfd") || start.starts_with("\xfd\x37zXZ"))
            fail(ErrorCode::bad_format,
                 concat(what, ": it is compressed (want a plain tar: pictures gain nothing)"));
    } catch (...) {
        ::close(fd_);
        throw;
    }
}

TarReader::~TarReader() {
    if (fd_ >= 0)
        ::close(fd_);
}

TarReader::TarReader(TarReader&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), size_(other.size_),
      at_(other.at_) {}

std::string TarReader::where(std::uint64_t at) const {
    return concat("read the archive ", path_, " at byte ", at);
}

void TarReader::read_at(std::uint64_t at, void* out, std::size_t count) const {
    auto* to = static_cast<char*>(out);
    while (count > 0) {
        const ssize_t got = ::pread(fd_, to, count, static_cast<off_t>(at));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            fail_errno(where(at), errno);
        if (got == 0)
            fail(ErrorCode::truncated, concat(where(at), ": the file ends here"));
        to += got;
        at += static_cast<std::uint64_t>(got);
        count -= static_cast<std::size_t>(got);
    }
}

TarReader::Header TarReader::read_header(std::uint64_t at) const {
    Header header;
    read_at(at, header.bytes.data(), kBlock);
    header.zero =
        std::all_of(header.bytes.begin(), header.bytes.end(), [](char c) { return c == 0; });
    if (header.zero)
        return header;
    std::int64_t plain = 0, with_sign = 0; // old programs added signed bytes
    for (std::size_t i = 0; i < kBlock; ++i) {
        const char c = i >= 148 && i < 156 ? ' ' : header.bytes[i];
        plain += static_cast<unsigned char>(c);
        with_sign += static_cast<signed char>(c);
    }
    const auto sum = number_of(header.field(148, 8));
    if (!sum ||
        (static_cast<std::int64_t>(*sum) != plain && static_cast<std::int64_t>(*sum) != with_sign))
        fail(ErrorCode::bad_format,
             concat(where(at), ": no header, or a damaged one (its checksum is wrong)"));
    const auto size = number_of(header.field(124, 12));
    if (!size)
        fail(ErrorCode::bad_format, concat(where(at), ": the size is no number"));
    header.size = *size;
    return header;
}

std::string TarReader::read_text(const Header& header, std::uint64_t at) const {
    if (header.size > kMaxText)
        fail(ErrorCode::bad_format,
             concat(where(at), ": a name or list of attributes is too long (", header.size,
                    " bytes, want at most ", kMaxText, ")"));
    if (header.size > size_ - at - kBlock)
        fail(ErrorCode::truncated, concat(where(at), ": the file ends inside a name"));
    std::string out(static_cast<std::size_t>(header.size), '\0');
    read_at(at + kBlock, out.data(), out.size());
    return out;
}

void TarReader::apply_pax(std::string_view records, std::uint64_t at, Override& override) const {
    const auto reject = [&](const char* why) {
        fail(ErrorCode::bad_format, concat(where(at), ": ", why));
    };
    while (!records.empty()) { // "LENGTH KEY=VALUE\n", the length of all of it
        std::size_t length = 0;
        const auto [end, error] =
            std::from_chars(records.data(), records.data() + records.size(), length);
        const auto digits = static_cast<std::size_t>(end - records.data());
        if (error != std::errc() || length > records.size() || length < digits + 3 ||
            records[digits] != ' ' || records[length - 1] != '\n')
            reject("a damaged record of attributes");
        const std::string_view record = records.substr(digits + 1, length - digits - 2);
        records.remove_prefix(length);
        const std::size_t equals = record.find('=');
        if (equals == std::string_view::npos)
            reject("a record of attributes without a value");
        const std::string_view key = record.substr(0, equals), value = record.substr(equals + 1);
        if (key == "path") {
            if (value.empty() || value.find('\0') != std::string_view::npos)
                reject("an impossible name");
            override.name = value;
        } else if (key == "size") {
            std::uint64_t size = 0;
            const auto [last, bad] =
                std::from_chars(value.data(), value.data() + value.size(), size);
            if (bad != std::errc() || last != value.data() + value.size())
                reject("the size is no number");
            override.size = size;
        } else if (key.starts_with("GNU.sparse")) {
            override.sparse = true;
        }
    }
}

bool TarReader::next(TarMember& member) {
    Override override;
    while (at_ < size_) {
        if (size_ - at_ < kBlock)
            fail(ErrorCode::truncated, concat(where(at_), ": the file ends inside a header"));
        const Header header = read_header(at_);
        if (header.zero) {
            if (override.header)
                fail(ErrorCode::truncated,
                     concat(where(at_), ": the archive ends between a name and its file"));
            if (size_ - at_ < 2 * kBlock || read_header(at_ + kBlock).zero) {
                at_ = size_;
                return false;
            }
            at_ += kBlock; // a lone block of zeros, which GNU tar passes over too
            continue;
        }
        const std::uint64_t begin = at_;
        const char type = header.type();
        if (type == 'L' || type == 'x' || type == 'K' || type == 'g') {
            const std::string text = read_text(header, begin);
            if (type == 'L')
                override.name = std::string(text_of(text));
            else if (type == 'x')
                apply_pax(text, begin, override);
            if (type != 'g' && !override.header)
                override.header = begin;
            at_ = begin + kBlock + padded(header.size);
            continue;
        }
        const bool file = type == '0' || type == '\0' || type == '7';
        if (type == 'S' || (file && override.sparse))
            fail(ErrorCode::unsupported,
                 concat(where(begin), ": a sparse file (pack the archive without --sparse)"));
        const std::uint64_t size = override.size.value_or(header.size);
        // Links, devices, folders and pipes have no bytes whatever their size says.
        const std::uint64_t stored = type >= '1' && type <= '6' ? 0 : size;
        if (stored > size_ - begin - kBlock)
            fail(ErrorCode::truncated, concat(where(begin), ": a file of ", stored,
                                              " bytes, but the archive ends before that"));
        // The last file's padding may be missing.
        at_ = std::min(begin + kBlock + padded(stored), size_);
        std::string name = override.name ? std::move(*override.name) : header.name();
        const std::uint64_t first = override.header.value_or(begin);
        override = {};
        // Old archives mark folders by their names only.
        if (!file || name.ends_with('/'))
            continue;
        if (name.empty())
            fail(ErrorCode::bad_format, concat(where(begin), ": a file without a name"));
        member = {std::move(name), size, first, begin + kBlock};
        return true;
    }
    if (override.header)
        fail(ErrorCode::truncated,
             concat(where(at_), ": the file ends between a name and its file"));
    return false;
}

void TarReader::read(const TarMember& member, std::vector<std::uint8_t>& out) const {
    try {
        out.resize(static_cast<std::size_t>(member.size));
    } catch (const std::exception&) {
        fail(ErrorCode::out_of_memory, concat("read ", member.name, " of the archive ", path_,
                                              ": no memory for ", member.size, " bytes"));
    }
    read_at(member.data, out.data(), out.size());
}

} // namespace clip::io
