// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <random>

#include "io/mapped_file.hpp"
#include "io/pickle.hpp"
#include "io/temp_folder.hpp"
#include "io/zip_archive.hpp"

using namespace clip;
using namespace clip::io;
using namespace clip_test;
using namespace std::string_literals;

namespace {

using Kind = PickleValue::Kind;

Pickle parse(const std::string& bytes) {
    return Pickle(std::as_bytes(std::span(bytes)), "test");
}

ErrorCode code_of_pickle(const std::string& bytes) {
    return code_of([&] { parse(bytes); });
}

std::string golden_pickle() {
    const ZipArchive archive(
        MappedFile::open(CLIP_TEST_DIR "/golden/micro-vit-openai-jit/model.pt"));
    const ZipEntry* entry = archive.find("model/data.pkl");
    REQUIRE(entry != nullptr);
    return {reinterpret_cast<const char*>(entry->bytes.data()), entry->bytes.size()};
}

} // namespace

TEST_CASE("pickle: reads numbers and strings of every protocol") {
    CHECK(parse("I-12\n.").root().integer == -12);
    CHECK(parse("I01\n.").root().kind == Kind::boolean);
    CHECK(parse("L123L\n.").root().integer == 123);
    CHECK(parse("J\xff\xff\xff\xff.").root().integer == -1);
    CHECK(parse("M\xff\xff.").root().integer == 65535);
    CHECK(parse("\x8a\x02\x00\xff."s).root().integer == -256);
    CHECK(parse("\x8a\x00."s).root().integer == 0);
    CHECK(parse("\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f."s).root().integer == INT64_MAX);
    CHECK(parse("\x8a\x09\xff\xff\xff\xff\xff\xff\xff\xff\x00."s).root().kind == Kind::bytes);
    CHECK(parse("G\x3f\xf8\0\0\0\0\0\0."s).root().real == 1.5);
    CHECK(parse("F1.5\n.").root().real == 1.5);
    CHECK(parse("S'abc'\n.").root().text == "abc");
    CHECK(parse("X\x03\0\0\0abc."s).root().text == "abc");
    CHECK(parse("\x8c\x03"
                "abc.")
              .root()
              .text == "abc");
    CHECK(parse("N.").root().kind == Kind::none);
}

TEST_CASE("pickle: builds containers, shared values included") {
    const Pickle pickle = parse("\x80\x02}q\x00(X\x01\0\0\0aK\x01X\x01\0\0\0b](K\x02K\x03h\x00"
                                "eu."s);
    const PickleValue* b = pickle.find(pickle.root(), "b");
    REQUIRE(b != nullptr);
    REQUIRE(b->items.size() == 3);
    CHECK(pickle[b->items[1]].integer == 3);
    CHECK(b->items[2] == pickle.root_index()); // the list holds the dict that holds it
    CHECK(pickle.find(pickle.root(), "a")->integer == 1);
    CHECK(pickle.find(pickle.root(), "c") == nullptr);
    CHECK(parse("(K\x01K\x02K\x03t.").root().items.size() == 3);
    CHECK(parse("K\x01K\x02\x86.").root().items.size() == 2);
    CHECK(parse("(S'a'\nK\x01"
                "d.")
              .root()
              .items.size() == 2);
}

TEST_CASE("pickle: an OrderedDict is a dict, and its attributes are no items") {
    const Pickle pickle =
        parse("ccollections\nOrderedDict\n)R(X\x01\0\0\0aK\x01u}X\x09\0\0\0_metadataN"
              "sb."s);
    CHECK(pickle.root().kind == Kind::dict);
    CHECK(pickle.root().items.size() == 2);
    const Pickle old = parse("ccollections\nOrderedDict\n(((S'a'\nK\x05tltR.");
    CHECK(old.root().kind == Kind::dict);
}

