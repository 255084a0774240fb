// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "io/tar_builder.hpp"
#include "made_pairs.hpp"
#include "train/batch_loader.hpp"
#include "train/draws.hpp"

using namespace clip;
using namespace clip::train;
using clip_test::kBroken;
using clip_test::MadePairs;
using clip_test::Opened;
using clip_test::options_of;
using clip_test::ppm;
using clip_test::TempFolder;
using clip_test::write_file;

namespace {

/// All that a batch holds, as bytes that can be compared.
std::string content_of(const Batch& batch) {
    std::string out = concat(batch.epoch, "/", batch.number, batch.last_of_epoch ? "!" : "", ":");
    for (std::size_t row = 0; row < batch.size(); ++row) {
        out += concat(" ", batch.indices[row], "=");
        for (const std::int32_t id : batch.texts[row].ids)
            out += concat(id, ",");
    }
    out.append(reinterpret_cast<const char*>(batch.pixels.data()),
               batch.pixels.size() * sizeof(float));
    return out;
}

std::vector<std::string> all_of(const PairSource& pairs, const LoaderOptions& options) {
    BatchLoader loader(pairs, clip_test::shared_tokenizer(), options);
    std::vector<std::string> out;
    Batch batch;
    while (loader.next(batch))
        out.push_back(content_of(batch));
    CHECK_FALSE(loader.next(batch));
    return out;
}

} // namespace

TEST_CASE("batches: full, each pair once an epoch, pixels and tokens of that pair") {
    const MadePairs pairs(50);
    BatchLoader loader(pairs, clip_test::shared_tokenizer(), options_of(8));
    CHECK(loader.batches_per_epoch() == 6);
    std::set<std::uint64_t> seen;
    std::set<float> crops;
    int captions[2] = {0, 0};
    Batch batch;
    for (int i = 0; i < 18; ++i) {
        REQUIRE(loader.next(batch));
        CHECK(batch.epoch == static_cast<std::uint32_t>(i / 6));
        CHECK(batch.number == static_cast<std::uint64_t>(i % 6));
        CHECK(batch.last_of_epoch == (i % 6 == 5));
        REQUIRE(batch.size() == 8);
        REQUIRE(batch.pixels.size() == 8 * 3 * 64);
        if (batch.number == 0)
            seen.clear();
        for (std::size_t row = 0; row < 8; ++row) {
            const std::uint64_t index = batch.indices[row];
            CHECK(seen.insert(index).second);
            const float blue = batch.pixels[(row * 3 + 2) * 64];
            CHECK(blue == (static_cast<float>(index) / 255.0F - 0.40821073F) / 0.27577711F);
            crops.insert(batch.pixels[row * 3 * 64]);
            const auto& ids = batch.texts[row].ids;
            const bool first = ids == clip_test::shared_tokenizer()
                                          .encode_for_model(concat("a photo of a dog ", index), 77)
                                          .ids;
            const bool second =
                ids ==
                clip_test::shared_tokenizer().encode_for_model(concat("the cat ", index), 77).ids;
            CHECK((first || second));
            ++captions[first ? 0 : 1];
        }
    }
    CHECK_FALSE(loader.next(batch));
    CHECK(crops.size() == 17); // all places of an 8 x 8 crop in 24 x 8
    CHECK(captions[0] > 40);
    CHECK(captions[1] > 40);
    CHECK(loader.stats().pairs == 144);
    CHECK(loader.stats().all_skipped() == 0);
    CHECK(loader.stats().waited >= 0.0);
}

TEST_CASE("batches: the same whatever the threads and what is made ahead") {
    for (const std::vector<std::uint64_t>& shards :
         {std::vector<std::uint64_t>{}, std::vector<std::uint64_t>{20, 37}}) {
        const MadePairs pairs(57, kBroken, shards);
        LoaderOptions options = options_of(8);
        options.shuffle_buffer = 10;
        const auto wanted = all_of(pairs, options);
        CHECK(wanted.size() == 21);
        for (const std::size_t threads : {2, 4}) {
            options.threads = threads;
            for (const std::size_t ahead : {0, 1, 5}) {
                options.ahead = ahead;
                CHECK(all_of(pairs, options) == wanted);
            }
        }
        options.sample.seed = 6;
        CHECK(all_of(pairs, options) != wanted);
    }
}

TEST_CASE("batches: going on anywhere gives what an uninterrupted run would have given") {
    const MadePairs pairs(57, kBroken);
    LoaderOptions options = options_of(8, 2);
    const auto wanted = all_of(pairs, options);
    for (const auto& [epoch, batch] : {std::pair<std::uint32_t, std::uint64_t>{0, 1},
                                       {0, 6},
                                       {0, 7},
                                       {1, 0},
                                       {1, 3},
                                       {2, 6},
                                       {2, 7}}) {
        options.epoch = epoch;
        options.batch = batch;
        const auto rest = all_of(pairs, options);
        CHECK(rest ==
              std::vector<std::string>(
                  wanted.begin() + epoch * 7 + static_cast<std::ptrdiff_t>(batch), wanted.end()));
    }
}

