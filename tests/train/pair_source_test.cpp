// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <filesystem>

#include "io/tar_builder.hpp"
#include "train/caption_text.hpp"
#include "train/tokenizer_files.hpp"
#include "train_data.hpp"

using namespace clip;
using namespace clip::train;
using clip_test::code_of;
using clip_test::message_of;
using clip_test::Opened;
using clip_test::TarBuilder;
using clip_test::TempFolder;
using clip_test::write_file;

namespace {

using Lines = std::vector<std::string>;

/// A file `name` with `content` in a folder of its own, read whole. Paths begin with "/": what is
/// before it is cut off.
struct OneFile {
    TempFolder folder;
    Opened opened;

    OneFile(const std::string& name, const std::string& content, Lines columns = {})
        : opened({put(name, content)}, std::move(columns)) {}
    std::string put(const std::string& name, const std::string& content) const {
        write_file(folder / name, content);
        return folder / name;
    }
    Lines lines() const {
        Lines out;
        for (std::uint64_t i = 0; i < opened.pairs->size(); ++i) {
            std::string line;
            try {
                line = opened.line(i);
            } catch (const Error& error) {
                line = concat("! ", error.what());
            }
            for (std::size_t at; (at = line.find(folder.path())) != std::string::npos;)
                line.erase(at, folder.path().size());
            out.push_back(line);
        }
        return out;
    }
};

} // namespace

TEST_CASE("pairs: tables with a header") {
    CHECK(OneFile("a.csv",
                  "id,Title , FilePath\n1,\"a \"\"dog\"\", here\",x/1.jpg\r\n2,cat,/abs/2.jpg\n")
              .lines() == Lines{"/x/1.jpg: a \"dog\", here", "/abs/2.jpg: cat"});
    CHECK(
        OneFile("a.tsv", "\xef\xbb\xbfimage\tcaption\n../1.jpg\t\"a\" dog\n\n2.jpg\t\n").lines() ==
        Lines{"/../1.jpg: \"a\" dog", "/2.jpg: "});
    // `path` counts before `image`, `text` before `title`.
    CHECK(OneFile("A.CSV", "image,path,title,text\n1,2,3,4").lines() == Lines{"/2: 4"});
    CHECK(OneFile("a.csv", "path,text\n1,2,\n4\n,5\n\"6\n7\",8\n9,a red, dog\n").lines() ==
          Lines{"/1: 2", "! /a.csv: row 2: too few fields (got 1, want at least 2)",
                "! /a.csv: row 3: no picture is named", "/6\n7: 8",
                "! /a.csv: row 5: too many fields (got 3, the header names 2; captions may have to "
                "be quoted)"});
}

TEST_CASE("pairs: columns by name and by number") {
    CHECK(OneFile("a.csv", "u,V\n1.jpg,a\n", {"U", "v"}).lines() == Lines{"/1.jpg: a"});
    CHECK(OneFile("a.csv", "a cat,x,1.jpg\na dog,y,2.jpg\n", {"3", "1"}).lines() ==
          Lines{"/1.jpg: a cat", "/2.jpg: a dog"});
    CHECK(OneFile("a.tsv", "1.jpg\ta\n", {"1", "2"}).lines() == Lines{"/1.jpg: a"});
    // A header is seen where it names just these columns.
    CHECK(OneFile("a.tsv", "Image\tcaption\n1.jpg\ta\n", {"1", "2"}).lines() == Lines{"/1.jpg: a"});
    const auto message = [](const std::string& content, const Lines& columns) {
        return message_of([&] { OneFile("a.csv", content, columns); });
    };
    const auto ends = [](const std::string& text, const std::string& end) {
        CAPTURE(text);
        CHECK(text.ends_with(end));
    };
    ends(message("a,b\n1,2\n", {}),
         "a.csv: no column for pictures (such as 'path' or 'image'); the first row has "
         "'a', 'b'; --columns says which to take");
    ends(message("path,b\n1,2\n", {}),
         "no column for captions (such as 'text' or 'caption'); the first row has "
         "'path', 'b'; --columns says which to take");
    ends(message("path,b\n1,2\n", {"path", "c"}),
         "no column for captions named 'c'; the first row has 'path', 'b'");
    ends(message("x,y\n", {"1", "3"}),
         "no such column (want columns 1 and 3, its first row has 2: 'x', 'y')");
    ends(message("x,y\n", {"0", "1"}), "(want columns 0 and 1, its first row has 2: 'x', 'y')");
    ends(message("x,y\n", {"2", "2"}), "one column cannot be both (got 2)");
    ends(message("path,text\n", {}), "a.csv: no row but the header");
    ends(message("path,text\n1,2", {"1"}),
         "the columns are two, the pictures' and the captions' (got 1)");
}

