// SPDX-License-Identifier: MIT
#include "io/hdf5/chunk_arrays.hpp"

#include <algorithm>
#include <bit>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "io/hdf5/checksum.hpp"

namespace clip::io::hdf5 {

namespace {

constexpr std::uint64_t kChecksumBytes = 4;

/// What both kinds of array have in common.
class ArrayReader {
  public:
    ArrayReader(const ByteSource& file, std::uint64_t count, const std::string& what)
        : file_(file), what_(what) {
        // Each element has bytes of its own, of which none is in memory twice.
        if (count > file.size() / 8)
            fail(ErrorCode::truncated, concat(what, ": the index of its chunks is cut off"));
        out_.chunks.resize(static_cast<std::size_t>(count));
    }

  protected:
    /// `bytes` at `address`, which end in a checksum, without it.
    std::string read_checked(std::uint64_t address, std::uint64_t bytes) const {
        std::string out = file_.read(address, static_cast<std::size_t>(bytes), what_);
        const std::string_view body =
            std::string_view(out).substr(0, static_cast<std::size_t>(bytes - kChecksumBytes));
        if (ByteCursor(std::string_view(out).substr(body.size()), what_).u32() !=
            metadata_checksum(body))
            fail_format(what_, "the checksum of its index of chunks is wrong");
        out.resize(body.size());
        return out;
    }
    void begin(ByteCursor& cursor, std::string_view sign) const {
        if (cursor.take(4) != sign || cursor.u8() != 0)
            fail_format(what_, "no index of chunks where one should be");
    }
    /// Client and size of an element, as a header begins.
    void take_element(ByteCursor& cursor) {
        const int client = cursor.u8();
        element_ = cursor.u8();
        out_.filtered = client == 1;
        if (client > 1 || element_ < (client == 1 ? 13U : 8U) || element_ > 20)
            fail_format(what_, "its index of chunks has elements of an unknown kind");
    }
    /// Elements [first, first + count) from `cursor`; those past the end are left out.
    void take_elements(ByteCursor& cursor, std::uint64_t first, std::uint64_t count) {
        for (std::uint64_t i = first; i < first + count && i < out_.chunks.size(); ++i) {
            Chunk& chunk = out_.chunks[static_cast<std::size_t>(i)];
            chunk.address = cursor.u64();
            if (out_.filtered) {
                chunk.stored = cursor.number(static_cast<std::size_t>(element_ - 12));
                chunk.skipped = cursor.u32();
            } else {
                cursor.skip(static_cast<std::size_t>(element_ - 8));
            }
        }
    }
    /// The elements of a block that is cut into pages with a checksum each. Bit `bit` + i of
    /// `written`, from the top of its first byte, says whether page i was.
    void take_pages(std::uint64_t address, std::string_view written, std::uint64_t bit,
                    std::uint64_t first, std::uint64_t count, std::uint64_t page) {
        for (std::uint64_t at = 0; at < count && first + at < out_.chunks.size(); at += page) {
            const std::uint64_t number = bit + at / page;
            const std::uint64_t elements = std::min(page, count - at);
            const auto byte =
                static_cast<std::uint8_t>(written[static_cast<std::size_t>(number / 8)]);
            if ((byte >> (7 - number % 8) & 1) != 0) {
                const std::string body =
                    read_checked(address, elements * element_ + kChecksumBytes);
                ByteCursor cursor(body, what_);
                take_elements(cursor, first + at, elements);
            }
            address += elements * element_ + kChecksumBytes;
        }
    }
    static std::uint64_t page_bits_bytes(std::uint64_t count, std::uint64_t page) {
        return ((count + page - 1) / page + 7) / 8;
    }

    const ByteSource& file_;
    const std::string& what_;
    std::uint64_t element_ = 0; // bytes
    ChunkArray out_;
};

class FixedArray : ArrayReader {
  public:
    using ArrayReader::ArrayReader;

    ChunkArray read(std::uint64_t address) {
        const std::string header = read_checked(address, 28);
        ByteCursor cursor(header, what_);
        begin(cursor, "FAHD");
        take_element(cursor);
        const int page_bits = cursor.u8();
        const std::uint64_t elements = cursor.u64();
        const std::uint64_t block = cursor.u64();
        if (page_bits >= 32 || elements > file_.size() / element_ || elements < out_.chunks.size())
            fail_format(what_, "its index of chunks has an impossible size");
        if (block == kNowhere)
            return std::move(out_);
        const std::uint64_t page = std::uint64_t{1} << page_bits;
        const bool paged = elements > page;
        const std::uint64_t prefix = 14 + (paged ? page_bits_bytes(elements, page) : 0);
        const std::string body =
            read_checked(block, prefix + (paged ? 0 : elements * element_) + kChecksumBytes);
        ByteCursor data(body, what_);
        begin(data, "FADB");
        data.skip(1 + 8); // client, header
        if (paged)
            take_pages(block + prefix + kChecksumBytes, data.take(data.left()), 0, 0, elements,
                       page);
        else
            take_elements(data, 0, elements);
        return std::move(out_);
    }
};

/// Elements are in the index block, then in data blocks, then in data blocks of super blocks, each
/// level of which has blocks twice as large, or twice as many.
class ExtensibleArray : ArrayReader {
  public:
    using ArrayReader::ArrayReader;

