// SPDX-License-Identifier: MIT
// The parts of an HDF5 file, made by hand: what is right is read, what is wrong is refused.
#include <doctest/doctest.h>

#include <zlib.h>

#include "io/hdf5/checksum.hpp"
#include "io/hdf5/chunk_tree.hpp"
#include "io/hdf5/datatype.hpp"
#include "io/hdf5/filters.hpp"
#include "io/hdf5/global_heap.hpp"
#include "io/hdf5/layout.hpp"
#include "io/hdf5/object_header.hpp"
#include "temp_folder.hpp"

using namespace clip;
using namespace clip::io::hdf5;
using clip_test::code_of;
using clip_test::message_of;

namespace {

/// `value` in `bytes` bytes, the lowest first.
std::string le(std::uint64_t value, int bytes) {
    std::string out;
    for (int i = 0; i < bytes; ++i)
        out += static_cast<char>(value >> (8 * i) & 0xff);
    return out;
}

std::string zeros(std::size_t count) {
    return std::string(count, '\0');
}

std::string reference(std::uint32_t length, std::uint64_t address, std::uint32_t number) {
    return le(length, 4) + le(address, 8) + le(number, 4);
}

std::string object(int number, const std::string& bytes) {
    return le(static_cast<std::uint64_t>(number), 2) + le(1, 2) + zeros(4) + le(bytes.size(), 8) +
           bytes + zeros((8 - bytes.size() % 8) % 8);
}

std::string collection(const std::string& objects) {
    return "GCOL" + le(1, 4) + le(16 + objects.size(), 8) + objects;
}

std::string read_heap(const std::string& file, const std::string& ref) {
    const ByteSource source(file, "a.h5");
    return GlobalHeap(source).read(ref, "a.h5: /item: row 0");
}

ErrorCode heap_code(const std::string& file, const std::string& ref) {
    return code_of([&] { (void)read_heap(file, ref); });
}

} // namespace

TEST_CASE("hdf5: checksums of others") {
    // Published with lookup3.c, for hashlittle() with a seed of 0.
    CHECK(metadata_checksum("Four score and seven years ago") == 0x17770551);
    CHECK(metadata_checksum("") == 0xdeadbeef);
    CHECK(fletcher32("") == 0);
    CHECK(fletcher32(std::string(8, '\0')) == 0);
    // 0x0102, 0x0300: sums 0x0402 and 0x0102 + 0x0402.
    CHECK(fletcher32("\x01\x02\x03") == 0x05040402);
    CHECK(fletcher32("\xff\xff") == 0xffffffff);
}

TEST_CASE("hdf5: strings of a global heap") {
    const std::string file =
        zeros(8) + collection(object(2, "second") + object(1, "first of it") + object(7, ""));
    CHECK(read_heap(file, reference(6, 8, 2)) == "second");
    CHECK(read_heap(file, reference(5, 8, 1)) == "first");
    CHECK(read_heap(file, reference(0, 8, 7)).empty());
    CHECK(read_heap(file, reference(0, kNowhere, 99)).empty());
    CHECK(read_heap(file, reference(3, 0, 0)).empty());
    CHECK(read_heap(zeros(8) + collection(object(1, "abc") + object(0, "free space")),
                    reference(3, 8, 1)) == "abc");
    // A last object whose padding is cut off.
    CHECK(read_heap(zeros(8) + "GCOL" + le(1, 4) + le(16 + 19, 8) + le(1, 2) + le(1, 2) + zeros(4) +
                        le(3, 8) + "abc",
                    reference(3, 8, 1)) == "abc");
}

