// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>

#include "io/json_text.hpp"
#include "io/path_escape.hpp"
#include "io/utf8.hpp"
#include "temp_folder.hpp"

using namespace clip;
using namespace clip::io;
using clip_test::code_of;

namespace {

std::string written(float value) {
    std::string out;
    append_json_float(out, value);
    return out;
}

float read_back(std::string_view text) {
    JsonScanner scan(text);
    const float value = scan.read_float();
    REQUIRE(scan.at_end());
    return value;
}

std::string quoted(std::string_view text) {
    std::string out;
    append_json_string(out, std::string(text));
    return out;
}

ErrorCode refusal(std::string_view text) {
    return code_of([&] {
        JsonScanner scan(text);
        scan.skip_value();
        scan.skip_space();
        if (!scan.at_end())
            scan.fail_here("more");
    });
}

} // namespace

TEST_CASE("json: floats are written in the shortest form") {
    CHECK(written(0.5F) == "0.5");
    CHECK(written(1.0F) == "1");
    CHECK(written(-0.0F) == "-0");
    CHECK(written(0.1F) == "0.1");
    CHECK(written(1e-7F) == "1e-7");
    CHECK(written(1.5e20F) == "1.5e20");
    CHECK(written(std::numeric_limits<float>::max()) == "3.4028235e38");
    CHECK(written(std::numeric_limits<float>::denorm_min()) == "1e-45");
    CHECK(code_of([] { written(std::nanf("")); }) == ErrorCode::invalid_argument);
    CHECK(code_of([] { written(-HUGE_VALF); }) == ErrorCode::invalid_argument);
}

TEST_CASE("json: any float32 reads back as itself") {
    std::uint32_t bits = 12345;
    for (int i = 0; i < 200000; ++i) {
        bits = bits * 1664525U + 1013904223U;
        const auto value = std::bit_cast<float>(bits);
        if (std::isfinite(value))
            REQUIRE(std::bit_cast<std::uint32_t>(read_back(written(value))) == bits);
    }
}

TEST_CASE("json: a float is rounded once, as the standard library does it") {
    // Among them decimals next to a tie between two float32, where rounding twice goes wrong.
    std::uint64_t state = 1;
    const auto next = [&state] {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return state;
    };
    for (int i = 0; i < 200000; ++i) {
        char text[64];
        const auto low = std::bit_cast<float>(static_cast<std::uint32_t>(next() % 0x7f000000U));
        double middle =
            (static_cast<double>(low) + static_cast<double>(std::nextafter(low, HUGE_VALF))) / 2;
        if (i % 3 == 1)
            middle = std::nextafter(middle, i % 2 == 0 ? 0.0 : 1e300);
        const int digits = 3 + static_cast<int>(next() % 18);
        const auto format = i % 5 == 0 ? std::chars_format::fixed : std::chars_format::scientific;
        const auto end = format == std::chars_format::fixed && middle > 1e20
                             ? std::to_chars(text, text + sizeof text, middle)
                             : std::to_chars(text, text + sizeof text, middle, format, digits);
        REQUIRE(end.ec == std::errc());
        const std::string_view number(text, static_cast<std::size_t>(end.ptr - text));
        float want = 0;
        const auto parsed = std::from_chars(text, end.ptr, want);
        if (parsed.ec != std::errc())
            want = 0; // only too small ones come up here
        REQUIRE(std::bit_cast<std::uint32_t>(read_back(number)) ==
                std::bit_cast<std::uint32_t>(want));
    }
}

TEST_CASE("json: numbers at the edges of float32") {
    CHECK(read_back("1e-400") == 0.0F);
    CHECK(std::signbit(read_back("-1e-400")));
    CHECK(read_back("0e999999999999") == 0.0F);
    CHECK(read_back("0." + std::string(500, '0') + "1") == 0.0F);
    CHECK(read_back("0." + std::string(500, '0') + "1e501") == 1.0F);
    CHECK(read_back("1" + std::string(400, '0') + "e-400") == 1.0F);
    CHECK(read_back("16777217.0000000000000000000000000000000000001") == 16777218.0F);
    CHECK(read_back("3.4028235677973366e38") == doctest::Approx(3.4028235e38F));
    for (const std::string& number :
         {std::string("1e39"), std::string("-1e999999999999"), std::string("NaN"),
          std::string("Infinity"), std::string("-Infinity"), std::string("nan"), std::string("+1"),
          std::string(".5"), "1" + std::string(500, '0')})
        CHECK(code_of([&] { read_back(number); }) == ErrorCode::bad_format);
    CHECK(code_of([] { read_back("1."); }) == ErrorCode::truncated);
    CHECK(code_of([] { read_back("-"); }) == ErrorCode::truncated);
    CHECK(code_of([] { read_back("1e+"); }) == ErrorCode::truncated);
}