TEST_CASE("pairs: what is wrong with a list as a whole") {
    const auto code = [](const std::string& name, const std::string& content) {
        return code_of([&] { OneFile(name, content); });
    };
    CHECK(code("a.csv", "") == ErrorCode::bad_format);
    CHECK(code("a.csv", "\xef\xbb\xbf\n \n") == ErrorCode::bad_format);
    CHECK(code("a.jsonl", "\n\n") == ErrorCode::bad_format);
    CHECK(code("a.tsv", "\xff\xfep\0a\0t\0h") == ErrorCode::bad_format);
    CHECK(code("a.txt", "x") == ErrorCode::invalid_argument);
    CHECK(code("tar", "x") == ErrorCode::invalid_argument);
    CHECK(code_of([] { Opened({"/nowhere/x.csv"}); }) == ErrorCode::not_found);
    CHECK(code_of([] { Opened({"/nowhere/x"}); }) == ErrorCode::not_found);
    CHECK(code_of([] { Opened({"/nowhere/x.tar"}); }) == ErrorCode::not_found);
    CHECK(code_of([] { Opened(Lines{}); }) == ErrorCode::invalid_argument);
}

TEST_CASE("pairs: a quote that never ends costs one row, and is told") {
    const OneFile file("a.csv", "path,text\n1,\"never\n2,two\n3,three\n");
    CHECK(file.lines() == Lines{"/2: two", "/3: three"});
    REQUIRE(file.opened.problems.size() == 1);
    CHECK(file.opened.problems[0].ends_with(
        "a.csv:2: the line is left out: its quoted field never ends"));
    const OneFile last("a.csv", "path,text\n1,one\n2,\"two\n");
    CHECK(last.lines() == Lines{"/1: one"});
    const OneFile longest("a.tsv", "path\ttext\n1\t" + std::string(2 << 20, 'x') + "\n2\ttwo\n");
    CHECK(longest.lines() == Lines{"/2: two"});
    CHECK(longest.opened.problems.size() == 1);
}

TEST_CASE("pairs: JSON lines") {
    const OneFile file(
        "a.jsonl",
        "{\"path\":\"1.jpg\",\"text\":\"one\"}\r\n\n"
        "  {\"text\":\"two\",\"id\":7,\"path\":\"file:caf%E9.jpg\"}\n"
        "{\"path\":\"3.jpg\"}\n{\"text\":\"4\"}\n3.jpg\n{\"path\":\"5\",\"text\":5}\n{\"path\":");
    const Lines lines = file.lines();
    REQUIRE(lines.size() == 7);
    CHECK(lines[0] == "/1.jpg: one");
    CHECK(lines[1] == "/caf\xe9.jpg: two");
    CHECK(lines[2] == "! /a.jsonl: record 3: no \"text\"");
    CHECK(lines[3] == "! /a.jsonl: record 4: no \"path\"");
    CHECK(lines[4] == "! /a.jsonl: record 5: not a JSON object");
    CHECK(lines[5].starts_with("! /a.jsonl: record 6: "));
    CHECK(lines[6].starts_with("! /a.jsonl: record 7: "));
}

