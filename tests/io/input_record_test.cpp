// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <array>

#include "io/input_record.hpp"
#include "temp_folder.hpp"

using namespace clip;
using namespace clip::io;
using Kind = InputRecord::Kind;

namespace {

InputRecord parsed(std::string_view line, const RecordOptions& options = {}) {
    Result<InputRecord> record = parse_record(line, options);
    REQUIRE_MESSAGE(record.ok(), std::string(record.ok() ? "" : record.error().what()));
    return std::move(record).value();
}

ErrorCode refused(std::string_view line, const RecordOptions& options = {}) {
    const Result<InputRecord> record = parse_record(line, options);
    return record.ok() ? ErrorCode::internal : record.error().code();
}

} // namespace

TEST_CASE("record: a plain line is a path, or a text where texts are asked for") {
    CHECK(parsed("a b.jpg").item == "a b.jpg");
    CHECK(parsed("caf\xe9.jpg\r").item == "caf\xe9.jpg\r");
    CHECK(parsed("file:x%20y").item == "file:x%20y");
    CHECK(parsed("a dog", {.plain_is_text = true}).kind == Kind::text);
    CHECK(parsed("", {.plain_is_text = true}).item.empty());
    CHECK(parsed("{a}.jpg", {.json = false}).item == "{a}.jpg");
    CHECK(refused("") == ErrorCode::bad_format);
    CHECK(refused("caf\xe9", {.plain_is_text = true}) == ErrorCode::bad_format);
    CHECK(refused(std::string_view("a\0b", 3)) == ErrorCode::bad_format);
}

TEST_CASE("record: other keys are carried byte for byte and in order") {
    const InputRecord record =
        parsed(R"({"id": 7, "path":"a.jpg","b":[1, 2.50,{"x":"\u00e9"}],"id":8 })");
    CHECK(record.kind == Kind::path);
    CHECK(record.item == "a.jpg");
    CHECK(record.extra == R"("id": 7,"b":[1, 2.50,{"x":"\u00e9"}],"id":8)");
    CHECK(parsed("{\"a\":\n[1,\r\n2],\"text\":\"x\"}").extra == "\"a\": [1,  2]");
}

TEST_CASE("record: keys that the output writes itself are not carried") {
    constexpr std::array<std::string_view, 2> kOwn = {"label", "score"};
    const InputRecord record =
        parsed(R"({"path":"a","label":"cat","x":1,"score":2,"model":"Nikon"})", {.own_keys = kOwn});
    CHECK(record.extra == R"("x":1)");
    CHECK(record.model == "Nikon");
    CHECK(parsed(R"({"path":"a","model":{"name":1},"y":2})").extra == R"("y":2)");
}

TEST_CASE("record: with path and text, what is asked for is the item and the other is carried") {
    const char* const line = R"({"text":"a dog","path":"a.jpg","id":1})";
    CHECK(parsed(line).item == "a.jpg");
    CHECK(parsed(line).extra == R"("text":"a dog","id":1)");
    CHECK(parsed(line, {.plain_is_text = true}).item == "a dog");
    CHECK(parsed(line, {.plain_is_text = true}).extra == R"("path":"a.jpg","id":1)");
    const InputRecord both = parsed(R"({"text":"t","path":"p","embedding":[1]})");
    CHECK(both.item_is_text);
    CHECK(both.extra == R"("path":"p")");
}

TEST_CASE("record: an embedding with its model, with and without an item") {
    const InputRecord record =
        parsed(R"({"path":"file:caf%E9.jpg","model":"m@1","embedding":[0.5, -1e-3,2]})");
    CHECK(record.kind == Kind::embedding);
    CHECK(record.item == "caf\xe9.jpg");
    CHECK_FALSE(record.item_is_text);
    CHECK(record.model == "m@1");
    CHECK(record.embedding == std::vector<float>{0.5F, -1e-3F, 2.0F});
    CHECK(parsed(R"({"text":"t","embedding":[1]})").item_is_text);
    CHECK_FALSE(parsed(R"({"embedding":[1]})").has_item);
}

TEST_CASE("record: escaped keys are the keys that they spell") {
    CHECK(parsed(R"({"p\u0061th":"a.jpg"})").item == "a.jpg");
    CHECK(refused(R"({"p\u0061th":"a.jpg","path":"b"})") == ErrorCode::bad_format);
}

