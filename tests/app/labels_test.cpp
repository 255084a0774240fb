// SPDX-License-Identifier: MIT
#include "app/labels.hpp"

#include <doctest/doctest.h>

#include "base/error.hpp"
#include "temporary_folder.hpp"

using namespace clip;
using namespace clip::app;

TEST_CASE("labels: a line is a label, or a label and its names") {
    const TemporaryFolder folder;
    const auto classes =
        read_label_file(folder.write("labels", "\xEF\xBB\xBF"
                                               "dog\thound| puppy |\r\n\n  cat  \nbird\tbird"));
    REQUIRE(classes.size() == 3);
    CHECK(classes[0].label == "dog");
    CHECK(classes[0].names == std::vector<std::string>{"hound", "puppy"});
    CHECK(classes[1].label == "cat");
    CHECK(classes[1].names == std::vector<std::string>{"cat"});
    CHECK(classes[2].names == std::vector<std::string>{"bird"});
}

TEST_CASE("labels: broken files are named with their line") {
    const TemporaryFolder folder;
    for (const char* content : {"ok\n\tname\n", "ok\ndog\t | \n", "ok\ncaf\xE9\n"}) {
        const std::string path = folder.write("labels", content);
        try {
            (void)read_label_file(path);
            FAIL("no error");
        } catch (const Error& error) {
            CHECK(error.code() == ErrorCode::bad_format);
            CHECK(std::string(error.what()).find(path + ":2: ") != std::string::npos);
        }
    }
    CHECK_THROWS_AS((void)read_label_file(folder.at("missing")), Error);
    CHECK_THROWS_AS((void)read_template_file(folder.write("t", "a photo of a {}\nno place\n")),
                    Error);
    CHECK(read_template_file(folder.write("t", "a {}\n\n{} art\n")).size() == 2);
}

TEST_CASE("labels: a file of templates must hold some, where none are given beside it") {
    const TemporaryFolder folder;
    CHECK(gather_templates({}, "") == std::vector<std::string>{kDefaultTemplate});
    const std::string path = folder.write("t", "a {}\n");
    CHECK(gather_templates({"the {}"}, path) == std::vector<std::string>{"the {}", "a {}"});
    const std::string blank = folder.write("blank", "\n \n");
    CHECK_THROWS_WITH_AS((void)gather_templates({}, blank),
                         ("read templates: " + blank + " holds no templates").c_str(), Error);
    CHECK(gather_templates({"the {}"}, blank) == std::vector<std::string>{"the {}"});
}

TEST_CASE("labels: the command line's come first, and none comes twice") {
    const TemporaryFolder folder;
    const std::string path = folder.write("labels", "cat\n");
    const auto classes = gather_classes({"dog"}, path);
    REQUIRE(classes.size() == 2);
    CHECK(classes[0].label == "dog");
    CHECK(classes[1].label == "cat");
    CHECK_THROWS_AS((void)gather_classes({"cat"}, path), Error);
    CHECK_THROWS_AS((void)gather_classes({}, ""), Error);
}
