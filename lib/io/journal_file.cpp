// SPDX-License-Identifier: MIT
#include "io/journal_file.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <optional>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <nlohmann/json.hpp>

#include "base/concat.hpp"
#include "io/json_text.hpp"

namespace clip::io {

static_assert(std::endian::native == std::endian::little, "records are written in memory order");

namespace {

constexpr std::string_view kMagic("CLIPPART\x01\x00\x00\x00", 12);
constexpr std::size_t kMagicName = 8;  // the part of it before the version
constexpr std::size_t kRecordHead = 8; // length and checksum
constexpr std::size_t kWindowBytes = std::size_t{1} << 20;
constexpr std::size_t kMaxPayload = std::size_t{1} << 28; // a line is at most 64 MiB

std::uint32_t checksum(std::string_view bytes) {
    return static_cast<std::uint32_t>(
        ::crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
}

void append_u32(std::string& out, std::size_t value) {
    const auto number = static_cast<std::uint32_t>(value);
    out.append(reinterpret_cast<const char*>(&number), sizeof number);
}

std::uint32_t read_u32(const char* from) {
    std::uint32_t value = 0;
    std::memcpy(&value, from, sizeof value);
    return value;
}

/// The parts of a row's payload, or nothing where its lengths do not add up.
struct RowParts {
    std::string_view item, extra, values;
    bool is_text = false;
};

std::optional<RowParts> split_row(std::string_view payload, std::size_t dim) {
    RowParts out;
    const auto take = [&payload](std::size_t size) {
        const std::string_view part = payload.substr(0, size);
        payload.remove_prefix(part.size());
        return part;
    };
    const auto take_counted = [&]() -> std::optional<std::string_view> {
        if (payload.size() < 4)
            return std::nullopt;
        const std::size_t size = read_u32(take(4).data());
        if (payload.size() < size)
            return std::nullopt;
        return take(size);
    };
    const std::string_view head = take(2);
    if (head.size() < 2 || head[0] != 'R' || static_cast<unsigned char>(head[1]) > 1)
        return std::nullopt;
    out.is_text = head[1] == 1;
    const auto item = take_counted();
    const auto extra = item ? take_counted() : std::nullopt;
    if (!extra || payload.size() != dim * sizeof(float))
        return std::nullopt;
    out.item = *item;
    out.extra = *extra;
    out.values = payload;
    return out;
}

std::string header_json(const EmbeddingHeader& header) {
    std::string out = "{\"model\":";
    append_json_string(out, header.model);
    out += concat(",\"normalized\":", header.normalized ? "true" : "false", ",\"logit_scale\":");
    append_json_double(out, header.logit_scale);
    out +=
        concat(",\"dim\":", header.dim, ",\"store\":\"", dtype_name(header.store), "\",\"tool\":");
    append_json_string(out, header.tool);
    out += ",\"settings\":";
    append_json_string(out, header.settings);
    return out + "}";
}

bool parse_header(std::string_view text, EmbeddingHeader& out) {
    const auto json = nlohmann::json::parse(text, nullptr, false);
    try {
        out.model = json.at("model").get<std::string>();
        out.normalized = json.at("normalized").get<bool>();
        out.logit_scale = json.at("logit_scale").get<double>();
        out.dim = json.at("dim").get<std::int64_t>();
        out.store = json.at("store").get<std::string>() == "f16" ? DType::f16 : DType::f32;
        out.tool = json.at("tool").get<std::string>();
        out.settings = json.at("settings").get<std::string>();
    } catch (const nlohmann::json::exception&) {
        return false;
    }
    return out.dim >= 1 && out.dim <= std::int64_t{1} << 20;
}

} // namespace

JournalFile::JournalFile(const std::string& path, const std::string& target_name) : path_(path) {
    lock(target_name);
    struct stat info {};
    if (::fstat(fd_, &info) != 0 || !S_ISREG(info.st_mode)) {
        ::close(fd_);
        fail(ErrorCode::io_failure, concat("open ", path_, ": not a regular file"));
    }
    removable_ = info.st_size == 0;
}

/// The run before us may remove the file between our open() and our lock; then what we hold is no
/// longer what the name stands for, and we begin again.
void JournalFile::lock(const std::string& target_name) {
    while (true) {
        fd_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
        if (fd_ < 0)
            fail_errno(concat("open ", path_), errno);
        int locked = -1;
        do
            locked = ::flock(fd_, LOCK_EX | LOCK_NB);
        while (locked != 0 && errno == EINTR);
        if (locked != 0) {
            const int error = errno;
            ::close(fd_);
            if (error == EWOULDBLOCK)
                fail(ErrorCode::io_failure,
                     concat("write ", target_name, ": another run is writing this file"));
            fail_errno(concat("lock ", path_), error);
        }
        struct stat ours {
        }, named{};
        if (::fstat(fd_, &ours) == 0 && ::stat(path_.c_str(), &named) == 0 &&
            ours.st_ino == named.st_ino && ours.st_dev == named.st_dev)
            return;
        ::close(fd_);
    }
}

JournalFile::~JournalFile() {
    if (fd_ < 0)
        return;
    if (removable_)
        ::unlink(path_.c_str());
    ::close(fd_);
}

void JournalFile::remove() {
    if (::unlink(path_.c_str()) != 0 && errno != ENOENT)
        fail_errno(concat("remove ", path_), errno);
    ::close(fd_);
    fd_ = -1;
}

/// Up to `size` bytes of the file at `offset`: fewer only at its end. Valid until the next call.
std::string_view JournalFile::window(std::uint64_t offset, std::size_t size) {
    if (offset < window_at_ || offset + size > window_at_ + window_.size()) {
        window_.resize(std::max(size, kWindowBytes));
        window_at_ = offset;
        std::size_t have = 0;
        while (have < window_.size()) {
            const ssize_t got = ::pread(fd_, window_.data() + have, window_.size() - have,
                                        static_cast<off_t>(offset + have));
            if (got < 0 && errno == EINTR)
                continue;
            if (got < 0) {
                window_.clear();
                fail_errno(concat("read ", path_), errno);
            }
            if (got == 0)
                break;
            have += static_cast<std::size_t>(got);
        }
        window_.resize(have);
    }
    return std::string_view(window_).substr(offset - window_at_, size);
}

/// The payload of the record at `offset`; empty where no whole record with the right checksum is
/// there (no payload is empty).
std::string_view JournalFile::payload_at(std::uint64_t offset) {
    const std::string_view head = window(offset, kRecordHead);
    if (head.size() < kRecordHead)
        return {};
    const std::size_t size = read_u32(head.data());
    const std::uint32_t sum = read_u32(head.data() + 4);
    if (size == 0 || size > kMaxPayload)
        return {};
    struct stat info {};
    // A damaged length must not make us allocate it.
    if (size > kWindowBytes &&
        (::fstat(fd_, &info) != 0 || static_cast<std::uint64_t>(info.st_size) < offset + size))
        return {};
    const std::string_view record = window(offset, kRecordHead + size);
    if (record.size() < kRecordHead + size)
        return {};
    const std::string_view payload = record.substr(kRecordHead);
    return checksum(payload) == sum ? payload : std::string_view();
}

bool JournalFile::read_header(EmbeddingHeader& header) {
    struct stat info {};
    if (::fstat(fd_, &info) != 0)
        fail_errno(concat("read ", path_), errno);
    const auto size = static_cast<std::uint64_t>(info.st_size);
    const std::string magic(window(0, kMagic.size()));
    if (!magic.starts_with(kMagic.substr(0, std::min(magic.size(), kMagicName))))
        fail(ErrorCode::bad_format,
             concat(path_, ": not a journal of this program, but in the place of one"));
    if (magic.size() == kMagic.size() && magic != kMagic)
        fail(ErrorCode::version_mismatch,
             concat(path_, ": version ", read_u32(magic.data() + kMagicName),
                    " of the journal format (this build knows ",
                    read_u32(kMagic.data() + kMagicName), ")"));
    const std::string_view head = window(kMagic.size(), kRecordHead);
    if (head.size() < kRecordHead ||
        size < kMagic.size() + kRecordHead + std::uint64_t{read_u32(head.data())})
        return false; // killed while it was begun: no row can be there
    const std::string payload(payload_at(kMagic.size()));
    if (payload.empty() || !parse_header(payload, header))
        fail(ErrorCode::bad_format,
             concat(path_, ": its header is damaged; remove it, or run without --resume"));
    end_ = kMagic.size() + kRecordHead + payload.size();
    dim_ = static_cast<std::size_t>(header.dim);
    return true;
}

void JournalFile::start(const EmbeddingHeader& header) {
    const std::string_view magic = window(0, kMagicName);
    if (magic != kMagic.substr(0, magic.size()))
        fail(ErrorCode::bad_format,
             concat(path_, ": not a journal of this program, but in the place of one"));
    window_.clear();
    if (::ftruncate(fd_, 0) != 0)
        fail_errno(concat("write ", path_), errno);
    end_ = 0;
    dim_ = static_cast<std::size_t>(header.dim);
    block_ = kMagic;
    begin_record();
    const std::size_t start = block_.size();
    block_ += header_json(header);
    end_record(start);
    rows_ = 0;
    flush();
}

std::uint64_t
JournalFile::scan(const EmbeddingHeader& header,
                  const std::function<void(std::uint64_t, std::string_view, bool)>& visit) {
    const auto dim = static_cast<std::size_t>(header.dim);
    rows_ = 0;
    while (true) {
        const std::string_view payload = payload_at(end_);
        if (payload.empty())
            break;
        if (payload[0] == 'R') {
            const auto row = split_row(payload, dim);
            if (!row)
                break;
            visit(end_, row->item, row->is_text);
            ++rows_;
        } else if (payload[0] != 'X') {
            break;
        }
        end_ += kRecordHead + payload.size();
    }
    struct stat info {};
    if (::fstat(fd_, &info) != 0 || ::ftruncate(fd_, static_cast<off_t>(end_)) != 0)
        fail_errno(concat("write ", path_), errno);
    window_.clear();
    removable_ = rows_ == 0;
    return static_cast<std::uint64_t>(info.st_size) - end_;
}

void JournalFile::begin_record() {
    block_.append(kRecordHead, '\0');
}

void JournalFile::end_record(std::size_t start) {
    const std::string_view payload = std::string_view(block_).substr(start);
    if (payload.size() > kMaxPayload)
        fail(ErrorCode::invalid_argument, concat("write ", path_, ": a row of ", payload.size(),
                                                 " bytes (at most ", kMaxPayload, ")"));
    std::string head;
    append_u32(head, payload.size());
    append_u32(head, checksum(payload));
    block_.replace(start - kRecordHead, kRecordHead, head);
}

std::uint64_t JournalFile::add_row(const EmbeddingRow& row) {
    const std::uint64_t offset = end_ + block_.size();
    begin_record();
    const std::size_t start = block_.size();
    block_ += 'R';
    block_ += row.is_text ? '\1' : '\0';
    append_u32(block_, row.item.size());
    block_ += row.item;
    append_u32(block_, row.extra.size());
    block_ += row.extra;
    block_.append(reinterpret_cast<const char*>(row.values.data()),
                  row.values.size() * sizeof(float));
    end_record(start);
    ++pending_rows_;
    return offset;
}

std::uint64_t JournalFile::add_extra(std::string_view extra) {
    const std::uint64_t offset = end_ + block_.size();
    begin_record();
    const std::size_t start = block_.size();
    block_ += 'X';
    block_ += extra;
    end_record(start);
    return offset;
}

void JournalFile::flush() {
    if (block_.empty())
        return;
    const std::string block = std::exchange(block_, std::string());
    try {
        write_all(fd_, block, path_, static_cast<long long>(end_));
    } catch (const Error&) {
        // What got there is cut off again; where even that fails, the checksums find it later.
        (void)!::ftruncate(fd_, static_cast<off_t>(end_));
        throw;
    }
    end_ += block.size();
    rows_ += std::exchange(pending_rows_, 0);
    removable_ = rows_ == 0;
}

void JournalFile::read_row(std::uint64_t offset, EmbeddingRow& row) {
    const auto parts = split_row(payload_at(offset), dim_);
    if (!parts)
        fail(ErrorCode::bad_format, concat(path_, ": a row was changed since it was written"));
    row.item = parts->item;
    row.is_text = parts->is_text;
    row.extra = parts->extra;
    row.values.resize(dim_);
    std::memcpy(row.values.data(), parts->values.data(), parts->values.size());
}

std::string JournalFile::read_extra(std::uint64_t offset) {
    const std::string_view payload = payload_at(offset);
    if (payload.empty() || payload[0] != 'X')
        fail(ErrorCode::bad_format, concat(path_, ": a row was changed since it was written"));
    return std::string(payload.substr(1));
}

} // namespace clip::io