TEST_CASE("pairs: JSON lines with several captions") {
    const OneFile file("a.jsonl", R"({"text":["one"," ","a \"1\""],"path":"1.jpg"})"
                                  "\n"
                                  R"({"path":"2.jpg","text":[]})"
                                  "\n"
                                  R"({"path":"3.jpg","text":["  "]})"
                                  "\n"
                                  R"({"path":"4.jpg","text":["a",4]})"
                                  "\n"
                                  R"({"path":"5.jpg","text":["a"],"text":"b"})"
                                  "\n"
                                  R"({"path":"","text":["a"]})"
                                  "\n"
                                  R"({"path":"7.jpg","text":["a"]} 7)"
                                  "\n"
                                  R"({"path":"8.jpg","text":["a","b")"
                                  "\n"
                                  "{\"path\":\"9\\u0000.jpg\",\"text\":\"a\"}\n"
                                  "{\"path\":\"10.jpg\",\"text\":\"\xff\"}\n"
                                  R"({"path":"11.jpg","text":""})");
    const Lines lines = file.lines();
    REQUIRE(lines.size() == 11);
    CHECK(lines[0] == "/1.jpg: one|a \"1\"");
    CHECK(lines[1] == "! /a.jsonl: record 2: no \"text\"");
    CHECK(lines[2] == "! /a.jsonl: record 3: no \"text\"");
    CHECK(lines[3].find("a caption must be a string") != std::string::npos);
    CHECK(lines[4] == "! /a.jsonl: record 5: the key \"text\" is there twice");
    CHECK(lines[5] == "! /a.jsonl: record 6: no \"path\"");
    CHECK(lines[6].find("text after the object") != std::string::npos);
    CHECK(lines[7].starts_with("! /a.jsonl: record 8: "));
    CHECK(lines[8] == "! /a.jsonl: record 9: the path holds a NUL character");
    CHECK(lines[9].find("not UTF-8 at column 26") != std::string::npos);
    CHECK(lines[10] == "/11.jpg: "); // a lone caption that is blank is told when it is used
    Lines captions;
    file.opened.pairs->read_captions(0, captions);
    CHECK(captions == Lines{"one", "a \"1\""});
    CHECK(code_of([&] { file.opened.pairs->read_captions(7, captions); }) == ErrorCode::truncated);
}

TEST_CASE("pairs: a list that changes under us") {
    const OneFile file("a.tsv", "path\ttext\n1\tone\n2\ttwo\n");
    write_file(file.folder / "a.tsv", "path\ttext\n");
    CHECK(file.lines()[0].starts_with("! "));
    CHECK(file.lines()[1].starts_with("! "));
}

TEST_CASE("pairs: a folder") {
    const TempFolder folder;
    std::filesystem::create_directories(folder / "b/c");
    for (const char* name :
         {"2.png", "b/1.jpg", "b/c/3.webp", "b/none.jpg", "b/empty.jpg", "b.jpg"})
        write_file(folder / name, "picture");
    write_file(folder / "2.txt", "two\r\n\n  deux \n");
    write_file(folder / "b/1.txt", "one");
    write_file(folder / "b/c/3.txt", "\xef\xbb\xbfthree\n");
    write_file(folder / "b/empty.txt", " \n");
    write_file(folder / "b/alone.txt", "nothing");
    write_file(folder / "1.txt", "another folder's");
    for (const std::string& path : {folder.path(), folder.path() + "/"}) {
        const Opened opened({path});
        REQUIRE(opened.pairs->size() == 4);
        CHECK(opened.line(0) == folder / "2.png: two|deux");
        CHECK(opened.line(1) == folder / "b/1.jpg: one");
        CHECK(opened.line(2) == folder / "b/c/3.webp: three");
        CHECK(message_of([&] { opened.read(3); }).ends_with("b/empty.txt: it holds no caption"));
        REQUIRE(opened.problems.size() == 1);
        CHECK(opened.problems[0].ends_with(
            "2 of 6 pictures are left out: no .txt with a caption is beside them"));
        CHECK(opened.pairs->shards().empty());
    }
    CHECK(message_of([&] { Opened({folder / "b/c/../none"}); }).find("no such file") !=
          std::string::npos);
    const TempFolder bare;
    CHECK(message_of([&] { Opened({bare.path()}); }).ends_with(": no pictures are in it"));
    write_file(bare / "1.jpg", "x");
    CHECK(message_of([&] {
              Opened({bare.path()});
          }).ends_with(": none of its 1 pictures has a .txt with its caption beside it"));
}

