// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <numeric>
#include <random>

#include <nlohmann/json.hpp>

#include "base/concat.hpp"
#include "io/tar_reader.hpp"
#include "tar_builder.hpp"
#include "temp_folder.hpp"

using namespace clip;
using namespace clip::io;
using clip_test::code_of;
using clip_test::message_of;
using clip_test::TarBuilder;
using clip_test::TempFolder;

namespace {

/// "name=content" of all members.
std::vector<std::string> members_of(const std::string& bytes) {
    const TempFolder folder;
    clip_test::write_file(folder / "a.tar", bytes);
    TarReader reader(folder / "a.tar");
    std::vector<std::string> out;
    std::vector<std::uint8_t> content;
    TarMember member;
    while (reader.next(member)) {
        reader.read(member, content);
        out.push_back(member.name + "=" + std::string(content.begin(), content.end()));
    }
    CHECK_FALSE(reader.next(member));
    return out;
}

using Members = std::vector<std::string>;

std::string pax(const std::string& key, const std::string& value) {
    std::size_t length = key.size() + value.size() + 3;
    std::string digits = concat(length + 1);
    digits = concat(length + digits.size());
    return digits + " " + key + "=" + value + "\n";
}

} // namespace

TEST_CASE("tar: what Python's tarfile wrote") {
    for (const char* kind : {"ustar", "gnu", "pax"}) {
        CAPTURE(kind);
        const std::string path = concat(CLIP_TEST_DIR "/golden/training_data/", kind, ".tar");
        TarReader reader(path);
        std::ifstream golden(path + ".jsonl");
        TarMember member;
        std::vector<std::uint8_t> content;
        std::vector<std::uint64_t> headers;
        int seen = 0;
        for (std::string line; std::getline(golden, line); ++seen) {
            const auto wanted = nlohmann::json::parse(line);
            REQUIRE(reader.next(member));
            CHECK(member.name == wanted["name"]);
            CHECK(member.size == wanted["size"]);
            CHECK(member.header == wanted["first"]);
            CHECK(member.data == wanted["data"]);
            reader.read(member, content);
            CHECK(std::accumulate(content.begin(), content.end(), 0) == wanted["sum"]);
            headers.push_back(member.header);
        }
        CHECK_FALSE(reader.next(member));
        CHECK(seen >= 9);
        // Long names are found from where their headers begin.
        reader.seek(headers.back());
        REQUIRE(reader.next(member));
        CHECK(member.header == headers.back());
    }
}

TEST_CASE("tar: what is passed over, and how an archive may end") {
    TarBuilder tar;
    tar.add("folder/", "").add("a", "1").add("folder", "", '5').add("link", "", '2');
    tar.header("hard", "00000000777", '1'); // a size, but no bytes
    tar.add("device", "", '3')
        .add("odd", "unknown type", 'Z')
        .add("old", "2", '\0')
        .add("b", "3", '7');
    const Members all = {"a=1", "old=2", "b=3"};
    CHECK(members_of(tar.finish()) == all);
    CHECK(members_of(tar.bytes) == all);                             // no blocks of zeros
    CHECK(members_of(tar.bytes + std::string(512, '\0')) == all);    // one
    CHECK(members_of(tar.finish() + std::string(9999, 'x')) == all); // and what follows them
    CHECK(members_of(std::string(1024, '\0')).empty());
    // Joined archives with a lone block of zeros between them.
    TarBuilder more;
    more.add("c", "4");
    CHECK(members_of(tar.bytes + std::string(512, '\0') + more.finish()) ==
          Members{"a=1", "old=2", "b=3", "c=4"});
    // The last file's padding is missing.
    TarBuilder last;
    last.add("d", "12345");
    CHECK(members_of(last.bytes.substr(0, 512 + 5)) == Members{"d=12345"});
}

TEST_CASE("tar: names and sizes of every spelling") {
    TarBuilder tar;
    tar.add("././@LongLink", std::string(200, 'n') + '\0', 'L').add("cut", "1");
    tar.add("pax", pax("path", "p/q") + pax("mtime", "1.5") + pax("comment", "a=b\nc"), 'x')
        .add("r", "2");
    tar.add("global", pax("comment", "all"), 'g').add("s", "3");
    tar.add("link", std::string(150, 'l') + '\0', 'K').add("t", "4");
    tar.header("u", std::string("\x80\0\0\0\0\0\0\0\0\0\0\x03", 12)).bytes +=
        std::string("xyz") + std::string(509, '\0');
    tar.header("v", "       1    ").bytes += "5" + std::string(511, '\0');
    tar.add("pax", pax("size", "2"), 'x').header("w", "00000000000").bytes +=
        "67" + std::string(510, '\0');
    CHECK(members_of(tar.finish()) ==
          Members{std::string(200, 'n') + "=1", "p/q=2", "s=3", "t=4", "u=xyz", "v=5", "w=67"});
    // The sum of signed bytes, as old programs made it.
    TarBuilder old;
    old.add("\xff\xfe", "1");
    std::string bytes = old.bytes;
    const auto sum = std::stoul(bytes.substr(148, 6), nullptr, 8) - 512;
    bytes.replace(148, 6, TarBuilder::octal(sum, 6));
    CHECK(members_of(bytes) == Members{"\xff\xfe=1"});
}

