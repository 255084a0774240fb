// SPDX-License-Identifier: MIT
// Files for other search engines, byte for byte. The engines themselves read them in
// tests/parity/search_engines.py.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <filesystem>
#include <vector>

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/faiss_index_writer.hpp"
#include "io/pgvector_writer.hpp"
#include "temp_folder.hpp"

using namespace clip;
using namespace clip::io;
using clip_test::code_of;
using clip_test::message_of;
using clip_test::read_file;
using clip_test::TempFolder;
using clip_test::write_file;
using std::string_literals::operator""s;

namespace {

EngineRow row_of(std::string_view path, std::span<const float> values) {
    return {.item = path, .extra = {}, .values = values};
}

/// Files of this process cannot grow beyond `bytes`: writes fail as on a full disk.
class FileSizeLimit {
  public:
    explicit FileSizeLimit(rlim_t bytes) {
        ::getrlimit(RLIMIT_FSIZE, &before_);
        rlimit now = before_;
        now.rlim_cur = bytes;
        ::setrlimit(RLIMIT_FSIZE, &now);
        handler_ = std::signal(SIGXFSZ, SIG_IGN);
    }
    ~FileSizeLimit() {
        ::setrlimit(RLIMIT_FSIZE, &before_);
        std::signal(SIGXFSZ, handler_);
    }
    FileSizeLimit(const FileSizeLimit&) = delete;
    FileSizeLimit& operator=(const FileSizeLimit&) = delete;

  private:
    rlimit before_{};
    void (*handler_)(int) = nullptr;
};

} // namespace

TEST_CASE("faiss index: the bytes that Faiss writes") {
    const TempFolder folder;
    const std::string path = folder / "a.faiss";
    const std::array<float, 3> first = {1, 2, 3}, second = {4, 5, 6.5F};
    FaissIndexWriter writer(path);
    writer.add({.item = "tab\t\xe9.png",
                .extra = R"("id":7,"text":"caption")",
                .values = first}); // not UTF-8
    writer.add({.item = "a \"text\"", .is_text = true, .extra = {}, .values = second});
    writer.add({.item = {}, .has_item = false, .extra = R"("id":8)", .values = first});
    writer.add({.item = {}, .has_item = false, .extra = {}, .values = second});
    CHECK(writer.rows() == 4);
    CHECK_FALSE(std::filesystem::exists(path));
    writer.commit();
    CHECK(folder.size() == 2);
    // faiss.write_index() of Faiss 1.7.3 for the first two rows, with the counts of four.
    const std::string rows = "\0\0\x80\x3f\0\0\0\x40\0\0\x40\x40"
                             "\0\0\x80\x40\0\0\xa0\x40\0\0\xd0\x40"s;
    CHECK(read_file(path) == "IxFI\x03\0\0\0\x04\0\0\0\0\0\0\0"
                             "\0\0\x10\0\0\0\0\0\0\0\x10\0\0\0\0\0"
                             "\x01\0\0\0\0\x0c\0\0\0\0\0\0\0"s +
                                 rows + rows);
    CHECK(read_file(faiss_items_path(path)) ==
          "{\"path\":\"file:tab%09%E9.png\",\"id\":7,\"text\":\"caption\"}\n"
          "{\"text\":\"a \\\"text\\\"\"}\n{\"id\":8}\n{}\n");
}

TEST_CASE("faiss index: many rows go through the buffer in order") {
    const TempFolder folder;
    const std::string path = folder / "a.faiss";
    std::vector<float> values(777);
    FaissIndexWriter writer(path);
    for (int i = 0; i < 300; ++i) {
        values.assign(values.size(), static_cast<float>(i));
        writer.add(row_of(std::to_string(i), values));
    }
    writer.commit();
    const std::string bytes = read_file(path);
    REQUIRE(bytes.size() == 45 + 300 * 777 * 4);
    for (std::size_t i = 0; i < 300; ++i) {
        float last = 0;
        std::copy_n(bytes.data() + 45 + (i + 1) * 777 * 4 - 4, 4, reinterpret_cast<char*>(&last));
        CHECK(last == static_cast<float>(i));
    }
}

TEST_CASE("faiss index: streams are refused, and without commit() nothing is left") {
    const TempFolder folder;
    REQUIRE(::mkfifo((folder / "fifo").c_str(), 0600) == 0);
    for (const std::string& path : {"-"s, "/dev/null"s, folder / "fifo"})
        CHECK(code_of([&] { FaissIndexWriter writer(path); }) == ErrorCode::invalid_argument);
    write_file(folder / "a", "old");
    write_file(folder / "a.items.jsonl", "old items");
    const std::array<float, 2> values = {0.6F, 0.8F};
    {
        FaissIndexWriter writer(folder / "a");
        writer.add(row_of("p", values));
        CHECK(code_of([&] { writer.add(row_of("q", std::span(values).first(1))); }) ==
              ErrorCode::shape_mismatch);
    }
    {
        FaissIndexWriter writer(folder / "a");
        CHECK(message_of([&] { writer.commit(); }) ==
              "write " + (folder / "a") + ": there is no vector");
    }
    CHECK(read_file(folder / "a") == "old");
    CHECK(read_file(folder / "a.items.jsonl") == "old items");
    CHECK(folder.size() == 3);
}

