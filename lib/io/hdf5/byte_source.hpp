// SPDX-License-Identifier: MIT
// Bytes of an HDF5 file by their address, and numbers taken from them with every step checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace clip::io::hdf5 {

/// How an HDF5 file begins, or what follows its user block.
inline constexpr std::string_view kSignature = "\x89HDF\r\n\x1a\n";
/// "No address" in a file: all bits set.
inline constexpr std::uint64_t kNowhere = ~std::uint64_t{0};

/// The bytes of one file, on disk or in memory. Many threads may read at once.
class ByteSource {
  public:
    /// A regular file is read in place. Anything else (a pipe) is read to its end, into memory, if
    /// it begins with kSignature. "-" is standard input, which is read in place where it is a
    /// regular file at its start. `name` is what messages call it.
    /// Errors: not_found, io_failure (also: a folder), bad_format (a pipe of something else),
    /// out_of_memory.
    static std::unique_ptr<ByteSource> open(const std::string& path, const std::string& name);
    /// Bytes that stay the caller's and outlive this.
    ByteSource(std::string_view bytes, std::string name);
    ~ByteSource();
    ByteSource(const ByteSource&) = delete;
    ByteSource& operator=(const ByteSource&) = delete;

    /// Addresses count from `base` on: what lies before it is a user block.
    void set_base(std::uint64_t base);
    /// Bytes from the base to the end.
    std::uint64_t size() const { return size_ - base_; }
    bool holds(std::uint64_t address, std::uint64_t count) const {
        return address <= size() && count <= size() - address;
    }

    /// Copies `count` bytes at `address` to `out`. Returns how many there were: fewer than `count`
    /// only at the end of the file (which may have come nearer since it was opened).
    /// Errors: io_failure.
    std::size_t read_some(std::uint64_t address, std::size_t count, void* out) const;
    /// All of them. Errors: truncated ("<what>: ...", where `what` names the file), io_failure.
    void read(std::uint64_t address, std::size_t count, void* out, std::string_view what) const;
    std::string read(std::uint64_t address, std::size_t count, std::string_view what) const;

  private:
    explicit ByteSource(std::string name) : name_(std::move(name)) {}
    void read_to_end(int fd);

    int fd_ = -1; // of a file that is read in place
    const char* data_ = nullptr;
    char* owned_ = nullptr; // what data_ points at, if it is ours
    std::uint64_t size_ = 0;
    std::uint64_t base_ = 0;
    std::string name_;
};

/// Little-endian numbers, one after another. Errors of all: bad_format (past the end).
class ByteCursor {
  public:
    /// `what` begins the message of an error: "photos.h5: /embedding".
    ByteCursor(std::string_view bytes, std::string_view what) : bytes_(bytes), what_(what) {}

    std::uint8_t u8() { return static_cast<std::uint8_t>(number(1)); }
    std::uint16_t u16() { return static_cast<std::uint16_t>(number(2)); }
    std::uint32_t u32() { return static_cast<std::uint32_t>(number(4)); }
    std::uint64_t u64() { return number(8); }
    /// Of 1 to 8 bytes.
    std::uint64_t number(std::size_t bytes);
    std::string_view take(std::size_t count);
    void skip(std::size_t count) { (void)take(count); }
    std::size_t left() const { return bytes_.size() - at_; }
    std::size_t position() const { return at_; }

  private:
    std::string_view bytes_;
    std::string_view what_;
    std::size_t at_ = 0;
};

/// Throws bad_format: "<what>: not readable as HDF5: <reason>".
[[noreturn]] void fail_format(std::string_view what, std::string_view reason);
/// Throws unsupported, with a hint at h5repack.
[[noreturn]] void fail_unsupported(std::string_view what, std::string_view feature);

} // namespace clip::io::hdf5
