// SPDX-License-Identifier: MIT
// Training data in memory: flat pictures of different colours, each with a caption of its own.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/concat.hpp"
#include "train/train_data.hpp"

namespace clip_test {

class DrawnPairs : public clip::train::PairSource {
  public:
    explicit DrawnPairs(std::uint64_t count) : count_(count) {}

    std::uint64_t size() const override { return count_; }
    std::string describe(std::uint64_t index) const override {
        return clip::concat("pair ", index);
    }
    void read(std::uint64_t index, clip::train::PairRecord& out) const override {
        out.name = describe(index);
        out.path.clear();
        std::string picture = "P6\n20 20\n255\n";
        for (int i = 0; i < 400; ++i) // three bits of the index: the corners of the cube
            for (unsigned channel = 0; channel < 3; ++channel)
                picture += static_cast<char>((index >> channel) % 2 == 1 ? 255 : 0);
        out.bytes.assign(picture.begin(), picture.end());
        read_captions(index, out.captions);
    }
    void read_captions(std::uint64_t index, std::vector<std::string>& out) const override {
        out = {clip::concat("a colour, namely number ", index)};
    }

  private:
    std::uint64_t count_;
};

} // namespace clip_test
