// SPDX-License-Identifier: MIT
// Small training data for tests.
#pragma once

#include <string>
#include <vector>

#include "base/concat.hpp"
#include "data/tokenizer.hpp"
#include "io/temp_folder.hpp"
#include "train/pair_source.hpp"

namespace clip_test {

/// A picture of `width` x `height` pixels whose columns are told apart by their red.
inline std::string ppm(int width, int height, unsigned shade) {
    std::string out = clip::concat("P6\n", width, " ", height, "\n255\n");
    for (int y = 0; y < height; ++y)
        for (int x = 0; x < width; ++x) {
            out += static_cast<char>(x * 255 / width);
            out += static_cast<char>(y * 255 / height);
            out += static_cast<char>(shade);
        }
    return out;
}

inline clip::Tokenizer tokenizer() {
    return clip::Tokenizer::from_bpe_file(CLIP_TEST_DIR "/golden/tokens_bpe.txt", 1024);
}

/// Opens data and keeps what was said about it: "place: message".
struct Opened {
    std::vector<std::string> problems;
    std::unique_ptr<clip::train::PairSource> pairs;

    explicit Opened(const std::vector<std::string>& data, std::vector<std::string> columns = {}) {
        clip::train::PairSourceOptions options;
        options.columns = std::move(columns);
        options.on_problem = [this](const std::string& place, const clip::Error& error) {
            problems.push_back(place + ": " + error.what());
        };
        pairs = clip::train::open_pairs(data, options);
    }
    clip::train::PairRecord read(std::uint64_t index) const {
        clip::train::PairRecord record;
        pairs->read(index, record);
        return record;
    }
    /// "path: caption|caption".
    std::string line(std::uint64_t index) const {
        const auto record = read(index);
        std::string out = (record.path.empty() ? record.name : record.path) + ": ";
        for (std::size_t i = 0; i < record.captions.size(); ++i)
            out += (i == 0 ? "" : "|") + record.captions[i];
        return out;
    }
};

} // namespace clip_test