TEST_CASE("json: strings escape what they must and nothing else") {
    CHECK(quoted("plain / caf\xc3\xa9") == "\"plain / caf\xc3\xa9\"");
    CHECK(quoted("a\"b\\c\n\t\r\b\f\x01\x1f\x7f") ==
          "\"a\\\"b\\\\c\\n\\t\\r\\b\\f\\u0001\\u001f\x7f\"");
    CHECK(code_of([] { quoted("caf\xe9"); }) == ErrorCode::bad_format);
    JsonScanner scan(R"("A\u00e9\ud83d\ude00\/\"\\\n")");
    CHECK(scan.read_string() == "A\xc3\xa9\xf0\x9f\x98\x80/\"\\\n");
}

TEST_CASE("json: half a surrogate pair is no text, but may be carried") {
    for (const char* text : {R"("\ud800")", R"("\udc00")", R"("\ud800\u0041")", R"("\ud800x")"})
        CHECK(code_of([&] {
                  JsonScanner scan(text);
                  scan.read_string();
              }) == ErrorCode::bad_format);
    CHECK(refusal(R"(["\ud800"])") == ErrorCode::internal);
}

TEST_CASE("json: the grammar is checked to the letter") {
    for (const char* text : {"[]", "{}", "[1,2,3]", R"({"a":[true,false,null,{"b":-0.5e+3}]})",
                             " [ 1 , 2 ] ", "0", "-0"})
        CHECK(refusal(text) == ErrorCode::internal);
    for (const char* text :
         {"[1,]", "{,}", "[01]", "[1 2]", "{\"a\" 1}", "{a:1}", "[1]]", "tru e", "nul!", "\"\t\"",
          R"("\x")", R"("\u12g4")", "'a'", "[1}", "--1", "1.e5", "{\"a\":}"})
        CHECK_MESSAGE(refusal(text) == ErrorCode::bad_format, std::string(text));
    for (const char* text :
         {"", "[", "[1", "[1,", "{", "{\"a", "{\"a\"", "{\"a\":", "{\"a\":1", "tr", "\"\\"})
        CHECK_MESSAGE(refusal(text) == ErrorCode::truncated, std::string(text));
    CHECK(refusal(std::string(100000, '[')) == ErrorCode::bad_format);
    CHECK(refusal(std::string(200, '[') + std::string(200, ']')) == ErrorCode::internal);
}

TEST_CASE("utf8: accepts what Unicode does, and nothing else") {
    for (const char* text : {"", "abc", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf",
                             "\xee\x80\x80", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"})
        CHECK(is_valid_utf8(text));
    for (const char* text :
         {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
          "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xc2", "\xe1\x80", "\xf1\x80\x80", "\xff"})
        CHECK_FALSE(is_valid_utf8(text));
    // The fast path over ASCII must not hide a bad byte at any place.
    for (std::size_t at = 0; at < 100; ++at) {
        std::string text(100, 'a');
        text[at] = '\xe9';
        CHECK(utf8_valid_prefix(text) == at);
    }
    std::string euro;
    append_utf8(euro, 0x20ac);
    CHECK(euro == "\xe2\x82\xac");
}

TEST_CASE("path escape: every byte string comes back") {
    CHECK(path_to_utf8("caf\xe9.jpg") == "file:caf%E9.jpg");
    CHECK(path_to_utf8("caf\xc3\xa9.jpg") == "caf\xc3\xa9.jpg");
    CHECK(path_to_utf8("100%.jpg") == "100%.jpg");
    CHECK(path_to_utf8("100%\xff\n") == "file:100%25%FF%0A");
    CHECK(path_to_utf8("file:x") == "file:file:x");
    CHECK(path_from_utf8("file:///tmp/a%20b") == "///tmp/a b");
    std::uint32_t state = 7;
    for (int i = 0; i < 20000; ++i) {
        std::string path = i % 3 == 0 ? "file:" : "";
        for (int length = i % 17; length > 0; --length) {
            state = state * 1664525U + 1013904223U;
            path += static_cast<char>(1 + (state >> 24) % 255);
        }
        const std::string spelt = path_to_utf8(path);
        REQUIRE(is_valid_utf8(spelt));
        REQUIRE(path_from_utf8(spelt) == path);
    }
    for (const char* bad : {"file:%", "file:%4", "file:%zz", "file:a%00b"})
        CHECK(code_of([&] { (void)path_from_utf8(bad); }) == ErrorCode::bad_format);
}
