// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <set>

#include "base/error.hpp"
#include "model/weights.hpp"
#include "trainer/tiny_run.hpp"

using namespace clip;
using namespace clip::trainer;
using clip::test::tiny_config;
using clip::test::tiny_resnet_config;

namespace {

const std::vector<ExtraParameter> kExtra = {{"head.weight", Shape{5, 3}}, {"head.bias", Shape{5}}};

} // namespace

TEST_CASE("parameters: every weight of the model once, the trained ones in front") {
    for (const auto* config : {&tiny_config(), &tiny_resnet_config()})
        for (const bool lock : {false, true}) {
            const std::vector<std::string> locked =
                lock ? std::vector<std::string>{"visual.", "logit_scale"}
                     : std::vector<std::string>{};
            const Parameters parameters(*config, kExtra, locked);
            std::set<std::string> names;
            std::int64_t all = 0, trained = 0, end = 0;
            bool before = true;
            for (const ParameterInfo& info : parameters.all()) {
                CAPTURE(info.name);
                names.insert(info.name);
                CHECK(info.first % 16 == 0);
                CHECK(info.first >= end);
                CHECK(info.first < end + 16); // nothing but padding between two
                end = info.first + info.shape.numel();
                all += info.shape.numel();
                CHECK((before || !info.trained));
                before = info.trained;
                const bool is_locked =
                    lock && (info.name.starts_with("visual.") || info.name == "logit_scale");
                CHECK(info.trained == !(is_locked || is_running_statistic(info.name)));
                CHECK(info.decays == (info.shape.rank() >= 2));
                trained += info.trained ? info.shape.numel() : 0;
                CHECK(&parameters.info(info.name) == &info);
            }
            std::set<std::string> wanted = {"head.weight", "head.bias"};
            for (const WeightSpec& spec : weight_specs(*config)) {
                wanted.insert(spec.name);
                CHECK(parameters.info(spec.name).shape == spec.shape);
            }
            CHECK(names == wanted);
            CHECK(names.size() == parameters.all().size());
            CHECK(parameters.count(false) == all);
            CHECK(parameters.count(true) == trained);
            CHECK(std::ssize(parameters.weights()) >= end);
            CHECK(std::ssize(parameters.weights()) < end + 16);
        }
}

TEST_CASE("parameters: the blocks are what the names say, and begin at 0") {
    Parameters parameters(tiny_resnet_config(), kExtra);
    for (const auto block :
         {parameters.weights(), parameters.grads(), parameters.means(), parameters.squares()})
        CHECK(std::count(block.begin(), block.end(), 0.0F) == std::ssize(block));
    CHECK(parameters.grads().size() == parameters.means().size());
    CHECK(parameters.grads().size() == parameters.squares().size());
    CHECK(parameters.grads().size() < parameters.weights().size());
    std::size_t next = 0;
    for (const ParameterInfo& info : parameters.all()) {
        CAPTURE(info.name);
        const MutView weight = parameters.weight(info.name), grad = parameters.grad(info.name);
        CHECK(weight.f32() == parameters.weights().data() + info.first);
        CHECK(weight.shape == info.shape);
        CHECK(std::as_const(parameters).weight(info.name).f32() == weight.f32());
        CHECK(grad.empty() == !info.trained);
        if (!info.trained)
            continue;
        CHECK(grad.f32() == parameters.grads().data() + info.first);
        CHECK(grad.shape == info.shape);
        REQUIRE(next < parameters.for_adamw().size());
        const AdamWParameter& adamw = parameters.for_adamw()[next++];
        CHECK(adamw.weight == weight.f32());
        CHECK(adamw.grad == grad.f32());
        CHECK(adamw.mean == parameters.means().data() + info.first);
        CHECK(adamw.square == parameters.squares().data() + info.first);
        CHECK(adamw.count == info.shape.numel());
        CHECK(adamw.decays == info.decays);
    }
    CHECK(next == parameters.for_adamw().size());
    std::fill(parameters.grads().begin(), parameters.grads().end(), 1.0F);
    parameters.zero_grads();
    CHECK(std::count(parameters.grads().begin(), parameters.grads().end(), 0.0F) ==
          std::ssize(parameters.grads()));
}

TEST_CASE("parameters: names that are not there, and nothing to train") {
    Parameters parameters(tiny_config());
    CHECK(parameters.has("visual.proj"));
    CHECK_FALSE(parameters.has("visual.pro"));
    CHECK_FALSE(parameters.has("logit_bias"));
    CHECK_THROWS_AS(parameters.weight("logit_bias"), Error);
    const std::vector<std::string> everything = {""};
    test::check_error(
        ErrorCode::invalid_argument, [&] { Parameters(tiny_config(), {}, everything); }, "locked");
    const ParametersSource source(parameters);
    CHECK(source.has("visual.proj"));
    CHECK_FALSE(source.has("logit_bias"));
    CHECK(source.get("visual.proj").view.data == parameters.weight("visual.proj").data);
}
