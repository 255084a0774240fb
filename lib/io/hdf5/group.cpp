// SPDX-License-Identifier: MIT
#include "io/hdf5/group.hpp"

#include <algorithm>

#include "base/concat.hpp"
#include "base/error.hpp"

namespace clip::io::hdf5 {

namespace {

constexpr std::size_t kMaxNodes = 1 << 16;
constexpr std::size_t kMaxLinks = 1 << 20;
constexpr std::size_t kMaxNameBytes = 1024; // longer names are none that is looked for
constexpr std::size_t kEntryBytes = 40;

/// Groups of the first kind: a B-tree of nodes of entries, whose names are in a local heap.
class SymbolTable {
  public:
    SymbolTable(const ByteSource& file, std::string_view message, const std::string& what)
        : file_(file), what_(what) {
        ByteCursor cursor(message, what);
        root_ = cursor.u64();
        const std::string heap = file.read(cursor.u64(), 32, what);
        ByteCursor field(heap, what);
        if (field.take(4) != "HEAP")
            fail_format(what, "no heap of names where one should be");
        field.skip(4);
        names_size_ = field.u64();
        field.skip(8);
        names_ = field.u64();
        if (!file.holds(names_, names_size_))
            fail(ErrorCode::truncated, concat(what, ": the file ends before its names do"));
    }

    std::map<std::string, Link> read() {
        read_tree(root_, 256);
        return std::move(links_);
    }

  private:
    void read_tree(std::uint64_t address, int below) {
        count_node();
        const std::string head = file_.read(address, 24, what_);
        ByteCursor cursor(head, what_);
        if (cursor.take(4) != "TREE" || cursor.u8() != 0)
            fail_format(what_, "no index of names where one should be");
        const int level = cursor.u8();
        const std::size_t entries = cursor.u16();
        if (level >= below)
            fail_format(what_, "its index of names has levels in a wrong order");
        const std::string body = file_.read(address + 24, entries * 16, what_);
        ByteCursor entry(body, what_);
        for (std::size_t i = 0; i < entries; ++i) {
            entry.skip(8);
            const std::uint64_t child = entry.u64();
            if (level > 0)
                read_tree(child, level);
            else
                read_entries(child);
        }
    }

    void read_entries(std::uint64_t address) {
        count_node();
        const std::string head = file_.read(address, 8, what_);
        ByteCursor cursor(head, what_);
        if (cursor.take(4) != "SNOD" || cursor.u8() != 1)
            fail_format(what_, "no list of names where one should be");
        cursor.skip(1);
        const std::size_t entries = cursor.u16();
        const std::string body = file_.read(address + 8, entries * kEntryBytes, what_);
        ByteCursor entry(body, what_);
        for (std::size_t i = 0; i < entries; ++i) {
            const std::string name = read_name(entry.u64());
            Link link{.address = entry.u64()};
            if (entry.u32() == 2)
                link.kind = Link::Kind::soft;
            entry.skip(4 + 16);
            links_[name] = link;
        }
        if ((read_ += entries) > kMaxLinks)
            fail_format(what_, "it has too many names");
    }

    std::string read_name(std::uint64_t at) const {
        if (at >= names_size_)
            fail_format(what_, "a name outside of its heap");
        std::string out(
            static_cast<std::size_t>(std::min<std::uint64_t>(kMaxNameBytes, names_size_ - at)),
            '\0');
        file_.read(names_ + at, out.size(), out.data(), what_);
        out.resize(std::min(out.find('\0'), out.size()));
        return out;
    }

    void count_node() {
        if (++nodes_ > kMaxNodes)
            fail_format(what_, "its index of names goes in circles");
    }

    const ByteSource& file_;
    const std::string& what_;
    std::uint64_t root_ = 0, names_ = 0, names_size_ = 0;
    std::size_t nodes_ = 0, read_ = 0;
    std::map<std::string, Link> links_;
};

/// Groups of the second kind: a message a link.
void add_link(std::map<std::string, Link>& links, std::string_view message,
              const std::string& what) {
    ByteCursor cursor(message, what);
    if (cursor.u8() != 1)
        fail_format(what, "a link of an unknown version");
    const int flags = cursor.u8();
    const int kind = (flags & 0x08) != 0 ? cursor.u8() : 0;
    cursor.skip((flags & 0x04) != 0 ? 8 : 0); // order of creation
    cursor.skip((flags & 0x10) != 0 ? 1 : 0); // character set
    const std::uint64_t length = cursor.number(std::size_t{1} << (flags & 0x03));
    if (length > cursor.left())
        fail_format(what, "a link whose name is longer than itself");
    const std::string name(cursor.take(static_cast<std::size_t>(length)));
    Link link;
    if (kind == 0)
        link.address = cursor.u64();
    else
        link.kind = kind == 1 ? Link::Kind::soft : Link::Kind::outside;
    links[name] = link;
}

} // namespace

std::map<std::string, Link> read_links(const ByteSource& file, const std::vector<Message>& messages,
                                       const std::string& what) {
    if (const Message* table = find_message(messages, MessageType::symbol_table, what))
        return SymbolTable(file, table->body, what).read();
    std::map<std::string, Link> links;
    for (const Message& message : messages)
        if (message.type == MessageType::link)
            add_link(links, message.body, what);
    if (const Message* info = find_message(messages, MessageType::link_info, what)) {
        ByteCursor cursor(info->body, what);
        cursor.skip(1);
        const int flags = cursor.u8();
        cursor.skip((flags & 0x01) != 0 ? 8 : 0);
        if (cursor.u64() != kNowhere)
            fail_unsupported(what, "its datasets are too many to be listed in one place");
    }
    return links;
}

} // namespace clip::io::hdf5
