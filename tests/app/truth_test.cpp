// SPDX-License-Identifier: MIT
#include "app/truth.hpp"

#include <filesystem>

#include <doctest/doctest.h>

#include "base/error.hpp"
#include "temporary_folder.hpp"

using namespace clip;
using namespace clip::app;

namespace {

Input picture(const std::string& path) {
    Input input;
    input.item = path;
    return input;
}

} // namespace

TEST_CASE("truth: by folder it is the name of the folder that the picture lies in") {
    const Truth truth("folder");
    CHECK(truth.of(picture("test/dog/1.png")) == "dog");
    CHECK(truth.of(picture("/dog/1.png")) == "dog");
    CHECK(truth.of(picture("dog//1.png")) == "dog");
    CHECK(truth.of(picture("caf\xE9/1.png")) == "file:caf%E9");
    CHECK_FALSE(truth.of(picture("/1.png")));
}

TEST_CASE("truth: a folder that the path does not spell has its real name") {
    const Truth truth("folder");
    const std::filesystem::path here = std::filesystem::current_path();
    const std::string name = here.filename().string();
    CHECK(truth.of(picture("1.png")) == name);
    CHECK(truth.of(picture("./1.png")) == name);
    CHECK(truth.of(picture("././/1.png")) == name);
    CHECK(truth.of(picture(here.string() + "/./1.png")) == name);
    CHECK(truth.of(picture("../1.png")) == here.parent_path().filename().string());
}

TEST_CASE("truth: by file it is what stands after the path's last tab") {
    const TemporaryFolder folder;
    const Truth truth(folder.write("t", "a.png\tdog\na\tb.png\tcat\na.png\tdog\n"));
    CHECK(truth.of(picture("a.png")) == "dog");
    CHECK(truth.of(picture("a\tb.png")) == "cat");
    CHECK_FALSE(truth.of(picture("c.png")));
    CHECK_THROWS_AS(Truth(folder.write("t", "a.png\n")), Error);
    CHECK_THROWS_AS(Truth(folder.write("t", "a.png\tdog\na.png\tcat\n")), Error);
}

TEST_CASE("truth: several labels of a path, between bars or in lines of their own") {
    using Labels = std::vector<std::string>;
    const TemporaryFolder folder;
    const std::string file =
        folder.write("t", "a.png\tdog|cat\nb.png\tdog\nb.png\tcat|dog\nc.png\t\n");
    const Truth truth(file, true);
    CHECK(truth.all_of(picture("a.png")) == Labels{"dog", "cat"});
    CHECK(truth.all_of(picture("b.png")) == Labels{"dog", "cat"});
    CHECK(truth.all_of(picture("c.png")) == Labels{});
    CHECK_FALSE(truth.all_of(picture("d.png")));
    CHECK(Truth("folder", true).all_of(picture("dog/1.png")) == Labels{"dog"});
    // Where a path has one label, a bar is a character like others.
    CHECK(Truth(folder.write("u", "a.png\tdog|cat\n")).of(picture("a.png")) == "dog|cat");
}

TEST_CASE("scoreboard: counts top-1, top-5, means and mistakes as done by hand") {
    Scoreboard board({"a", "b", "c", "d", "e", "f"});
    const std::vector<float> scores{6, 5, 4, 3, 2, 1};
    board.add("a", scores);          // right
    board.add("a", scores);          // right
    board.add("b", scores);          // second
    board.add("f", scores);          // sixth
    board.add("x", scores);          // no label
    board.add(std::nullopt, scores); // no truth
    CHECK(board.n() == 4);
    CHECK(board.to_json() ==
          "{\"n\":4,\"top1\":0.5,\"top5\":0.75,\"mean_per_class\":0.3333333333333333,"
          "\"without_truth\":1,\"strange_truth\":{\"x\":1},\"confusion\":{\"labels\":"
          "[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\"],\"matrix\":[[2,0,0,0,0,0],[1,0,0,0,0,0],"
          "[0,0,0,0,0,0],[0,0,0,0,0,0],[0,0,0,0,0,0],[1,0,0,0,0,0]]}}\n");
    CHECK(board.to_text().find("top-1 50.00 %, top-5 75.00 %, mean per class 33.33 %") !=
          std::string::npos);
}

TEST_CASE("scoreboard: of equal scores the first class is the answer") {
    Scoreboard board({"a", "b"});
    board.add("b", std::vector<float>{1, 1});
    CHECK(board.to_json().find("\"top1\":0,") != std::string::npos);
    CHECK(Scoreboard({"a"}).to_json().find("\"top1\":null") != std::string::npos);
}
