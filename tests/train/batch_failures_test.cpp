// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "made_pairs.hpp"

using namespace clip;
using namespace clip::train;
using clip_test::kBroken;
using clip_test::MadePairs;
using clip_test::message_of;
using clip_test::Opened;
using clip_test::options_of;
using clip_test::ppm;
using clip_test::TempFolder;
using clip_test::write_file;

TEST_CASE("batches: broken pairs are replaced, counted and named") {
    const MadePairs pairs(57, kBroken);
    for (const std::size_t threads : {1, 4}) {
        LoaderOptions options = options_of(8, threads);
        options.end_epoch = 1;
        std::vector<std::string> named;
        options.named_skips = 3;
        options.on_skip = [&](const Skip& skip) {
            named.push_back(skip.name);
            CHECK(skip.reason == SkipReason::broken);
            CHECK(kBroken.contains(skip.index));
            CHECK_FALSE(skip.message.empty());
        };
        BatchLoader loader(pairs, clip_test::shared_tokenizer(), options);
        Batch batch;
        std::set<std::uint64_t> rows;
        while (loader.next(batch)) {
            REQUIRE(batch.size() == 8);
            for (const std::uint64_t index : batch.indices)
                CHECK_FALSE(kBroken.contains(index));
            CHECK(std::set(batch.indices.begin(), batch.indices.end()).size() == 8);
            rows.insert(batch.indices.begin(), batch.indices.end());
        }
        CHECK(rows.size() >= 57 - 6 - 1); // one pair is left over
        CHECK(named.size() == 3);
        const auto skipped = loader.stats().skipped[static_cast<std::size_t>(SkipReason::broken)];
        CHECK(skipped >= 5);
        CHECK(loader.stats().all_skipped() == skipped);
        CHECK(loader.stats().pairs == 56);
    }
    // Just enough pairs for one batch: a good one stands in, even twice.
    const MadePairs few(8, {2});
    LoaderOptions options = options_of(8);
    options.end_epoch = 1;
    BatchLoader loader(few, clip_test::shared_tokenizer(), options);
    Batch batch;
    REQUIRE(loader.next(batch));
    CHECK(batch.size() == 8);
    CHECK(std::set(batch.indices.begin(), batch.indices.end()).size() == 7);
}

TEST_CASE("batches: data that is broken through and through ends the run") {
    std::set<std::uint64_t> all;
    for (std::uint64_t i = 0; i < 5000; ++i)
        all.insert(i);
    Batch batch;
    for (const std::uint64_t size : {20, 5000}) {
        const MadePairs pairs(size, all);
        BatchLoader loader(pairs, clip_test::shared_tokenizer(), options_of(8, 2));
        const std::string message = message_of([&] { loader.next(batch); });
        CHECK(message.starts_with(
            size == 20
                ? "load training data: 26 pairs in a row cannot be used; the last: pair "
                : "load training data: 1000 pairs in a row cannot be used; the last: pair "));
        CHECK(message_of([&] { loader.next(batch); }) == message); // and stays ended
        LoaderOptions options = options_of(8, 2);
        options.sample.training = false;
        BatchLoader checking(pairs, clip_test::shared_tokenizer(), options);
        const std::string other = message_of([&] {
            while (checking.next(batch))
                CHECK(batch.size() == 0);
        });
        CHECK(other.starts_with(
            concat("load the data: none of ", size, " pairs can be used; the last: pair ")));
    }
    // Ended early, with threads in the middle of it.
    const MadePairs pairs(5000, all);
    const BatchLoader unused(pairs, clip_test::shared_tokenizer(), options_of(8, 4));
}

TEST_CASE("batches: every kind of broken pair has its reason") {
    const TempFolder folder;
    write_file(folder / "good.ppm", ppm(9, 30, 7));
    write_file(folder / "cut.ppm", ppm(9, 30, 7).substr(0, 100));
    write_file(folder / "large.ppm", ppm(300, 300, 7));
    write_file(folder / "text.jpg", "not a picture");
    std::filesystem::create_directories(folder / "folder.jpg");
    write_file(folder / "a.tsv",
               "path\ttext\ngood.ppm\ta "
               "dog\ncut.ppm\tx\nlarge.ppm\tx\ntext.jpg\tx\nnone.jpg\tx\nfolder.jpg\tx\n"
               "good.ppm\t \ngood.ppm\t\xff\nrow\ngood.ppm\t" +
                   std::string(2000, 'x') + "\n");
    const Opened opened({folder / "a.tsv"});
    LoaderOptions options = options_of(16);
    options.sample.training = false;
    options.end_epoch = 1;
    options.sample.decode.max_pixels = 10000;
    std::vector<std::string> reasons;
    options.on_skip = [&](const Skip& skip) {
        reasons.push_back(concat(skip.index, " ", skip_reason_name(skip.reason), " ",
                                 skip.name.substr(skip.name.rfind('/') + 1)));
    };
    BatchLoader loader(*opened.pairs, clip_test::shared_tokenizer(), options);
    Batch batch;
    REQUIRE(loader.next(batch));
    CHECK(batch.indices == std::vector<std::uint64_t>{0, 9});
    CHECK(batch.texts[1].truncated);
    CHECK(batch.texts[1].ids.size() == 77);
    CHECK(reasons == std::vector<std::string>{"1 broken cut.ppm", "2 refused large.ppm",
                                              "3 broken text.jpg", "4 missing none.jpg",
                                              "5 refused folder.jpg", "6 caption good.ppm",
                                              "7 caption good.ppm", "8 record a.tsv: row 9"});
    const LoaderStats& stats = loader.stats();
    CHECK(stats.pairs == 2);
    CHECK(stats.truncated == 1);
    CHECK(stats.skipped == std::array<std::uint64_t, kSkipReasons>{1, 2, 1, 2, 2, 0});
}

TEST_CASE("batches: impossible options") {
    const MadePairs pairs(10);
    const auto message = [&](auto change) {
        LoaderOptions options = options_of(8);
        change(options);
        return message_of([&] { BatchLoader(pairs, clip_test::shared_tokenizer(), options); });
    };
    CHECK(message([](LoaderOptions&) {}).empty());
    CHECK(message([](LoaderOptions& o) { o.batch_size = 0; }) ==
          "load training data: a batch needs rows (got 0)");
    CHECK(message([](LoaderOptions& o) { o.batch_size = 11; }) ==
          "load training data: there are fewer pairs than a batch has (10 pairs, batches of 11; a "
          "smaller --batch-size helps)");
    CHECK(message([](LoaderOptions& o) {
              o.ranks = 0;
          }).starts_with("load training data: impossible share"));
    CHECK(message([](LoaderOptions& o) {
              o.ranks = 9;
          }).starts_with("load training data: impossible share"));
    CHECK(message([](LoaderOptions& o) {
              o.rank = 1;
          }).starts_with("load training data: impossible share"));
    CHECK(message([](LoaderOptions& o) {
              o.batch = 2;
          }).starts_with("load training data: no such batch"));
    CHECK(message([](LoaderOptions& o) {
              o.sample.preprocess.size = 0;
          }).find("size out of range") != std::string::npos);
    CHECK(message([](LoaderOptions& o) { o.sample.context_length = 2; }).find("context") !=
          std::string::npos);
    const MadePairs none(0);
    CHECK(message_of([&] { BatchLoader(none, clip_test::shared_tokenizer(), options_of(8)); }) ==
          "load training data: there are no pairs");
}