TEST_CASE("batches: the ranks' rows one after the other are the batch of one rank") {
    const MadePairs pairs(57, kBroken);
    for (const std::size_t ranks : {2, 3, 8}) {
        LoaderOptions options = options_of(8);
        BatchLoader whole(pairs, clip_test::shared_tokenizer(), options);
        std::vector<std::unique_ptr<BatchLoader>> parts;
        options.ranks = ranks;
        for (options.rank = 0; options.rank < ranks; ++options.rank)
            parts.push_back(
                std::make_unique<BatchLoader>(pairs, clip_test::shared_tokenizer(), options));
        Batch batch;
        while (whole.next(batch)) {
            Batch joined = batch;
            joined.pixels.clear();
            joined.texts.clear();
            joined.indices.clear();
            for (const auto& part : parts) {
                Batch share;
                REQUIRE(part->next(share));
                CHECK(share.size() >= 8 / ranks);
                joined.pixels.insert(joined.pixels.end(), share.pixels.begin(), share.pixels.end());
                joined.texts.insert(joined.texts.end(), share.texts.begin(), share.texts.end());
                joined.indices.insert(joined.indices.end(), share.indices.begin(),
                                      share.indices.end());
            }
            CHECK(content_of(joined) == content_of(batch));
        }
    }
}

TEST_CASE(
    "batches: validation takes pairs as they come, the middle of each and its first caption") {
    const MadePairs pairs(20, {1, 19});
    LoaderOptions options = options_of(8, 2);
    options.sample.training = false;
    options.end_epoch = 2;
    BatchLoader loader(pairs, clip_test::shared_tokenizer(), options);
    CHECK(loader.batches_per_epoch() == 3);
    for (int epoch = 0; epoch < 2; ++epoch) {
        std::vector<std::uint64_t> seen;
        Batch batch;
        for (const std::size_t size : {7, 8, 3}) {
            REQUIRE(loader.next(batch));
            CHECK(batch.size() == size);
            CHECK(batch.pixels.size() == size * 3 * 64);
            for (std::size_t row = 0; row < size; ++row) {
                const std::uint64_t index = batch.indices[row];
                seen.push_back(index);
                CHECK(batch.pixels[(row * 3 + 2) * 64] ==
                      (static_cast<float>(index) / 255.0F - 0.40821073F) / 0.27577711F);
                CHECK(batch.texts[row].ids ==
                      clip_test::shared_tokenizer()
                          .encode_for_model(concat("a photo of a dog ", index), 77)
                          .ids);
                // Column 8 of 24 is the first of the middle.
                CHECK(batch.pixels[row * 3 * 64] == (85.0F / 255.0F - 0.48145466F) / 0.26862954F);
            }
        }
        CHECK(std::is_sorted(seen.begin(), seen.end()));
        CHECK(seen.size() == 18);
    }
    CHECK(loader.stats().all_skipped() == 4);
    // Ranks share the rows; one may have none of the last batch.
    options.end_epoch = 1;
    options.ranks = 2;
    options.rank = 1;
    BatchLoader second(pairs, clip_test::shared_tokenizer(), options);
    Batch batch;
    for (const std::size_t size : {4, 4, 0}) {
        REQUIRE(second.next(batch));
        CHECK(batch.size() == size);
    }
    CHECK_FALSE(second.next(batch));
}

TEST_CASE("batches: shards of pictures") {
    const TempFolder folder;
    for (int shard = 0; shard < 3; ++shard) {
        clip_test::TarBuilder tar;
        for (int i = 0; i < 10; ++i)
            tar.add(concat(i, ".ppm"), ppm(12, 8, static_cast<unsigned>(shard * 10 + i)))
                .add(concat(i, ".txt"), concat("dog ", shard, i));
        write_file(folder / concat(shard, ".tar"), tar.finish());
    }
    const Opened opened({folder / "0.tar", folder / "1.tar", folder / "2.tar"});
    LoaderOptions options = options_of(5, 2);
    options.shuffle_buffer = 4;
    options.end_epoch = 1;
    BatchLoader loader(*opened.pairs, clip_test::shared_tokenizer(), options);
    Batch batch;
    std::set<std::uint64_t> seen;
    while (loader.next(batch))
        for (std::size_t row = 0; row < batch.size(); ++row) {
            const std::uint64_t index = batch.indices[row];
            seen.insert(index);
            CHECK(batch.pixels[(row * 3 + 2) * 64] ==
                  (static_cast<float>(index) / 255.0F - 0.40821073F) / 0.27577711F);
            CHECK(batch.texts[row].ids ==
                  clip_test::shared_tokenizer()
                      .encode_for_model(concat("dog ", index / 10, index % 10), 77)
                      .ids);
        }
    CHECK(seen.size() == 30);
    CHECK(loader.stats().all_skipped() == 0);
}