TEST_CASE("tar: hostile archives") {
    const auto code = [](const std::string& bytes) { return code_of([&] { members_of(bytes); }); };
    CHECK(code("") == ErrorCode::bad_format);
    CHECK(code("short") == ErrorCode::truncated);
    CHECK(code(std::string(700, 'x')) == ErrorCode::bad_format);
    CHECK(code("\x1f\x8b\x08" + std::string(700, 'x')) == ErrorCode::bad_format);
    CHECK(message_of([] { members_of("\x1f\x8b\x08"); }).find("compressed") != std::string::npos);
    CHECK(code_of([] { TarReader reader("/nowhere/a.tar"); }) == ErrorCode::not_found);
    CHECK(code_of([] { TarReader reader("/dev"); }) == ErrorCode::bad_format);

    TarBuilder good;
    good.add("a.txt", "hello");
    std::string damaged = good.finish();
    damaged[3] ^= 1;
    CHECK(code(damaged) == ErrorCode::bad_format);
    CHECK(code(good.bytes + std::string(100, '\0')) == ErrorCode::truncated);

    const auto header = [](std::string_view size, char type = '0') {
        return TarBuilder().header("a", size, type).finish();
    };
    CHECK(code(header("77777777777")) == ErrorCode::truncated);
    CHECK(code(header("77777777777", 'L')) == ErrorCode::bad_format);
    CHECK(code(header("00000777777", 'x')) == ErrorCode::truncated);
    CHECK(code(header("0000000000x")) == ErrorCode::bad_format);
    CHECK(code(header("-0000000001")) == ErrorCode::bad_format);
    CHECK(code(header(std::string(12, '\xff'))) == ErrorCode::bad_format);
    CHECK(code(header("\x80" + std::string(11, '\xff'))) == ErrorCode::bad_format);
    CHECK(code(header(std::string("\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", 12))) ==
          ErrorCode::truncated);
    CHECK(code(header("00000000000", 'S')) == ErrorCode::unsupported);
    CHECK(code(TarBuilder().header("", "00000000000").finish()) == ErrorCode::bad_format);
    CHECK(code(TarBuilder().add("x", std::string("n\0", 2), 'L').finish()) == ErrorCode::truncated);
    CHECK(code(TarBuilder().add("x", std::string("n\0", 2), 'L').bytes) == ErrorCode::truncated);
    CHECK(code(TarBuilder().add("x", std::string("\0", 1), 'L').add("", "").finish()) ==
          ErrorCode::bad_format);

    for (const std::string& records :
         {std::string("x"), std::string("9 path=a"), std::string("99 path=a\n"),
          std::string("0 path=a\n"), std::string("5 a\n"), std::string("7 path\n"),
          std::string("8 path=\n"), std::string("-9 path=a\n"),
          std::string("99999999999999999999999 a=b\n"), pax("path", std::string("a\0b", 3)),
          pax("size", "1x"), pax("size", "-1"), pax("size", "99999999999999999999")}) {
        CAPTURE(records);
        CHECK(code(TarBuilder().add("x", records, 'x').add("a", "1").finish()) ==
              ErrorCode::bad_format);
    }
    CHECK(code(TarBuilder()
                   .add("x", pax("size", "18446744073709551615"), 'x')
                   .add("a", "1")
                   .finish()) == ErrorCode::truncated);
    CHECK(code(TarBuilder().add("x", pax("GNU.sparse.major", "1"), 'x').add("a", "1").finish()) ==
          ErrorCode::unsupported);

    // Any damage ends in an error or in members, never in a crash.
    std::string whole = clip_test::read_file(CLIP_TEST_DIR "/golden/training_data/pax.tar");
    std::mt19937 random(5);
    for (int i = 0; i < 300; ++i) {
        std::string bytes = whole.substr(0, random() % whole.size() + 1);
        for (int b = 0; b < 3; ++b)
            bytes[random() % bytes.size()] = static_cast<char>(random());
        try {
            members_of(bytes);
        } catch (const Error&) {
        }
    }
}