TEST_CASE("hdf5: a global heap that is none is refused") {
    const std::string good = zeros(8) + collection(object(1, "first"));
    CHECK(heap_code(good, reference(6, 8, 1)) == ErrorCode::bad_format);   // longer than stored
    CHECK(heap_code(good, reference(5, 8, 2)) == ErrorCode::bad_format);   // no such object
    CHECK(heap_code(good, reference(5, 8, 0)) == ErrorCode::bad_format);   // free space
    CHECK(heap_code(good, reference(5, 16, 1)) == ErrorCode::bad_format);  // no collection
    CHECK(heap_code(good, reference(5, 4096, 1)) == ErrorCode::truncated); // beyond the file
    CHECK(heap_code(good, reference(5, kNowhere - 3, 1)) == ErrorCode::truncated);
    CHECK(heap_code(good.substr(0, 20), reference(5, 8, 1)) == ErrorCode::truncated);
    CHECK(heap_code(good.substr(0, 40), reference(5, 8, 1)) == ErrorCode::truncated);
    const auto of_size = [](std::uint64_t size, std::uint64_t object_size) {
        return zeros(8) + "GCOL" + le(1, 4) + le(size, 8) + le(1, 2) + le(1, 2) + zeros(4) +
               le(object_size, 8) + "first" + zeros(3);
    };
    CHECK(read_heap(of_size(40, 5), reference(5, 8, 1)) == "first");
    CHECK(heap_code(of_size(0, 5), reference(5, 8, 1)) == ErrorCode::bad_format);
    CHECK(heap_code(of_size(15, 5), reference(5, 8, 1)) == ErrorCode::bad_format);
    CHECK(heap_code(of_size(16, 5), reference(5, 8, 1)) == ErrorCode::bad_format);
    CHECK(heap_code(of_size(41, 5), reference(5, 8, 1)) == ErrorCode::truncated);
    CHECK(heap_code(of_size(std::uint64_t{1} << 40, 5), reference(5, 8, 1)) ==
          ErrorCode::bad_format);
    CHECK(heap_code(of_size(kNowhere, 5), reference(5, 8, 1)) == ErrorCode::bad_format);
    CHECK(heap_code(of_size(40, 9), reference(5, 8, 1)) == ErrorCode::bad_format);
    CHECK(heap_code(of_size(40, kNowhere), reference(5, 8, 1)) == ErrorCode::bad_format);
    CHECK(heap_code(of_size(40, kNowhere - 15), reference(5, 8, 1)) == ErrorCode::bad_format);
    CHECK(heap_code(zeros(8) + collection(object(1, "a") + object(1, "b")), reference(1, 8, 1)) ==
          ErrorCode::bad_format);
    std::string other = good;
    other[8 + 4] = 2; // version
    CHECK(heap_code(other, reference(5, 8, 1)) == ErrorCode::bad_format);
}

TEST_CASE("hdf5: a heap whose collections are asked for without end is a trap") {
    std::string file = zeros(8);
    const std::string big = collection(object(1, std::string(std::size_t{9} << 20, 'x')));
    file += big + big;
    const ByteSource source(file, "a.h5");
    GlobalHeap heap(source);
    const auto read = [&](std::uint64_t address) {
        (void)heap.read(reference(1, address, 1), "a.h5: /item");
    };
    const std::uint64_t second = 8 + big.size();
    CHECK(code_of([&] {
              for (int i = 0; i < 200; ++i) // neither fits the cache beside the other
                  read(i % 2 == 0 ? 8 : second);
          }) == ErrorCode::bad_format);
}

