// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "base/concat.hpp"
#include "data/html_entities.hpp"
#include "data/mojibake.hpp"
#include "data/text_clean.hpp"
#include "data/text_split.hpp"
#include "data/unicode.hpp"

using namespace clip;

namespace {

std::vector<std::string> words_of(std::string_view text) {
    std::vector<std::string> words;
    WordSplitter splitter(text);
    while (const auto word = splitter.next())
        words.emplace_back(*word);
    return words;
}

std::string unescaped(std::u32string_view text) {
    return encode_utf8(unescape_html(text));
}
std::string strictly(std::u32string_view text) {
    return encode_utf8(unescape_html_strictly(text));
}
std::string repaired(std::u32string_view text) {
    return encode_utf8(repair_text(text));
}
std::string times(std::string_view unit, std::size_t count) {
    std::string out;
    for (std::size_t i = 0; i < count; ++i)
        out += unit;
    return out;
}

} // namespace

TEST_CASE("unicode: replaces each maximal invalid part of UTF-8 by one U+FFFD") {
    const std::vector<std::pair<std::string, std::u32string>> cases = {
        {"a\xff"
         "b",
         U"a\ufffdb"},
        {"\xc3", U"\ufffd"},
        {"\xe6\x9d", U"\ufffd"},
        {"\xf0\x9f\x98x", U"\ufffdx"},
        {"\xc0\x80", U"\ufffd\ufffd"},
        {"\xe0\x80\x80", U"\ufffd\ufffd\ufffd"},
        {"\xed\xa0\x80", U"\ufffd\ufffd\ufffd"},
        {"\xf4\x90\x80\x80", U"\ufffd\ufffd\ufffd\ufffd"},
        {"\xf5", U"\ufffd"},
        {"\xe6\x9d\xb1", U"\u6771"},
        {"\xf4\x8f\xbf\xbf", U"\U0010ffff"},
    };
    for (const auto& [bytes, want] : cases) {
        CAPTURE(encode_utf8(want));
        CHECK(decode_utf8(bytes) == want);
    }
}

TEST_CASE("unicode: encodes every length of UTF-8 so that it decodes again") {
    const std::u32string text = U"a\u007f\u0080\u07ff\u0800\uffff\U00010000\U0010ffff";
    CHECK(decode_utf8(encode_utf8(text)) == text);
}

TEST_CASE("unicode: lower-cases fully, with the final sigma where a word ends") {
    CHECK(to_lower(U"\u0130") == U"i\u0307");
    CHECK(to_lower(U"\u039f\u0394\u039f\u03a3") == U"\u03bf\u03b4\u03bf\u03c2");
    CHECK(to_lower(U"\u03a3") == U"\u03c3");
    CHECK(to_lower(U"\u0391\u03a3\u0391") == U"\u03b1\u03c3\u03b1");
    CHECK(to_lower(U"\u0391'\u03a3'") == U"\u03b1'\u03c2'");
    CHECK(to_lower(U"\u0391\u03a3\u0301\u0391") == U"\u03b1\u03c3\u0301\u03b1");
}

TEST_CASE("unicode: puts long runs of marks into the order of form C") {
    // U+0323 (class 220) goes before U+0301 (class 230), and the base takes the first of each.
    const std::u32string run = std::u32string(200, 0x301) + std::u32string(200, 0x323);
    const std::u32string normal = to_nfc(U"x" + run + U"y");
    CHECK(normal == U"x" + std::u32string(200, 0x323) + std::u32string(200, 0x301) + U"y");
    CHECK(to_nfc(U"e\u0301") == U"\u00e9");
    std::u32string tibetan;
    for (int i = 0; i < 100; ++i)
        tibetan += U"\u0f73";
    CHECK(to_nfc(U"x" + tibetan) == U"x" + std::u32string(100, 0xf71) + std::u32string(100, 0xf72));
}

TEST_CASE("html: reads references as HTML 5 does, with and without a semicolon") {
    CHECK(unescaped(U"&lt;&gt&amp;&quot;") == "<>&\"");
    CHECK(unescaped(U"&notit; &notin; &not") == "\u00acit; \u2209 \u00ac");
    CHECK(unescaped(U"&hellip &hellip;") == "&hellip \u2026");
    CHECK(unescaped(U"&CounterClockwiseContourIntegral;") == "\u2233");
    CHECK(unescaped(U"&NotEqualTilde;") == "\u2242\u0338");
    CHECK(unescaped(U"& &; &#; &#x; &a b&") == "& &; &#; &#x; &a b&");
    CHECK(unescaped(U"&amp\u00e9;") == "&\u00e9;");
}

TEST_CASE("html: reads numbers, and what stands for nothing") {
    CHECK(unescaped(U"&#65;&#x41;&#X41&#066") == "AAAB");
    CHECK(unescaped(U"&#128;&#x99;&#x81;") == "\u20ac\u2122\u0081");
    CHECK(unescaped(U"&#0;&#xd800;&#1114112;&#99999999999999999999999;") ==
          "\ufffd\ufffd\ufffd\ufffd");
    CHECK(unescaped(U"a&#1;&#xfdd0;&#x1ffff;&#127;b") == "ab");
}

TEST_CASE("html: the strict kind wants a semicolon and keeps what stands for one") {
    CHECK(strictly(U"&lt &lt; &notit; &#59; &semi; &#65a;") == "&lt < &notit; &#59; ; &#65a;");
    CHECK(strictly(U"&NTILDE; &SZLIG; &AMP; &HELLIP; &Ntilde;") == "\u00d1 SS & \u2026 \u00d1");
}