TEST_CASE("pairs: shards") {
    TarBuilder tar;
    tar.add("a/0.jpg", "p0").add("a/0.txt", "zero\nnull\n").add("a/0.cls", "7");
    tar.add("a/1.v2.json", "{}")
        .add("a/1.json", "{\"text\":\"t\",\"caption\":[\"one\",\" \",\"uno\"],\"k\":[1]}")
        .add("a/1.seg.png", "no")
        .add("a/1.PNG", "p1");
    tar.add("2.txt", "lonely").add("3.jpg", "lonely");
    tar.add("4.jpg", "p4").add("4.json", "{\"caption\":null,\"text\":\"four\"}");
    tar.add("5.jpg", "p5").add("5.json", "{\"caption\":");
    tar.add("6.jpg", "p6").add("6.txt", " ");
    tar.add("x.y/7.jpg", "p7").add("x.y/7.txt", "seven").add("x.z/7.txt", "lonely");
    const OneFile file("s.tar", tar.finish());
    const Lines lines = file.lines();
    REQUIRE(lines.size() == 6);
    CHECK(lines[0] == "/s.tar: a/0.jpg: zero|null");
    CHECK(lines[1] == "/s.tar: a/1.PNG: one|uno");
    CHECK(lines[2] == "/s.tar: 4.jpg: four");
    CHECK(lines[3].starts_with("! /s.tar: 5.json: "));
    CHECK(lines[4] == "! /s.tar: 6.txt: it holds no caption");
    CHECK(lines[5] == "/s.tar: x.y/7.jpg: seven");
    CHECK(file.opened.read(1).bytes == std::vector<std::uint8_t>{'p', '1'});
    CHECK(file.opened.read(5).bytes == std::vector<std::uint8_t>{'p', '7'});
    REQUIRE(file.opened.problems.size() == 1);
    CHECK(file.opened.problems[0].find("3 of 9 samples are left out") != std::string::npos);
    CHECK(file.opened.pairs->shards() == std::vector<std::uint64_t>{6});

    // Cut off: what was whole is taken, the rest is told.
    const std::string cut = tar.finish().substr(0, tar.bytes.size() - 2600);
    const OneFile shorter("s.tar", cut);
    CHECK(shorter.lines().size() == 4);
    REQUIRE(shorter.opened.problems.size() >= 1);
    CHECK(shorter.opened.problems[0].find("what follows is left out, 4 pairs are taken") !=
          std::string::npos);
    CHECK(code_of([&] { OneFile("s.tar", cut.substr(0, 513)); }) == ErrorCode::truncated);
    CHECK(code_of([&] { OneFile("s.tar", TarBuilder().add("a.jpg", "x").finish()); }) ==
          ErrorCode::bad_format);
    CHECK(message_of([&] {
              OneFile("s.tar", std::string(1024, '\0'));
          }).ends_with("no files are in it"));
    CHECK(code_of([&] { OneFile("s.tar", "not a tar"); }) == ErrorCode::truncated);
}

