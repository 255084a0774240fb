// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <set>

#include "io/tar_builder.hpp"
#include "train/batch_loader.hpp"
#include "train/draws.hpp"
#include "train_data.hpp"

using namespace clip;
using namespace clip::train;
using clip_test::message_of;
using clip_test::Opened;
using clip_test::ppm;
using clip_test::TempFolder;
using clip_test::write_file;

namespace {

/// Pairs in memory: pictures whose blue is their index, with two captions each; some are broken.
class MadePairs : public PairSource {
  public:
    explicit MadePairs(std::uint64_t count, std::set<std::uint64_t> broken = {},
                       std::vector<std::uint64_t> shards = {})
        : count_(count), broken_(std::move(broken)), shards_(std::move(shards)) {}

    std::uint64_t size() const override { return count_; }
    std::vector<std::uint64_t> shards() const override { return shards_; }
    std::string describe(std::uint64_t index) const override { return concat("pair ", index); }
    void read(std::uint64_t index, PairRecord& out) const override {
        out.name = describe(index);
        out.path.clear();
        const std::string picture = broken_.contains(index)
                                        ? std::string("not a picture")
                                        : ppm(24, 8, static_cast<unsigned>(index % 251));
        out.bytes.assign(picture.begin(), picture.end());
        read_captions(index, out.captions);
    }
    void read_captions(std::uint64_t index, std::vector<std::string>& out) const override {
        out = {concat("a photo of a dog ", index), concat("the cat ", index)};
    }

  private:
    std::uint64_t count_;
    std::set<std::uint64_t> broken_;
    std::vector<std::uint64_t> shards_;
};

const Tokenizer& tokenizer() {
    static const Tokenizer made = clip_test::tokenizer();
    return made;
}

LoaderOptions options_of(std::size_t batch_size, std::size_t threads = 1) {
    LoaderOptions options;
    options.batch_size = batch_size;
    options.threads = threads;
    options.sample.preprocess.size = 8;
    options.sample.seed = 5;
    options.end_epoch = 3;
    return options;
}

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
    BatchLoader loader(pairs, tokenizer(), options);
    std::vector<std::string> out;
    Batch batch;
    while (loader.next(batch))
        out.push_back(content_of(batch));
    CHECK_FALSE(loader.next(batch));
    return out;
}

const std::set<std::uint64_t> kBroken = {3, 4, 17, 40, 41, 42};

} // namespace

TEST_CASE("batches: full, each pair once an epoch, pixels and tokens of that pair") {
    const MadePairs pairs(50);
    BatchLoader loader(pairs, tokenizer(), options_of(8));
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
            const bool first =
                ids == tokenizer().encode_for_model(concat("a photo of a dog ", index), 77).ids;
            const bool second =
                ids == tokenizer().encode_for_model(concat("the cat ", index), 77).ids;
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
        BatchLoader whole(pairs, tokenizer(), options);
        std::vector<std::unique_ptr<BatchLoader>> parts;
        options.ranks = ranks;
        for (options.rank = 0; options.rank < ranks; ++options.rank)
            parts.push_back(std::make_unique<BatchLoader>(pairs, tokenizer(), options));
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
        BatchLoader loader(pairs, tokenizer(), options);
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
    BatchLoader loader(few, tokenizer(), options);
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
        BatchLoader loader(pairs, tokenizer(), options_of(8, 2));
        const std::string message = message_of([&] { loader.next(batch); });
        CHECK(message.starts_with(
            size == 20
                ? "load training data: 26 pairs in a row cannot be used; the last: pair "
                : "load training data: 1000 pairs in a row cannot be used; the last: pair "));
        CHECK(message_of([&] { loader.next(batch); }) == message); // and stays ended
        LoaderOptions options = options_of(8, 2);
        options.sample.training = false;
        BatchLoader checking(pairs, tokenizer(), options);
        const std::string other = message_of([&] {
            while (checking.next(batch))
                CHECK(batch.size() == 0);
        });
        CHECK(other.starts_with(
            concat("load the data: none of ", size, " pairs can be used; the last: pair ")));
    }
    // Ended early, with threads in the middle of it.
    const MadePairs pairs(5000, all);
    const BatchLoader unused(pairs, tokenizer(), options_of(8, 4));
}

TEST_CASE(
    "batches: validation takes pairs as they come, the middle of each and its first caption") {
    const MadePairs pairs(20, {1, 19});
    LoaderOptions options = options_of(8, 2);
    options.sample.training = false;
    options.end_epoch = 2;
    BatchLoader loader(pairs, tokenizer(), options);
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
                      tokenizer().encode_for_model(concat("a photo of a dog ", index), 77).ids);
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
    BatchLoader second(pairs, tokenizer(), options);
    Batch batch;
    for (const std::size_t size : {4, 4, 0}) {
        REQUIRE(second.next(batch));
        CHECK(batch.size() == size);
    }
    CHECK_FALSE(second.next(batch));
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
    BatchLoader loader(*opened.pairs, tokenizer(), options);
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
    BatchLoader loader(*opened.pairs, tokenizer(), options);
    Batch batch;
    std::set<std::uint64_t> seen;
    while (loader.next(batch))
        for (std::size_t row = 0; row < batch.size(); ++row) {
            const std::uint64_t index = batch.indices[row];
            seen.insert(index);
            CHECK(batch.pixels[(row * 3 + 2) * 64] ==
                  (static_cast<float>(index) / 255.0F - 0.40821073F) / 0.27577711F);
            CHECK(batch.texts[row].ids ==
                  tokenizer().encode_for_model(concat("dog ", index / 10, index % 10), 77).ids);
        }
    CHECK(seen.size() == 30);
    CHECK(loader.stats().all_skipped() == 0);
}

TEST_CASE("batches: impossible options") {
    const MadePairs pairs(10);
    const auto message = [&](auto change) {
        LoaderOptions options = options_of(8);
        change(options);
        return message_of([&] { BatchLoader(pairs, tokenizer(), options); });
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
    CHECK(message_of([&] { BatchLoader(none, tokenizer(), options_of(8)); }) ==
          "load training data: there are no pairs");
}
