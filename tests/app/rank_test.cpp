// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include "app/embedding_space.hpp"
#include "app/kept_warnings.hpp"
#include "app/rank_options.hpp"
#include "base/error.hpp"

using namespace clip;
using namespace clip::app;

TEST_CASE("query terms: a weight is a number before a colon") {
    const auto check = [](const char* text, double weight, const char* item) {
        INFO(text);
        const WeightedTerm term = parse_weighted_term(text);
        CHECK(term.weight == weight);
        CHECK(term.item == item);
    };
    check("a dog", 1, "a dog");
    check("2:a dog", 2, "a dog");
    check("0.5: a dog", 0.5, " a dog");
    check("1e-3:x", 1e-3, "x");
    check("2:3:x", 2, "3:x");
    check(":x", 1, ":x");
    check("news: a dog", 1, "news: a dog");
    check("2x:y", 1, "2x:y");
    check("12:30", 12, "30");
    for (const char* bad : {"0:x", "-1:x", "inf:x", "nan:x", "1e999:x", "2:"}) {
        INFO(bad);
        CHECK_THROWS_AS(parse_weighted_term(bad), Error);
    }
}

TEST_CASE("options of clip-rank that do not go together") {
    const auto refused = [](const auto& change) {
        RankOptions options{.inputs = {"a.h5"}, .queries = {"a dog"}};
        change(options);
        CHECK_THROWS_AS(check_rank_options(options), Error);
    };
    check_rank_options({.inputs = {"a.h5"}, .queries = {"a dog"}, .query_files = {"-"}});
    check_rank_options({.inputs = {"a.h5"}, .minus = {"a dog"}});
    check_rank_options({.inputs = {"a.h5"}, .duplicates = true, .between = true});
    refused([](RankOptions& o) { o.queries.clear(); });
    refused([](RankOptions& o) { o.duplicates = true; });
    refused([](RankOptions& o) { o.between = true; });
    refused([](RankOptions& o) { o.export_faiss = "a.index"; });
    refused([](RankOptions& o) { o.scores = "best"; });
    refused([](RankOptions& o) { o.sheet = "sheet.gif"; });
    refused([](RankOptions& o) { o.output = o.sheet = "sheet.html"; });
    refused([](RankOptions& o) {
        o.inputs = {};
        o.query_files = {"-"};
    });
    refused([](RankOptions& o) {
        o.queries.clear();
        o.duplicates = true;
        o.scores = "logit";
    });
}

TEST_CASE("embedding space: models, layers and widths never mix") {
    test::KeptWarnings warnings;
    EmbeddingSpace space(warnings);
    space.meet("a.jsonl", "", "", 4); // says nothing of its model
    CHECK(space.model().empty());
    space.meet("b.h5",
               {.model = "ViT@1", .logit_scale = 50, .dim = 4, .settings = "layer=projected"});
    CHECK(space.model() == "ViT@1");
    CHECK(space.logit_scale() == 50.0);
    space.meet("c.h5", "ViT@1", "layer=projected crop=none", 4);
    const auto code = [&](const char* model, const char* settings, std::int64_t dim) {
        try {
            space.meet("d.h5", model, settings, dim);
        } catch (const Error& error) {
            const std::string message = error.what();
            CHECK(message.find(error.code() == ErrorCode::shape_mismatch ? "a.jsonl" : "d.h5") !=
                  std::string::npos);
            return error.code();
        }
        return ErrorCode::internal;
    };
    CHECK(code("ViT@2", "", 4) == ErrorCode::version_mismatch);
    CHECK(code("ViT@1", "layer=penultimate", 4) == ErrorCode::version_mismatch);
    CHECK(code("", "", 5) == ErrorCode::shape_mismatch);
    CHECK(warnings.all.empty());
    space.meet("e.h5", "ViT@1", "layer=projected precision=f32", 4);
    space.meet("f.h5", "ViT@1", "layer=projected precision=f16", 4);
    CHECK(warnings.all.size() == 1);
}
