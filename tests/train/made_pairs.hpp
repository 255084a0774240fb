// SPDX-License-Identifier: MIT
// Training data that needs no files, and the options of small batches.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "train/batch_loader.hpp"
#include "train_data.hpp"

namespace clip_test {

/// Pairs in memory: pictures whose blue is their index, with two captions each; some are broken.
class MadePairs : public clip::train::PairSource {
  public:
    explicit MadePairs(std::uint64_t count, std::set<std::uint64_t> broken = {},
                       std::vector<std::uint64_t> shards = {})
        : count_(count), broken_(std::move(broken)), shards_(std::move(shards)) {}

    std::uint64_t size() const override { return count_; }
    std::vector<std::uint64_t> shards() const override { return shards_; }
    std::string describe(std::uint64_t index) const override {
        return clip::concat("pair ", index);
    }
    void read(std::uint64_t index, clip::train::PairRecord& out) const override {
        out.name = describe(index);
        out.path.clear();
        const std::string picture = broken_.contains(index)
                                        ? std::string("not a picture")
                                        : ppm(24, 8, static_cast<unsigned>(index % 251));
        out.bytes.assign(picture.begin(), picture.end());
        read_captions(index, out.captions);
    }
    void read_captions(std::uint64_t index, std::vector<std::string>& out) const override {
        out = {clip::concat("a photo of a dog ", index), clip::concat("the cat ", index)};
    }

  private:
    std::uint64_t count_;
    std::set<std::uint64_t> broken_;
    std::vector<std::uint64_t> shards_;
};

inline const clip::Tokenizer& shared_tokenizer() {
    static const clip::Tokenizer made = tokenizer();
    return made;
}

inline clip::train::LoaderOptions options_of(std::size_t batch_size, std::size_t threads = 1) {
    clip::train::LoaderOptions options;
    options.batch_size = batch_size;
    options.threads = threads;
    options.sample.preprocess.size = 8;
    options.sample.seed = 5;
    options.end_epoch = 3;
    return options;
}

inline const std::set<std::uint64_t> kBroken = {3, 4, 17, 40, 41, 42};

} // namespace clip_test
