// SPDX-License-Identifier: MIT
#include "cli/option_table.hpp"

#include "cli/common_options.hpp"
#include "cli/declare.hpp"
#include "cli/help.hpp"
#include "cli/man_page.hpp"
#include "cli/parse_arguments.hpp"

#include <CLI/CLI.hpp>
#include <doctest/doctest.h>

using namespace clip::cli;

TEST_CASE("value_shape: follows from the name of the value") {
    const ValueShape formats = value_shape("jsonl|h5|npy");
    CHECK(formats.words == std::vector<std::string>{"jsonl", "h5", "npy"});
    CHECK_FALSE(formats.open);
    CHECK(value_shape("auto|cpu|cuda[:N]").words.back() == "cuda");
    CHECK_FALSE(value_shape("auto|cpu|cuda[:N]").open);
    CHECK(value_shape("FILE").files);
    CHECK(value_shape("FILE.h5").files);
    CHECK(value_shape("MODEL").files);
    CHECK(value_shape("FOLDER").folders);
    CHECK_FALSE(value_shape("FOLDER").files);
    const ValueShape truth = value_shape("folder|FILE");
    CHECK((truth.words.size() == 1 && truth.files && truth.open));
    const ValueShape shard = value_shape("auto|K/N");
    CHECK((shard.words.size() == 1 && !shard.files && shard.open));
    CHECK((value_shape("N").open && value_shape("N").words.empty()));
}

TEST_CASE("is_word_of: takes the words and their optional numbers, nothing else") {
    for (const char* word : {"auto", "cpu", "cuda", "cuda:0", "cuda:12"})
        CHECK_MESSAGE(is_word_of("auto|cpu|cuda[:N]", word), word);
    for (const char* word : {"", "cud", "cpu:0", "cuda:", "cuda:x", "cuda:-1", "cuda0", "CUDA",
                             "cuda:12345", "auto|cpu"})
        CHECK_MESSAGE(!is_word_of("auto|cpu|cuda[:N]", word), word);
}

TEST_CASE("table_faults: finds each broken rule") {
    CLI::App app("Do", "x");
    app.set_help_flag("-h,--help", "show this help and exit");
    CommonOptions common;
    add_common_options(app, common);
    InputOptions input;
    add_input_options(app, input, "pictures");
    std::string output;
    add_output_option(app, output);
    CHECK(table_faults(table_of(app)).empty());

    std::string value;
    bool flag = false;
    add_text(app, "-x", value, "N", "a letter only")->group("G");
    add_text(app, "--snake_case", value, "N", "its name")->group("G");
    add_switch(app, "--no-text", flag, "")->group("G");
    add_switch(app, "--long", flag, std::string(61, 'x'))->group("G");
    add_switch(app, "--sentence", flag, "Does this.")->group("G");
    add_switch(app, "--acronym", flag, "HDF5 out")->group("G");
    add_switch(app, "--bytes", flag, "caf\xc3\xa9")->group("G");
    add_switch(app, "--loose", flag, "under no heading");
    const auto faults = table_faults(table_of(app));
    CHECK(faults == std::vector<std::string>{
                        "x: option without a long name",
                        "x: --snake_case: the name is not in kebab-case",
                        "x: --no-text: no text",
                        "x: --long: the text is longer than 60 columns",
                        "x: --sentence: the text starts with a capital or ends with a dot",
                        "x: --bytes: the text is not plain ASCII",
                        "x: --loose: stands under no heading",
                    });
}

TEST_CASE("wrapped: fills lines and leaves long words whole") {
    CHECK(wrapped("aa bb cc dd", 0, 2, 8) == "aa bb cc\n  dd\n");
    CHECK(wrapped("aa bb", 4, 4, 8) == "aa\n    bb\n");
    CHECK(wrapped("aaaaaaaaaaaa b", 0, 0, 8) == "aaaaaaaaaaaa\nb\n");
    CHECK(wrapped("  a   b  ", 0, 0, 8) == "a b\n");
    CHECK(wrapped("", 0, 0, 8) == "\n");
}

TEST_CASE("roff_escaped: nothing is left for roff to act on") {
    CHECK(roff_escaped(".TH") == "\\&.TH");
    CHECK(roff_escaped("'br") == "\\&\\(aqbr");
    CHECK(roff_escaped("--x \\n \"q\" `a` ~ ^ a.b") ==
          "\\-\\-x \\en \\(dqq\\(dq \\(gaa\\(ga \\(ti \\(ha a.b");
}

TEST_CASE("nearest_word: guesses slips of the finger and nothing wilder") {
    const std::vector<std::string> words{"model", "threads", "format", "top", "template"};
    CHECK(nearest_word("modle", words) == "model");
    CHECK(nearest_word("thread", words) == "threads");
    CHECK(nearest_word("fromat", words) == "format");
    CHECK(nearest_word("tpo", words) == "top");
    CHECK(nearest_word("xyzzy", words) == "");
    CHECK(nearest_word("", words) == "");
    CHECK(nearest_word(std::string(1 << 20, 'a'), words) == "");
}