TEST_CASE("faiss index: a full disk leaves what was there") {
    const TempFolder folder;
    write_file(folder / "a.items.jsonl", "old items");
    const std::vector<float> values(1000, 1.0F);
    for (const int rows : {20, 2}) { // noticed while rows are added, and by commit()
        FaissIndexWriter writer(folder / "a");
        const FileSizeLimit limit(4096);
        const auto write = [&] {
            for (int i = 0; i < rows; ++i)
                writer.add(row_of("p", values));
            writer.commit();
        };
        CHECK(code_of(write) == ErrorCode::io_failure);
    }
    CHECK(read_file(folder / "a.items.jsonl") == "old items");
    CHECK(folder.size() == 1);
}

TEST_CASE("pgvector: columns, nulls, escapes and digits") {
    const TempFolder folder;
    const std::string path = folder / "a.copy";
    const std::array<float, 4> values = {0.1F, -0.0F, 1e-7F, 0.33333334F};
    const std::string embedding = "\t[0.1,-0,1e-7,0.33333334]\n";
    PgvectorWriter writer(path);
    writer.add(row_of("plain.png", values));
    writer.add({.item = "tab\tnewline\nback\\slash\r\b\f\v\"quotes\"'",
                .extra = R"("note":"a\tb\\c","s":"\ud83d\ude00")",
                .values = values});
    writer.add(row_of("caf\xe9\n.png", values));
    writer.add(row_of("\\N", values));
    writer.add({.item = "", .is_text = true, .extra = {}, .values = values});
    writer.add({.item = "\\.", .is_text = true, .extra = {}, .values = values});
    writer.add({.item = {}, .has_item = false, .extra = R"("id":1)", .values = values});
    writer.commit();
    CHECK(read_file(path) == "1\tplain.png\t\\N\t\\N" + embedding +
                                 "2\ttab\\tnewline\\nback\\\\slash\\r\\b\\f\\v\"quotes\"'\t\\N"
                                 "\t{\"note\":\"a\\\\tb\\\\\\\\c\",\"s\":\"\\\\ud83d\\\\ude00\"}" +
                                 embedding + "3\tfile:caf%E9%0A.png\t\\N\t\\N" + embedding +
                                 "4\t\\\\N\t\\N\t\\N" + embedding + "5\t\\N\t\t\\N" + embedding +
                                 "6\t\\N\t\\\\.\t\\N" + embedding + "7\t\\N\t\\N\t{\"id\":1}" +
                                 embedding);
}

TEST_CASE("pgvector: what PostgreSQL cannot store is refused, and others follow") {
    CHECK(jsonb_obstacle("").empty());
    for (const char* good : {R"("a":"\\u0000")", R"("a":"\u0001")", R"("a":"\ud83d\ude00\n")",
                             R"("a":"\\\\ud83d")", R"("a":"u0000")"})
        CHECK(jsonb_obstacle(good) == "");
    CHECK(jsonb_obstacle(R"("a":"\u0000")") == "U+0000");
    CHECK(jsonb_obstacle(R"("a":"\\\u0000")") == "U+0000");
    for (const char* half : {R"("a":"\ud83d")", R"("a":"\uD83D\u0041")", R"("a":"\uDE00")",
                             R"("a":"\ud83d\ud83d\ude00")", R"("a":"\ud83dx")"})
        CHECK(jsonb_obstacle(half) == "half of a surrogate pair");

    const TempFolder folder;
    const std::array<float, 1> one = {1};
    PgvectorWriter writer(folder / "a");
    const auto add = [&](const EngineRow& row) { return code_of([&] { writer.add(row); }); };
    CHECK(add({.item = "a\0b"s, .is_text = true, .extra = {}, .values = one}) ==
          ErrorCode::bad_format);
    CHECK(add({.item = "\xff", .is_text = true, .extra = {}, .values = one}) ==
          ErrorCode::bad_format);
    CHECK(add({.item = "p", .extra = R"("a":"\u0000")", .values = one}) == ErrorCode::bad_format);
    writer.add(row_of("p", one));
    CHECK(add(row_of("p", {})) == ErrorCode::shape_mismatch);
    writer.commit();
    CHECK(read_file(folder / "a") == "1\tp\t\\N\t\\N\t[1]\n");
}

TEST_CASE("pgvector: a full disk") {
    const TempFolder folder;
    const std::array<float, 1> one = {1};
    PgvectorWriter writer("/dev/full");
    writer.add(row_of("p", one));
    CHECK(message_of([&] { writer.commit(); }) == "write /dev/full: no space left on device");
    {
        PgvectorWriter file(folder / "a");
        file.add(row_of("p", one));
    }
    CHECK(folder.size() == 0);
}
