// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include "backend/registry.hpp"
#include "model/zero_shot.hpp"

using namespace clip;

namespace {
const std::string kGolden = std::string(CLIP_TEST_DIR) + "/golden/micro-vit-hf";
}

TEST_CASE("zero shot: templates are filled at every place") {
    CHECK(fill_template("a photo of a {}.", "dog") == "a photo of a dog.");
    CHECK(fill_template("{} or {}", "cat") == "cat or cat");
    CHECK_THROWS_AS((void)fill_template("a photo", "dog"), Error);
}

TEST_CASE("zero shot: a class is the normalised mean of its normalised prompts") {
    ThreadPool pool(1);
    const auto backend = make_backend(Device{}, pool);
    ClipModel model(open_checkpoint(kGolden), *backend);
    const auto tokenizer =
        Tokenizer::from_vocab_and_merges(kGolden + "/vocab.json", kGolden + "/merges.txt");
    const ClassNames classes[] = {{"dog", {"dog", "puppy"}}, {"cat", {"cat"}}};
    const std::string templates[] = {"a photo of a {}.", "a drawing of a {}."};
    const Classifier got = build_classifier(model, tokenizer, *backend, classes, templates);
    REQUIRE(got.labels == std::vector<std::string>{"dog", "cat"});
    CHECK(got.model == model.id());

    const auto dim = static_cast<std::size_t>(got.dim);
    std::vector<double> mean(dim);
    for (const char* prompt : {"a photo of a dog.", "a drawing of a dog.", "a photo of a puppy.",
                               "a drawing of a puppy."}) {
        const TokenizedText text = tokenizer.encode_for_model(prompt, 16);
        std::vector<float> vector(dim);
        model.encode_texts(std::span(&text, 1), vector);
        double length = 0;
        for (const float v : vector)
            length += double{v} * v;
        for (std::size_t d = 0; d < dim; ++d)
            mean[d] += vector[d] / std::sqrt(length) / 4;
    }
    double length = 0;
    for (const double v : mean)
        length += v * v;
    for (std::size_t d = 0; d < dim; ++d)
        CHECK(got.weights[d] == doctest::Approx(mean[d] / std::sqrt(length)).epsilon(1e-4));
}

TEST_CASE("zero shot: nothing to choose from is refused") {
    ThreadPool pool(1);
    const auto backend = make_backend(Device{}, pool);
    ClipModel model(open_checkpoint(kGolden), *backend);
    const auto tokenizer =
        Tokenizer::from_vocab_and_merges(kGolden + "/vocab.json", kGolden + "/merges.txt");
    const ClassNames classes[] = {{"dog", {"dog"}}};
    const std::string templates[] = {"{}"};
    CHECK_THROWS_AS(build_classifier(model, tokenizer, *backend, {}, templates), Error);
    CHECK_THROWS_AS(build_classifier(model, tokenizer, *backend, classes, {}), Error);
}
