// SPDX-License-Identifier: MIT
#include "app/input_source.hpp"

#include <doctest/doctest.h>

#include "app/classifier_file.hpp"
#include "base/concat.hpp"
#include "temporary_folder.hpp"

using namespace clip;
using namespace clip::app;

namespace {

/// "1 a.png|2 !list:3" : position, then item, or '!' and the name of what failed.
std::string all_of(InputSourceOptions options) {
    InputSource source(std::move(options));
    std::string out;
    Input input;
    while (source.next(input))
        out += concat(out.empty() ? "" : "|", input.position, " ",
                      input.error ? "!" + input.name : input.item,
                      input.extra.empty() ? "" : "{" + input.extra + "}");
    return out;
}

} // namespace

TEST_CASE("input source: operands keep their order, and what fails its place") {
    const TemporaryFolder folder;
    const std::string list = folder.write("l.jsonl", "{\"path\":\"b.png\",\"id\":1}\n\nplain.png\n"
                                                     "{\"path\":\n{\"text\":\"a dog\"}\n");
    const std::string missing = folder.at("missing.jsonl");
    CHECK(all_of({.operands = {"a.png", list, missing, "c.png"}}) ==
          concat("1 a.png|2 b.png{\"id\":1}|3 !", list, ":3|4 !", list, ":4|5 a dog|6 !", missing,
                 "|7 c.png"));
}

TEST_CASE("input source: folders are walked with -r only, in sorted order") {
    const TemporaryFolder folder;
    folder.write("d/b/2.png", "");
    folder.write("d/a.jpg", "");
    folder.write("d/notes.txt", "");
    const std::string root = folder.at("d");
    CHECK(all_of({.operands = {root}, .recursive = true}) ==
          concat("1 ", root, "/a.jpg|2 ", root, "/b/2.png"));
    CHECK(all_of({.operands = {root}}) == concat("1 !", root));
    InputSource source({.operands = {root, "x.png"}, .recursive = true});
    Input input;
    CHECK_FALSE(source.total());
    REQUIRE(source.next(input));
    CHECK(source.total() == 3); // known once the folder is read
}

TEST_CASE("input source: shards split positions, those of failures too") {
    const TemporaryFolder folder;
    const std::string list = folder.write("l.jsonl", "{\"path\":\"a\"}\n{\n{\"path\":\"c\"}\n");
    CHECK(all_of({.operands = {list, "d"}, .shard = {1, 2}}) == "1 a|3 c");
    CHECK(all_of({.operands = {list, "d"}, .shard = {2, 2}}) == concat("2 !", list, ":2|4 d"));
    CHECK(InputSource({.operands = {"a", "b", "c"}, .shard = {2, 2}}).total() == 1);
    CHECK(InputSource({.operands = {"a", "b", "c"}, .shard = {1, 2}}).total() == 2);
}

TEST_CASE("input source: texts stand as they are") {
    CHECK(all_of({.operands = {"a.jsonl", "{\"text\":1}", ""}, .texts = true}) ==
          "1 a.jsonl|2 {\"text\":1}|3 ");
}

TEST_CASE("input source: embeddings come from HDF5 files and from records") {
    const TemporaryFolder folder;
    const std::string file = folder.at("c.h5");
    save_classifier(file,
                    {.model = "m@0", .labels = {"dog", "cat"}, .weights = {1, 0, 0, 1}, .dim = 2},
                    "test");
    const std::string list =
        folder.write("l.jsonl", "{\"path\":\"a\",\"embedding\":[1,2],\"model\":\"m@1\"}\n"
                                "{\"embedding\":[3,4],\"id\":1}\n");
    InputSource source({.operands = {file, list}, .embeddings = true});
    Input input;
    REQUIRE(source.next(input));
    CHECK(input.item == "dog");
    CHECK(input.is_text);
    CHECK(input.model == "m@0");
    REQUIRE(source.next(input));
    CHECK(input.embedding == std::vector<float>{0, 1});
    REQUIRE(source.next(input));
    CHECK(input.item == "a");
    CHECK(input.model == "m@1");
    REQUIRE(source.next(input));
    CHECK_FALSE(input.has_item);
    CHECK(input.embedding == std::vector<float>{3, 4});
    CHECK(input.extra == "\"id\":1");
    CHECK_FALSE(source.next(input));
    // For a command that computes embeddings the nameless one is nothing.
    CHECK(all_of({.operands = {list}}) == concat("1 a|2 !", list, ":2{\"id\":1}"));
}

TEST_CASE("input source: a raised stop flag ends it") {
    std::atomic<bool> stop{true};
    CHECK(all_of({.operands = {"a"}, .stop = &stop}).empty());
}

TEST_CASE("quoted beginning: cuts at 40 characters, not bytes") {
    CHECK(quoted_beginning("short") == "'short'");
    const std::string umlauts = [] {
        std::string text;
        for (int i = 0; i < 41; ++i)
            text += "\xC3\xA4";
        return text;
    }();
    CHECK(quoted_beginning(umlauts) == "'" + umlauts.substr(0, 80) + "...'");
}
