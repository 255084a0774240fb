// SPDX-License-Identifier: MIT
// Towers in training against PyTorch in double (tests/golden/make_trained_towers.py).
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <sstream>

#include "trainer/made_towers.hpp"

using namespace clip;
using namespace clip::test;

namespace {

// Of the largest value of a tensor.
constexpr double kTolerance = 1e-4;
// Gradients that are 0 but for rounding (of keys' biases, which softmax ignores) have no size to
// compare with; others here are over 0.1.
constexpr double kLeast = 0.01;

using Golden = std::map<std::string, std::vector<double>>;

const Golden& golden() {
    static const Golden all = [] {
        std::ifstream file(CLIP_TEST_DIR "/golden/trained_towers.txt");
        Golden read;
        for (std::string line; std::getline(file, line);) {
            std::istringstream in(line);
            std::string key;
            in >> key;
            for (double value; in >> value;)
                read[key].push_back(value);
        }
        return read;
    }();
    return all;
}

void check_values(const std::string& key, std::span<const float> got) {
    const auto found = golden().find(key);
    REQUIRE_MESSAGE(found != golden().end(), key);
    const std::vector<double>& want = found->second;
    REQUIRE(got.size() == want.size());
    double largest = 0, difference = 0;
    for (std::size_t i = 0; i < want.size(); ++i) {
        largest = std::max(largest, std::fabs(want[i]));
        difference = std::max(difference, std::fabs(got[i] - want[i]));
        REQUIRE(std::isfinite(got[i]));
    }
    CAPTURE(key);
    CHECK(difference <= kTolerance * largest);
}

void check_gradient(const std::string& key, const std::string& name, ConstView grad) {
    const auto found = golden().find(key);
    REQUIRE_MESSAGE(found != golden().end(), key);
    const std::vector<double>& want = found->second;
    const auto count = static_cast<std::size_t>(grad.numel());
    const std::size_t step = std::max<std::size_t>(1, count / 24);
    REQUIRE(want.size() == 2 + (count + step - 1) / step);
    const double unit = kTolerance * std::max(want[0], kLeast);
    const auto probe = made("probe." + name, count);
    double largest = 0, dot = 0, difference = 0;
    for (std::size_t i = 0; i < count; ++i) {
        REQUIRE(std::isfinite(grad.f32()[i]));
        largest = std::max(largest, std::fabs(double{grad.f32()[i]}));
        dot += double{grad.f32()[i]} * probe[i];
        if (i % step == 0)
            difference = std::max(difference, std::fabs(grad.f32()[i] - want[2 + i / step]));
    }
    CAPTURE(key);
    CHECK(difference <= unit);
    CHECK(std::fabs(largest - want[0]) <= unit);
    CHECK(std::fabs(dot - want[1]) <= unit * std::sqrt(static_cast<double>(count)));
}

bool belongs(const std::string& weight, bool text) {
    return weight != "logit_scale" && weight.starts_with("visual.") != text;
}

} // namespace

TEST_CASE("trained towers: features, gradients and running statistics equal PyTorch's") {
    for (const CpuImplementation which : {CpuImplementation::ref, CpuImplementation::automatic})
        for (const bool frugal : {false, true})
            for (const std::string name : {"vit", "vit-gelu", "text", "resnet"}) {
                MadeTower tower(name, {.which = which, .threads = 2, .frugal = frugal});
                CAPTURE(tower.backend().name());
                CAPTURE(frugal);
                check_values(name + ".features", tower.forward(0, 3, true));
                tower.backward(0, 3);
                for (const trainer::ParameterInfo& info : tower.parameters.all())
                    if (info.trained && belongs(info.name, name == "text"))
                        check_gradient(name + ".grad." + info.name, info.name,
                                       tower.parameters.grad(info.name));
                    else if (!info.trained)
                        check_values(name + ".running." + info.name,
                                     {tower.parameters.weight(info.name).f32(),
                                      static_cast<std::size_t>(info.shape.numel())});
            }
}