TEST_CASE("pickle: a call is a record of its name and never happens") {
    const Pickle pickle = parse("cos\nsystem\n(S'touch /nowhere'\ntR.");
    REQUIRE(pickle.root().kind == Kind::call);
    CHECK(pickle[pickle.root().items[0]].text == "os.system");
    CHECK(parse("\x8c\x02os\x8c\x06system\x93.").root().text == "os.system");
    const Pickle object = parse("ca\nB\n)\x81}X\x01\0\0\0xK\x07"
                                "sb."s);
    REQUIRE(object.root().items.size() == 3);
    CHECK(object.find(object[object.root().items[2]], "x")->integer == 7);
}

TEST_CASE("pickle: refuses what does not follow the format") {
    CHECK(code_of_pickle("") == ErrorCode::truncated);
    CHECK(code_of_pickle(".") == ErrorCode::bad_format);            // nothing made
    CHECK(code_of_pickle("t.") == ErrorCode::bad_format);           // no mark
    CHECK(code_of_pickle("K\x01((0000.") == ErrorCode::bad_format); // below the bottom
    CHECK(code_of_pickle("K\x01(\x85.") == ErrorCode::bad_format);  // through a mark
    CHECK(code_of_pickle("h\x05.") == ErrorCode::bad_format);
    CHECK(code_of_pickle("q\x05.") == ErrorCode::bad_format);
    CHECK(code_of_pickle("K\x01K\x02s.") == ErrorCode::bad_format);
    CHECK(code_of_pickle("}K\x01K\x02K\x03(K\x01u.") == ErrorCode::bad_format);
    CHECK(code_of_pickle("K\x01K\x02R.") == ErrorCode::bad_format);
    CHECK(code_of_pickle("Ix\n.") == ErrorCode::bad_format);
    CHECK(code_of_pickle("X\xff\xff\xff\xff"
                         "a.") == ErrorCode::truncated);
    CHECK(code_of_pickle("\x8d\xff\xff\xff\xff\xff\xff\xff\xff"
                         "a.") == ErrorCode::truncated);
    CHECK(code_of_pickle("\x82\x01.") == ErrorCode::unsupported); // the EXT1 registry
    CHECK(code_of_pickle("\x80\x06N.") == ErrorCode::unsupported);
    CHECK(code_of_pickle("K\x01"
                         "b.") == ErrorCode::bad_format);
}

TEST_CASE("pickle: input that multiplies itself is stopped") {
    // 2,000 pairs in a list, made into an OrderedDict again and again.
    std::string bomb = "](";
    for (int i = 0; i < 2000; ++i)
        bomb += "K\x01K\x02\x86";
    bomb += "eq"s + '\0';
    for (int i = 0; i < 20000; ++i)
        bomb += "ccollections\nOrderedDict\n(h\0tR"s;
    CHECK(code_of_pickle(bomb + ".") == ErrorCode::bad_format);
    std::string names = "X\xff\xff\0\0"s + std::string(65535, 'a') + "q\0"s;
    for (int i = 0; i < 100; ++i)
        names += "h\0h\0\x93"s;
    CHECK(code_of_pickle(names + ".") == ErrorCode::bad_format);
    CHECK(code_of_pickle(std::string(3'000'000, 'N') + ".") == ErrorCode::bad_format);
    CHECK(parse(std::string(1'000'000, '(') + "N.").root().kind == Kind::none);
}

TEST_CASE("pickle: every prefix of a real one is truncated") {
    const std::string whole = golden_pickle();
    REQUIRE(whole.size() > 1000);
    CHECK(parse(whole).consumed() == whole.size());
    for (std::size_t size = 0; size < whole.size(); ++size)
        CHECK(code_of_pickle(whole.substr(0, size)) == ErrorCode::truncated);
}

TEST_CASE("pickle: a flipped bit of a real one gives an error or a value") {
    const std::string whole = golden_pickle();
    std::mt19937 random(7);
    int refused = 0;
    for (int round = 0; round < 2000; ++round) {
        std::string bytes = whole;
        const std::size_t at = random() % bytes.size();
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
        refused += code_of_pickle(bytes) == ErrorCode::internal ? 0 : 1;
    }
    CHECK(refused > 200);
    CHECK(refused < 2000);
}
