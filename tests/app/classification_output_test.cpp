// SPDX-License-Identifier: MIT
#include "app/classification_output.hpp"

#include <doctest/doctest.h>

using namespace clip::app;

namespace {

const std::vector<std::string> kLabels{"dog", "a\tcat"};

Input named(const std::string& path) {
    Input input;
    input.item = path;
    return input;
}

std::string json(const Input& input, const Answer& answer) {
    std::string out;
    append_answer_json(out, input, answer, kLabels);
    return out;
}

std::string tsv(const Input& input, const Answer& answer) {
    std::string out;
    append_answer_tsv(out, input, answer, kLabels);
    return out;
}

} // namespace

TEST_CASE("classification output: records have the keys of the contract") {
    Answer answer{.top = {{1, 0.75F}, {0, 0.25F}}};
    Input input = named("a.png");
    CHECK(json(input, answer) ==
          "{\"path\":\"a.png\",\"label\":\"a\\tcat\",\"score\":0.75,\"top\":["
          "{\"label\":\"a\\tcat\",\"score\":0.75},"
          "{\"label\":\"dog\",\"score\":0.25}]}\n");
    input.extra = "\"id\":7";
    answer.top.pop_back();
    answer.confident = false;
    answer.with_truth = true;
    CHECK(json(input, answer) ==
          "{\"path\":\"a.png\",\"id\":7,\"label\":null,\"score\":0.75,\"top\":["
          "{\"label\":\"a\\tcat\",\"score\":0.75}],\"truth\":null}\n");
    answer.truth = "dog";
    CHECK(json(input, answer).find(",\"truth\":\"dog\"}") != std::string::npos);
}

TEST_CASE("classification output: an embedding without a name has no item") {
    const Answer answer{.top = {{0, 1.0F}}};
    Input input;
    input.has_item = false;
    CHECK(json(input, answer).starts_with("{\"label\":\"dog\","));
    input.extra = "\"id\":7";
    CHECK(json(input, answer).starts_with("{\"id\":7,\"label\":\"dog\","));
    CHECK(tsv(input, answer) == "\tdog\t1\n");
}

TEST_CASE("classification output: tsv has one line whatever is in a path") {
    const Answer answer{.top = {{1, 0.5F}}};
    CHECK(tsv(named("x\t\n\r\\\xE9"), answer) == "x\\t\\n\\r\\\\\xE9\ta\\tcat\t0.5\n");
}
