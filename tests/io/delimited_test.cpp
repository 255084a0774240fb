// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <chrono>
#include <random>

#include <nlohmann/json.hpp>

#include "io/delimited.hpp"
#include "temp_folder.hpp"

using namespace clip::io;

namespace {

using Row = std::vector<std::string>;

std::vector<Row> rows_of(std::string_view text, const DelimitedFormat& format = {},
                         std::size_t limit = 1 << 20) {
    std::vector<Row> out;
    while (!text.empty()) {
        const RecordEnd end = find_record_end(text, format, limit);
        REQUIRE(end.next > 0);
        REQUIRE(end.next <= text.size());
        REQUIRE(end.length <= end.next);
        if (end.unclosed)
            out.push_back({"unclosed"});
        else
            split_record(text.substr(0, end.length), format, out.emplace_back());
        text.remove_prefix(end.next);
    }
    return out;
}

using Rows = std::vector<Row>;

} // namespace

TEST_CASE("delimited: what Python's csv module wrote") {
    for (const char* name : {"table.csv", "table_lf.csv"}) {
        CAPTURE(name);
        const Rows rows = rows_of(
            clip_test::read_file(std::string(CLIP_TEST_DIR "/golden/training_data/") + name));
        std::ifstream golden(CLIP_TEST_DIR "/golden/training_data/table.jsonl");
        std::size_t seen = 0;
        for (std::string line; std::getline(golden, line); ++seen) {
            REQUIRE(seen < rows.size());
            CHECK(rows[seen] == nlohmann::json::parse(line).get<Row>());
        }
        CHECK(seen == rows.size());
    }
}

TEST_CASE("delimited: fields and records by hand") {
    CHECK(rows_of("a,b\n") == Rows{{"a", "b"}});
    CHECK(rows_of("a,b") == Rows{{"a", "b"}});
    CHECK(rows_of("a,\r\n,b\n\n") == Rows{{"a", ""}, {"", "b"}, {""}});
    CHECK(rows_of("\"a,\"\"b\"\"\n\",c\n") == Rows{{"a,\"b\"\n", "c"}});
    CHECK(rows_of("\"\",\"\"") == Rows{{"", ""}});
    CHECK(rows_of("\"\"\"\"") == Rows{{"\""}});
    // A quote inside a field that does not begin with one is a letter.
    CHECK(rows_of("5\" pipe,6\"\nb,c") == Rows{{"5\" pipe", "6\""}, {"b", "c"}});
    CHECK(rows_of(" \"a\n") == Rows{{" \"a"}});
    // What follows a closing quote belongs to the field.
    CHECK(rows_of("\"a\"b\"c,d\n") == Rows{{"ab\"c", "d"}});
    CHECK(rows_of("a\tb,\"c\nd", {'\t', false}) == Rows{{"a", "b,\"c"}, {"d"}});
    CHECK(rows_of("\"a\tb\n", {'\t', false}) == Rows{{"\"a", "b"}});
}

TEST_CASE("delimited: a quote that never closes costs its own line only") {
    CHECK(rows_of("a,\"b\nc,d\ne,f\n") == Rows{{"unclosed"}, {"c", "d"}, {"e", "f"}});
    CHECK(rows_of("\"") == Rows{{"unclosed"}});
    CHECK(rows_of("x\n\"\"\"\n") == Rows{{"x"}, {"unclosed"}});
    // Nor does one that closes too far away.
    const std::string far = "a,\"b\nc,d\n" + std::string(100, '\n') + "\"\n";
    CHECK(rows_of(far, {}, 50).front() == Row{"unclosed"});
    CHECK(rows_of(far, {}, 50)[1] == Row{"c", "d"});
    CHECK(rows_of(far, {}, 200).size() == 1);
    // One line may be as long as it likes.
    CHECK(rows_of("a,\"" + std::string(100, 'x') + "\"\n", {}, 50) ==
          Rows{{"a", std::string(100, 'x')}});
}

TEST_CASE("delimited: any bytes end in records, in linear time") {
    std::mt19937 random(2);
    for (int i = 0; i < 2000; ++i) {
        std::string text;
        for (unsigned n = random() % 40; n > 0; --n)
            text += "a\",\n\r\t"[random() % 6];
        rows_of(text);
        rows_of(text, {}, 10);
    }
    std::string lines;
    for (int i = 0; i < 200000; ++i)
        lines += "\"a\"\"\n";
    const auto begin = std::chrono::steady_clock::now();
    rows_of(lines);
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(5));
}