TEST_CASE("pairs: several sources follow each other") {
    const TempFolder folder;
    write_file(folder / "a.tar", TarBuilder()
                                     .add("0.jpg", "x")
                                     .add("0.txt", "a0")
                                     .add("1.jpg", "x")
                                     .add("1.txt", "a1")
                                     .finish());
    write_file(folder / "b.tar", TarBuilder().add("0.jpg", "x").add("0.txt", "b0").finish());
    write_file(folder / "c.csv", "path,text\n1.jpg,c0\n");
    const Opened tars({folder / "a.tar", folder / "b.tar"});
    CHECK(tars.pairs->shards() == std::vector<std::uint64_t>{2, 1});
    CHECK(tars.line(1).ends_with("a.tar: 1.jpg: a1"));
    CHECK(tars.line(2).ends_with("b.tar: 0.jpg: b0"));
    // Opened by several threads, problems come in the order of operands; so does the first error.
    write_file(folder / "d.tsv", "path\ttext\n1\tone\n" + std::string(2 << 20, 'x'));
    ThreadPool pool(3);
    PairSourceOptions options;
    Lines places;
    options.pool = &pool;
    options.on_problem = [&](const std::string& place, const Error&) {
        places.push_back(place.substr(place.rfind('/') + 1));
    };
    write_file(folder / "e.csv", "path,text\n1,\"one\n2,two");
    const Lines data = {folder / "d.tsv", folder / "a.tar", folder / "e.csv", folder / "b.tar"};
    CHECK(open_pairs(data, options)->size() == 5);
    CHECK(places == Lines{"d.tsv:3", "e.csv:2"});
    const Lines bad = {folder / "a.tar", "/nowhere/1.csv", "/nowhere/2.csv"};
    CHECK(message_of([&] { open_pairs(bad, options); }).find("1.csv") != std::string::npos);
    const Opened mixed({folder / "a.tar", folder / "c.csv", folder / "b.tar"});
    CHECK(mixed.pairs->size() == 4);
    CHECK(mixed.pairs->shards().empty());
    CHECK(mixed.line(2).ends_with("1.jpg: c0"));
    CHECK(mixed.pairs->describe(2).ends_with("c.csv: row 1"));
    CHECK(mixed.line(3).ends_with("b0"));
}

TEST_CASE("captions: in text and in JSON") {
    CHECK(captions_of_text("a\rb\n\r\n \t\n c d ") == Lines{"a", "b", "c d"});
    CHECK(captions_of_text("").empty());
    CHECK(captions_of_json("{}").empty());
    CHECK(captions_of_json("{\"caption\":[],\"text\":\"x\"}") == Lines{"x"});
    CHECK(captions_of_json(" {\"text\":\"\\u00e9\"} ") == Lines{"\xc3\xa9"});
    for (const char* bad :
         {"", "[]", "{\"caption\":1}", "{\"caption\":[1]}", "{\"caption\":[\"a\",]}",
          "{\"text\":\"a\"", "{} x", "{\"caption\":\"\xff\"}", "{\"text\":{\"a\":\"b\"}}"})
        CHECK_THROWS_AS(captions_of_json(bad), Error);
}

TEST_CASE("training a tokenizer from pairs, and reading it again") {
    std::string table = "path,text\n";
    for (int i = 0; i < 50; ++i)
        table += concat(i, ".jpg,a photo of the dog number ", i, "\n");
    const OneFile file("a.csv", table + "broken\n51.jpg,\xff\n");
    ThreadPool one(1), three(3);
    std::uint64_t left_out = 0, again = 0;
    const TrainedBpe bpe = train_bpe(count_words(*file.opened.pairs, three, left_out), {520, 2});
    CHECK(bpe.merges_text() ==
          train_bpe(count_words(*file.opened.pairs, one, again), {520, 2}).merges_text());
    CHECK(left_out == 2);
    CHECK(again == 2);
    write_tokenizer(file.folder.path(), bpe);
    const Tokenizer tokenizer =
        Tokenizer::from_vocab_and_merges(file.folder / "vocab.json", file.folder / "merges.txt");
    CHECK(tokenizer.vocab_size() == 520);
    CHECK(tokenizer.encode("the photo").size() < 8);
    CHECK(code_of([&] { write_tokenizer("/nowhere/here", bpe); }) == ErrorCode::not_found);
}
