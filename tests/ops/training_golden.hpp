// SPDX-License-Identifier: MIT
// What PyTorch computed (tests/golden/make_training.py), by name.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace clip::test {

inline const std::vector<double>& training_golden(const std::string& name) {
    static const std::map<std::string, std::vector<double>> all = [] {
        std::ifstream file(CLIP_TEST_DIR "/golden/training.txt");
        std::map<std::string, std::vector<double>> read;
        for (std::string line; std::getline(file, line);) {
            std::istringstream in(line);
            std::string key;
            in >> key;
            for (double value; in >> value;)
                read[key].push_back(value);
        }
        return read;
    }();
    const auto found = all.find(name);
    REQUIRE_MESSAGE(found != all.end(), name);
    return found->second;
}

inline std::vector<float> golden_f32(const std::string& name) {
    const auto& values = training_golden(name);
    return {values.begin(), values.end()};
}

/// Checks float32 results against PyTorch's in double, within `tolerance` of the largest.
inline void check_golden(const std::string& name, const std::vector<float>& got,
                         double tolerance = 2e-6) {
    const auto& want = training_golden(name);
    REQUIRE(got.size() == want.size());
    double largest = 0;
    for (const double value : want)
        largest = std::max(largest, std::fabs(value));
    for (std::size_t i = 0; i < want.size(); ++i) {
        INFO(name << " element " << i);
        CHECK(std::fabs(got[i] - want[i]) <= tolerance * largest);
    }
}

} // namespace clip::test