    ChunkArray read(std::uint64_t address) {
        const std::string header = read_checked(address, 72);
        ByteCursor cursor(header, what_);
        begin(cursor, "EAHD");
        take_element(cursor);
        const int max_bits = cursor.u8();
        const std::uint64_t in_index = cursor.u8();
        smallest_ = cursor.u8();
        const std::uint64_t pointers = cursor.u8();
        const int page_bits = cursor.u8();
        cursor.skip(6 * 8);
        const std::uint64_t index_block = cursor.u64();
        if (max_bits < 1 || max_bits > 64 || page_bits >= 32 || !std::has_single_bit(smallest_) ||
            !std::has_single_bit(pointers) || pointers < 2 ||
            std::countr_zero(smallest_) > max_bits)
            fail_format(what_, "its index of chunks has impossible sizes");
        page_ = std::uint64_t{1} << page_bits;
        offset_bytes_ = static_cast<std::size_t>(max_bits + 7) / 8;
        if (index_block == kNowhere)
            return std::move(out_);

        const int levels = 1 + max_bits - std::countr_zero(smallest_);
        const int direct_levels = std::min(levels, 2 * std::countr_zero(pointers));
        const std::uint64_t direct = 2 * (pointers - 1); // data blocks of those levels
        const std::uint64_t super = static_cast<std::uint64_t>(levels - direct_levels);
        const std::string body = read_checked(
            index_block, 14 + in_index * element_ + (direct + super) * 8 + kChecksumBytes);
        ByteCursor block(body, what_);
        begin(block, "EAIB");
        block.skip(1 + 8);
        take_elements(block, 0, in_index);
        block = ByteCursor(
            std::string_view(body).substr(static_cast<std::size_t>(14 + in_index * element_)),
            what_);
        std::uint64_t first = in_index;
        for (int level = 0; level < levels && first < out_.chunks.size(); ++level) {
            const std::uint64_t blocks = std::uint64_t{1} << (level / 2);
            const std::uint64_t elements = smallest_ << ((level + 1) / 2);
            if (level < direct_levels) {
                for (std::uint64_t i = 0; i < blocks; ++i)
                    read_data_block(block.u64(), first + i * elements, elements, {}, 0);
            } else {
                read_super_block(block.u64(), first, blocks, elements);
            }
            first += blocks * elements;
        }
        return std::move(out_);
    }

  private:
    void read_super_block(std::uint64_t address, std::uint64_t first, std::uint64_t blocks,
                          std::uint64_t elements) {
        if (address == kNowhere)
            return;
        const std::uint64_t bits = elements > page_ ? page_bits_bytes(elements, page_) : 0;
        if (blocks > file_.size() / 8 || blocks * bits > file_.size())
            fail(ErrorCode::truncated, concat(what_, ": the index of its chunks is cut off"));
        const std::uint64_t prefix = 14 + offset_bytes_;
        const std::string body =
            read_checked(address, prefix + blocks * (bits + 8) + kChecksumBytes);
        ByteCursor cursor(body, what_);
        begin(cursor, "EASB");
        cursor.skip(1 + 8 + offset_bytes_);
        // Room for whole bytes a data block, but the bits follow each other without gaps.
        const std::string_view written = cursor.take(static_cast<std::size_t>(blocks * bits));
        for (std::uint64_t i = 0; i < blocks && first + i * elements < out_.chunks.size(); ++i)
            read_data_block(cursor.u64(), first + i * elements, elements, written,
                            i * ((elements + page_ - 1) / page_));
    }

    void read_data_block(std::uint64_t address, std::uint64_t first, std::uint64_t elements,
                         std::string_view written, std::uint64_t bit) {
        if (address == kNowhere || first >= out_.chunks.size())
            return;
        if (elements > file_.size() / element_)
            fail(ErrorCode::truncated, concat(what_, ": the index of its chunks is cut off"));
        const std::uint64_t prefix = 14 + offset_bytes_;
        if (elements > page_ && written.empty())
            fail_format(what_, "its index of chunks has pages where none should be");
        const bool paged = elements > page_;
        const std::string body =
            read_checked(address, prefix + (paged ? 0 : elements * element_) + kChecksumBytes);
        ByteCursor cursor(body, what_);
        begin(cursor, "EADB");
        cursor.skip(1 + 8 + offset_bytes_);
        if (paged)
            take_pages(address + prefix + kChecksumBytes, written, bit, first, elements, page_);
        else
            take_elements(cursor, first, elements);
    }

    std::uint64_t smallest_ = 0, page_ = 0;
    std::size_t offset_bytes_ = 0;
};

} // namespace

ChunkArray read_fixed_array(const ByteSource& file, std::uint64_t address, std::uint64_t count,
                            const std::string& what) {
    return FixedArray(file, count, what).read(address);
}

ChunkArray read_extensible_array(const ByteSource& file, std::uint64_t address, std::uint64_t count,
                                 const std::string& what) {
    return ExtensibleArray(file, count, what).read(address);
}

} // namespace clip::io::hdf5