TEST_CASE("record: refuses what is no record") {
    for (const char* line : {"{}",
                             R"({"id":1})",
                             R"({"path":1})",
                             R"({"path":null})",
                             R"({"path":""})",
                             R"({"text":["a"]})",
                             R"({"path":"a"} x)",
                             R"({"path":"a",})",
                             R"({"path":"a","path":"b"})",
                             R"({"text":"a","text":"a"})",
                             R"({"embedding":[1],"embedding":[1]})",
                             R"({"embedding":[]})",
                             R"({"embedding":1})",
                             R"({"embedding":[1,"2"]})",
                             R"({"embedding":[NaN]})",
                             R"({"embedding":[Infinity]})",
                             R"({"embedding":[1e39]})",
                             R"({"embedding":[[1]]})",
                             R"({"embedding":[1,]})",
                             R"({"path":"a\u0000b"})",
                             R"({"text":"a\u0000b"})",
                             R"({"text":"\ud800"})",
                             R"({"path":"file:%zz"})",
                             "{\"path\":\"caf\xe9\"}",
                             "{\"path\":\"a\nb\"}",
                             R"({"path":"a" "b":1})",
                             R"({"model":"a","model":"b","path":"c"})"})
        CHECK_MESSAGE(refused(line) == ErrorCode::bad_format, line);
}

TEST_CASE("record: every prefix of a 2 KiB record is truncated, never taken for whole") {
    std::string line =
        R"({"path":"a\"\u00e9\ud83d\ude00.jpg","x":[true,null,{"y":-1.5e-7}],"embedding":[)";
    while (line.size() < 2040)
        line += "0.0123456,-1e-5,";
    line += "1]}";
    CHECK(parsed(line).embedding.size() > 100);
    for (std::size_t size = 1; size < line.size(); ++size)
        REQUIRE_MESSAGE(refused(line.substr(0, size)) == ErrorCode::truncated, size);
}

TEST_CASE("record: a byte flipped anywhere is refused or harmless, and never crashes") {
    const std::string line =
        R"({"path":"a.jpg","id":{"a":[1,2]},"text":"\u00e9","embedding":[0.5,-1e-3]})";
    std::size_t accepted = 0;
    for (std::size_t at = 0; at < line.size(); ++at)
        for (int byte = 0; byte < 256; ++byte) {
            std::string changed = line;
            changed[at] = static_cast<char>(byte);
            const Result<InputRecord> record = parse_record(changed);
            accepted += record.ok() ? 1 : 0;
        }
    CHECK(accepted > line.size());
    CHECK(accepted < line.size() * 256);
}

TEST_CASE("record: output begins with the item and the carried keys") {
    std::string out;
    begin_json_record(out, "caf\xe9", false, "\"id\": 7");
    append_json_key(out, "score");
    CHECK(out == "{\"path\":\"file:caf%E9\",\"id\": 7,\"score\":");
    out.clear();
    begin_json_record(out, "a \"dog\"", true, "");
    CHECK(out == "{\"text\":\"a \\\"dog\\\"\"");
}

TEST_CASE("record: members of an object are what is between its braces") {
    CHECK(members_of_object("").empty());
    CHECK(members_of_object("{ }").empty());
    CHECK(members_of_object(" {\"a\": 1, \"b\":2 }\n") == "\"a\": 1, \"b\":2");
    CHECK(clip_test::code_of([] { (void)members_of_object("{\"a\":1"); }) == ErrorCode::truncated);
    CHECK(clip_test::code_of([] { (void)members_of_object("[1]"); }) == ErrorCode::bad_format);
    CHECK(clip_test::code_of([] { (void)members_of_object("{} {}"); }) == ErrorCode::bad_format);
}

TEST_CASE("record: the layer is understood where it is clip-embed's") {
    const auto read = [](std::string_view line, const RecordOptions& options = {}) {
        return parse_record(line, options).value();
    };
    const InputRecord other =
        read(R"({"path":"a","id":1,"model":"m@1","layer":"penultimate","embedding":[1,2],"b":2})");
    CHECK(other.layer == "penultimate");
    CHECK(other.extra == R"("id":1,"b":2)");
    // A key of that name that is somebody else's.
    for (const char* value : {R"("top")", R"("projected")", "3", "null", R"(["penultimate"])"}) {
        const std::string line =
            std::string(R"({"path":"a","layer": )") + value + R"(,"embedding":[1]})";
        CHECK(read(line).layer.empty());
        CHECK(read(line).extra == std::string(R"("layer": )") + value);
    }
    const std::string_view own[] = {"layer"};
    CHECK(read(R"({"path":"a","layer":3})", {.own_keys = own}).extra.empty());
    // What an earlier vector was of is not true of a new one.
    CHECK(read(R"({"path":"a","layer": "penultimate" ,"id":7})").extra == R"("id":7)");
    CHECK(parse_record(R"({"path":"a","layer":"penult)").error().code() == ErrorCode::truncated);
}