TEST_CASE("clean_text: resolves references until a line holds '<', and then twice more") {
    CHECK(repaired(U"&eacute;\n<br>\n&eacute;") == "\u00e9\n<br>\n&eacute;");
    CHECK(repaired(U"&amp;amp;amp;lt;") == "<");
    CHECK(clean_text("<br> &amp;amp;eacute; &amp;eacute;") == "<br> &eacute; \u00e9");
}

TEST_CASE("clean_text: collapses white space and lower-cases, in ASCII and beyond") {
    CHECK(clean_text("  A  Photo\tof\r\n\n a\fDOG ") == "a photo of a dog");
    CHECK(clean_text("  \u00c9T\u00c9\u00a0 \u3000\u2003X\u2028 ") == "\u00e9t\u00e9 x");
    CHECK(clean_text("") == "");
    CHECK(clean_text(" \n") == "");
}

TEST_CASE("clean_text: takes ligatures, widths, quotes, escapes and controls apart") {
    CHECK(repaired(U"\ufb01\ufb05\u01c6\u0149") == "fi\u017ftd\u017e'n");
    CHECK(repaired(U"\uff21\uff01\uff76\uff9e\u3000x") == "A!\u30ac x");
    CHECK(repaired(U"\u201ca\u201d \u2018b\u2019 \uff07") == "\"a\" 'b' '");
    CHECK(repaired(U"\x1b[31mred\x1b[0m \x1b[1;\u0661mx \x1b[;?") == "red x [;?");
    CHECK(repaired(U"a\x01\x7f\ufeff\u206a\ufff9b") == "ab");
    CHECK(repaired(U"a\rb\r\nc\u2028d") == "a\nb\nc\nd");
}

TEST_CASE("mojibake: text that looks right is left alone") {
    for (const std::u32string_view text : {U"plain", U"caf\u00e9 d'\u00e9t\u00e9 \u00c0 la carte",
                                           U"\u041f\u0440\u0438\u0432\u0435\u0442",
                                           U"\u00c5 och \u00c4", U"\u6771\u4eac \u2014 \u20ac5"}) {
        CHECK_FALSE(looks_like_mojibake(text));
        CHECK(fix_mojibake(std::u32string(text)) == text);
    }
}

TEST_CASE("mojibake: repairs readings in several code pages and layers") {
    const auto fix = [](const char32_t* text) { return encode_utf8(fix_mojibake(text)); };
    CHECK(fix(U"\u00e2\u0153\u201d No problems") == "\u2714 No problems");
    CHECK(fix(U"s\u00c3\u00b3") == "s\u00f3");
    CHECK(fix(U"voil\u00c3 le travail") == "voil\u00e0 le travail");
    CHECK(fix(U"\u00c3\u0192\u00c2\u00a9") == "\u00e9");
    CHECK(fix(U"(\u00e3\u0083\u0084)") == "(\u30c4)");
    CHECK(fix(U"\u00ed\u00a0\u00bd\u00ed\u00b8\u008d") == "\U0001f60d");
    CHECK(fix(U"\u6771\u4eac l\u00e2\u20ac\u2122ami") == "\u6771\u4eac l\u2019ami");
    CHECK(fix(U"r\u221a\u00a9sum\u221a\u00a9") == "r\u00e9sum\u00e9");
}

TEST_CASE("clean_text: hostile texts cost time in proportion to their length") {
    // Each of these is quadratic or worse where a round, a run or a look-back is not bounded; at
    // this size that would take minutes.
    for (const std::string& text :
         {concat("&", times("amp;", 50000)), concat(times("&#1", 30000), times(";", 30000)),
          concat("a", times("\u0301", 50000), times("\u0323", 50000)), times("\u0f73", 60000),
          concat("a", times("\u02d0", 60000), times("\u03a3\u02d0", 20000)),
          concat("\u00c3", times("\u0192", 20000), "\u00a9"), times("\x1b[1", 60000),
          times("&AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 5000)})
        CHECK_FALSE(clean_text(text).empty());
}

TEST_CASE("split: takes marks, contractions, letters, single numerals and the rest") {
    using Words = std::vector<std::string>;
    CHECK(words_of("a dog's 12 !?x") == Words{"a", "dog", "'s", "1", "2", "!?", "x"});
    CHECK(words_of("'said we'll 'lx ''s") == Words{"'s", "aid", "we", "'ll", "'", "lx", "''", "s"});
    CHECK(words_of("<|startoftext|>a<|endoftext|>") ==
          Words{"<|startoftext|>", "a", "<|endoftext|>"});
    CHECK(words_of("!<|startoftext|>") == Words{"!<|", "startoftext", "|>"});
    CHECK(words_of("'\u017faid <|\u017ftartoftext|>") ==
          Words{"'\u017f", "aid", "<|\u017ftartoftext|>"});
    CHECK(words_of("\u00bd\u0663\u2167") == Words{"\u00bd", "\u0663", "\u2167"});
    CHECK(words_of("a\u0345b!\u0345!") == Words{"a", "b", "!", "!"});
    CHECK(words_of("a\u0301b") == Words{"a", "\u0301", "b"});
    CHECK(words_of(" ") == Words{});
}
