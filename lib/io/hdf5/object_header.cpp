// SPDX-License-Identifier: MIT
#include "io/hdf5/object_header.hpp"

#include <algorithm>

#include "base/concat.hpp"
#include "io/hdf5/checksum.hpp"

namespace clip::io::hdf5 {

namespace {

constexpr std::uint64_t kMaxHeaderBytes = std::uint64_t{64} << 20;
constexpr std::size_t kChecksumBytes = 4;
constexpr std::size_t kMaxBlocks = 4096; // of one header; more are a circle

struct Block {
    std::uint64_t address;
    std::uint64_t size;
    std::size_t start; // where its messages begin
};

/// Reads block after block; continuations found on the way are appended to the list.
class HeaderReader {
  public:
    HeaderReader(const ByteSource& file, const std::string& what) : file_(file), what_(what) {}

    std::vector<Message> read(std::uint64_t address) {
        if (file_.read(address, 4, what_) == "OHDR")
            begin_second(address);
        else
            begin_first(address);
        for (std::size_t i = 0; i < blocks_.size(); ++i)
            read_block(Block(blocks_[i]), i > 0);
        return std::move(messages_);
    }

  private:
    void begin_first(std::uint64_t address) {
        const std::string start = file_.read(address, 16, what_);
        ByteCursor cursor(start, what_);
        if (cursor.u8() != 1)
            fail_format(what_, "no object header where one should be");
        cursor.skip(1 + 2 + 4); // reserved, number of messages, references
        add_block(address + 16, cursor.u32(), 0);
    }

    void begin_second(std::uint64_t address) {
        second_ = true;
        const std::string start = file_.read(address, 6, what_);
        ByteCursor cursor(start, what_);
        cursor.skip(4);
        if (const int version = cursor.u8(); version != 2)
            fail_unsupported(what_, concat("an object header of version ", version));
        const std::uint8_t flags = cursor.u8();
        has_order_ = (flags & 0x04) != 0;
        std::uint64_t at = 6;
        at += (flags & 0x20) != 0 ? 16 : 0; // times
        at += (flags & 0x10) != 0 ? 4 : 0;  // limits of compact attributes
        const std::size_t width = std::size_t{1} << (flags & 0x03);
        const std::string size = file_.read(address + at, width, what_);
        at += width;
        add_block(address, ByteCursor(size, what_).number(width), static_cast<std::size_t>(at));
    }

    /// `size` bytes of messages; `start` bytes come before them, and in version 2 a checksum after.
    void add_block(std::uint64_t address, std::uint64_t size, std::size_t start) {
        if (size > kMaxHeaderBytes || (total_ += size) > kMaxHeaderBytes ||
            blocks_.size() == kMaxBlocks)
            fail_format(what_, "its object header is too large");
        blocks_.push_back({address, start + size + (second_ ? kChecksumBytes : 0), start});
    }

    void read_block(const Block& block, bool continued) {
        const std::string bytes =
            file_.read(block.address, static_cast<std::size_t>(block.size), what_);
        std::string_view inner = bytes;
        if (second_) {
            inner.remove_suffix(kChecksumBytes);
            if (continued && !inner.starts_with("OCHK"))
                fail_format(what_, "no continuation where one should be");
            if (ByteCursor(std::string_view(bytes).substr(inner.size()), what_).u32() !=
                metadata_checksum(inner))
                fail_format(what_, "the checksum of its object header is wrong");
        }
        ByteCursor cursor(inner.substr(block.start), what_);
        const std::size_t prefix = !second_ ? 8 : has_order_ ? 6 : 4;
        while (cursor.left() >= prefix) { // less is a gap
            const std::uint64_t type = cursor.number(second_ ? 1 : 2);
            const std::uint16_t size = cursor.u16();
            const std::uint8_t flags = cursor.u8();
            cursor.skip(!second_ ? 3 : has_order_ ? 2 : 0);
            const std::string_view body = cursor.take(size);
            if (static_cast<MessageType>(type) == MessageType::continuation) {
                ByteCursor where(body, what_);
                const std::uint64_t address = where.u64();
                add_continuation(address, where.u64());
            } else if (type != 0) {
                messages_.push_back(
                    {static_cast<MessageType>(type), (flags & 0x02) != 0, std::string(body)});
            }
        }
    }

    /// `size` counts signature and checksum too, where there are any.
    void add_continuation(std::uint64_t address, std::uint64_t size) {
        const std::size_t start = second_ ? 4 : 0;
        const std::size_t around = start + (second_ ? kChecksumBytes : 0);
        if (size < around)
            fail_format(what_, "a continuation of its object header has no bytes");
        add_block(address, size - around, start);
    }

    const ByteSource& file_;
    const std::string& what_;
    bool second_ = false; // version 2
    bool has_order_ = false;
    std::vector<Block> blocks_;
    std::uint64_t total_ = 0;
    std::vector<Message> messages_;
};

} // namespace

std::vector<Message> read_object_header(const ByteSource& file, std::uint64_t address,
                                        const std::string& what) {
    return HeaderReader(file, what).read(address);
}

const Message* find_message(const std::vector<Message>& messages, MessageType type,
                            const std::string& what) {
    const Message* found = nullptr;
    for (const Message& message : messages)
        if (message.type == type) {
            if (found != nullptr)
                fail_format(what, "its object header says a thing twice");
            found = &message;
        }
    return found;
}

} // namespace clip::io::hdf5