TEST_CASE("hdf5: index of chunks") {
    const ChunkGrid grid{.rank = 1, .rows = 5, .chunk_rows = 2};
    const auto entry = [](std::uint64_t row, std::uint64_t address) {
        return le(20, 4) + le(0, 4) + le(row, 8) + le(0, 8) + le(address, 8);
    };
    const auto node = [](int level, int entries, const std::string& body) {
        return "TREE" + le(1, 1) + le(static_cast<std::uint64_t>(level), 1) +
               le(static_cast<std::uint64_t>(entries), 2) + zeros(16) + body;
    };
    const auto read = [&](const std::string& file, std::uint64_t root = 0) {
        const std::string bytes = file + zeros(100);
        const ByteSource source(bytes, "a.h5");
        return read_chunk_tree(source, root, grid, "a.h5: /kind");
    };
    const auto code = [&](const std::string& file) { return code_of([&] { (void)read(file); }); };
    const auto chunks = read(node(0, 2, entry(4, 60) + entry(0, 40)));
    REQUIRE(chunks.size() == 3);
    CHECK(chunks[0].address == 40);
    CHECK(chunks[0].stored == 20);
    CHECK(chunks[1].address == kNowhere);
    CHECK(chunks[2].address == 60);
    CHECK(read("", kNowhere)[0].address == kNowhere);
    const std::string leaf = node(0, 1, entry(2, 30));
    CHECK(read(node(1, 1, entry(0, 24 + 32)) + leaf)[1].address == 30);
    CHECK(code(node(1, 1, entry(0, 0))) == ErrorCode::bad_format);                 // a circle
    CHECK(code(node(0, 2, entry(0, 40) + entry(0, 40))) == ErrorCode::bad_format); // twice
    CHECK(code(node(0, 1, entry(1, 40))) == ErrorCode::bad_format);                // inside one
    CHECK(code(node(0, 1, entry(6, 40))) == ErrorCode::bad_format);                // outside
    CHECK(code(node(0, 1, entry(0, 5000))) == ErrorCode::truncated);
    CHECK(code(node(0, 1, entry(0, kNowhere - 8))) == ErrorCode::truncated);
    CHECK(code(node(0, 60000, entry(0, 40))) == ErrorCode::truncated);
    CHECK(code("TREF" + zeros(40)) == ErrorCode::bad_format);
    std::string group = leaf;
    group[4] = 0; // an index of names
    CHECK(code(group) == ErrorCode::bad_format);
    // A graph of nodes that are all right each for itself.
    std::string wide;
    for (int level = 8; level > 0; --level) {
        std::string body;
        for (int i = 0; i < 20; ++i)
            body += entry(0, wide.size() + 24 + 20 * 32);
        wide += node(level, 20, body);
    }
    CHECK(code(wide + node(0, 0, "")) == ErrorCode::bad_format);
}

TEST_CASE("hdf5: object headers") {
    const auto read = [](const std::string& file) {
        const ByteSource source(file, "a.h5");
        return read_object_header(source, 0, "a.h5");
    };
    const auto code = [&](const std::string& file) { return code_of([&] { (void)read(file); }); };
    const auto message = [](int type, const std::string& body) {
        return le(static_cast<std::uint64_t>(type), 2) + le(body.size(), 2) + zeros(4) + body;
    };
    const auto header = [](const std::string& messages) {
        return le(1, 2) + le(1, 2) + le(1, 4) + le(messages.size(), 8) + messages;
    };
    const auto one = read(header(message(0, "nothing.") + message(3, "datatype")));
    REQUIRE(one.size() == 1);
    CHECK(one[0].type == MessageType::datatype);
    CHECK(one[0].body == "datatype");
    const std::string first = header(message(0x10, le(16 + 24, 8) + le(16, 8)));
    CHECK(read(first + message(3, "datatype")).size() == 1);
    CHECK(code(header(message(0x10, le(16, 8) + le(24, 8)))) == ErrorCode::bad_format); // a circle
    CHECK(code(first) == ErrorCode::truncated);
    CHECK(code(header(message(0x10, le(kNowhere, 8) + le(16, 8)))) == ErrorCode::truncated);
    CHECK(code(header(message(0x10, le(0, 8) + le(kNowhere, 8)))) == ErrorCode::bad_format);
    CHECK(code(header(le(3, 2) + le(500, 2) + zeros(4))) == ErrorCode::bad_format);
    CHECK(code(zeros(40)) == ErrorCode::bad_format);
    CHECK(code("") == ErrorCode::truncated);
    const std::string body = std::string("OHDR") + le(2, 1) + le(0, 1) + le(12, 1) + le(3, 1) +
                             le(8, 2) + le(0, 1) + "datatype";
    const std::string second = body + le(metadata_checksum(body), 4);
    REQUIRE(read(second).size() == 1);
    CHECK(read(second)[0].body == "datatype");
    std::string changed = second;
    changed[body.size() - 1] = 'f';
    CHECK(code(changed) == ErrorCode::bad_format);
    CHECK(code(second.substr(0, second.size() - 1)) == ErrorCode::truncated);
}

TEST_CASE("hdf5: filters") {
    const std::string plain = "00112233445566778899aabbccddeeff";
    std::string packed(200, '\0');
    uLongf size = packed.size();
    REQUIRE(compress(reinterpret_cast<Bytef*>(packed.data()), &size,
                     reinterpret_cast<const Bytef*>(plain.data()), plain.size()) == Z_OK);
    packed.resize(size);
    const std::vector<Filter> deflate = {{Filter::Kind::deflate}};
    const auto undo = [](const std::string& bytes, const std::vector<Filter>& filters,
                         std::size_t want, std::uint32_t skipped = 0) {
        return undo_filters(bytes, filters, skipped, want, "a.h5: /kind: chunk of row 0");
    };
    CHECK(undo(packed, deflate, plain.size()) == plain);
    CHECK(undo(plain, deflate, plain.size(), 1) == plain);
    CHECK(undo("ACEBDFx", {{Filter::Kind::shuffle, 2}}, 7) == "ABCDEFx");
    CHECK(undo("ABC", {{Filter::Kind::shuffle, 0}}, 3) == "ABC");
    CHECK(undo("\x01\x02\x03" + le(0x05040402, 4), {{Filter::Kind::fletcher32}}, 3) ==
          "\x01\x02\x03");
    const auto code = [&](const std::string& bytes, const std::vector<Filter>& filters,
                          std::size_t want) {
        return code_of([&] { (void)undo(bytes, filters, want); });
    };
    CHECK(code("\x01\x02\x03" + le(0x05040403, 4), {{Filter::Kind::fletcher32}}, 3) ==
          ErrorCode::bad_format);
    CHECK(code("abc", {{Filter::Kind::fletcher32}}, 3) == ErrorCode::truncated);
    CHECK(code(packed, deflate, plain.size() + 1) == ErrorCode::truncated);
    CHECK(code(packed, deflate, plain.size() - 20) == ErrorCode::bad_format);
    CHECK(code(packed.substr(0, packed.size() / 2), deflate, plain.size()) == ErrorCode::truncated);
    CHECK(code("not zlib", deflate, plain.size()) == ErrorCode::bad_format);
    CHECK(code("", deflate, plain.size()) == ErrorCode::truncated);

    const auto list = [](int id, const std::string& rest) {
        return le(2, 1) + le(1, 1) + le(static_cast<std::uint64_t>(id), 2) + rest;
    };
    CHECK(parse_filters(list(2, le(0, 2) + le(1, 2) + le(4, 4)), "a.h5")[0].element == 4);
    CHECK(message_of([&] {
              (void)parse_filters(list(32001, le(0, 2) + le(0, 2) + le(0, 2)), "a.h5: /kind");
          }).starts_with("a.h5: /kind: stored with blosc"));
    CHECK(code_of([&] { (void)parse_filters(list(1, le(0, 2) + le(9, 2)), "a.h5"); }) ==
          ErrorCode::bad_format);
}

TEST_CASE("hdf5: numbers of attributes") {
    const Datatype i8{Datatype::Kind::integer, 1, false, true};
    const Datatype u16{Datatype::Kind::integer, 2, true};
    const Datatype u64{Datatype::Kind::integer, 8};
    const Datatype f32{Datatype::Kind::real, 4, true};
    CHECK(integer_of(i8, "\xfe", "a") == -2);
    CHECK(integer_of(u16, "\x01\x02", "a") == 258);
    CHECK(integer_of(u64, std::string(8, '\xff'), "a") == INT64_MAX);
    CHECK(real_of(f32, std::string("\x3f\x80\0\0", 4), "a") == 1.0);
    CHECK(integer_of(f32, std::string("\x3f\x80\0\0", 4), "a") == 1);
    CHECK(code_of([&] { (void)integer_of(f32, std::string("\x7f\xc0\0\0", 4), "a"); }) ==
          ErrorCode::bad_format); // NaN
    CHECK(code_of([&] { (void)integer_of(u64, "1234567", "a"); }) == ErrorCode::bad_format);
    CHECK(code_of([&] { (void)real_of({}, "1", "a"); }) == ErrorCode::bad_format);
    const Datatype spaces{Datatype::Kind::fixed_string, 8, false, false, true};
    CHECK(fixed_string_of(spaces, "a b   ") == "a b");
    CHECK(fixed_string_of(spaces, "      ").empty());
}
