// SPDX-License-Identifier: MIT
// First weights: their deviations, and that they are a function of seed and name alone.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "trainer/initialize.hpp"
#include "trainer/learner.hpp"
#include "trainer/tiny_run.hpp"

using namespace clip;
using namespace clip::trainer;

namespace {

/// Wide enough for statistics; every width, depth and side another number.
ModelConfig wide(bool vit) {
    ModelConfig config;
    config.embed_dim = 40;
    config.text = {.context_length = 24,
                   .vocab_size = 700,
                   .width = 48,
                   .heads = 4,
                   .layers = 3,
                   .mlp_width = 192};
    config.vision = {
        .image_size = 60, .width = 64, .heads = 4, .layers = 5, .patch_size = 10, .mlp_width = 256};
    if (!vit)
        config.vision = {.vit = false,
                         .image_size = 96,
                         .width = 8,
                         .heads = 4,
                         .layers = 0,
                         .patch_size = 0,
                         .mlp_width = 0,
                         .stages = {1, 2, 1, 1}};
    return config;
}

/// The deviation that initialize.hpp documents for a tensor that is drawn; -1: constant.
double documented(const std::string& name, const Shape& shape, bool vit) {
    const double text = 48, vision = 64, pool = 8 * 32;
    const bool visual = name.starts_with("visual.");
    if (name == "token_embedding.weight")
        return 0.02;
    if (name == "positional_embedding")
        return 0.01;
    if (name == "text_projection")
        return 1 / std::sqrt(text);
    if (name == "visual.class_embedding" || name == "visual.positional_embedding" ||
        name == "visual.proj")
        return 1 / std::sqrt(vision);
    if (shape.rank() < 2)
        return -1;
    if (name.starts_with("visual.attnpool."))
        return 1 / std::sqrt(pool);
    if (name.find("resblocks.") != std::string::npos) {
        const double width = visual ? vision : text, layers = visual ? 5 : 3;
        if (name.ends_with("attn.in_proj_weight"))
            return 1 / std::sqrt(width);
        if (name.ends_with("mlp.c_fc.weight"))
            return 1 / std::sqrt(2 * width);
        return 1 / std::sqrt(width) / std::sqrt(2 * layers);
    }
    const auto fan_in = static_cast<double>(shape[1] * shape[2] * shape[3]);
    return std::sqrt((vit ? 1 : 2) / fan_in);
}

double constant(const std::string& name) {
    if (name == "logit_scale")
        return std::log(1 / 0.07);
    if (name.ends_with(".running_var"))
        return 1;
    if (name.ends_with(".bn3.weight") && name.starts_with("visual.layer"))
        return 0;
    return name.ends_with(".weight") ? 1 : 0;
}

std::map<std::string, std::vector<float>> tensors(const Parameters& parameters) {
    std::map<std::string, std::vector<float>> out;
    for (const ParameterInfo& info : parameters.all()) {
        const float* data = parameters.weight(info.name).f32();
        out[info.name].assign(data, data + info.shape.numel());
    }
    return out;
}

} // namespace

TEST_CASE("initialize: every tensor has the deviation that is documented") {
    for (const bool vit : {true, false}) {
        const ModelConfig config = wide(vit);
        Parameters parameters(config);
        std::fill(parameters.weights().begin(), parameters.weights().end(), 77.0F);
        initialize_model(parameters, config, 3);
        for (const ParameterInfo& info : parameters.all()) {
            CAPTURE(info.name);
            const float* x = std::as_const(parameters).weight(info.name).f32();
            const std::int64_t count = info.shape.numel();
            const double wanted = documented(info.name, info.shape, vit);
            if (wanted < 0) {
                for (std::int64_t i = 0; i < count; ++i)
                    REQUIRE(x[i] == doctest::Approx(constant(info.name)));
                continue;
            }
            double sum = 0, squares = 0, fourth = 0;
            for (std::int64_t i = 0; i < count; ++i) {
                const double u = x[i] / wanted;
                sum += u;
                squares += u * u;
                fourth += u * u * u * u;
            }
            const auto n = static_cast<double>(count);
            // Within 4.5 deviations of what so many normal numbers give.
            CHECK(std::fabs(sum / n) < 4.5 / std::sqrt(n));
            CHECK(std::fabs(squares / n - 1) < 4.5 * std::sqrt(2 / n));
            CHECK(std::fabs(fourth / n - 3) < 4.5 * std::sqrt(96 / n));
        }
    }
}

TEST_CASE("initialize: a tensor depends on its name and the seed, not on the others") {
    const ModelConfig config = wide(true);
    Parameters plain(config);
    initialize_model(plain, config, 3);
    const auto wanted = tensors(plain);

    // Others stand in another order, beside more.
    const std::vector<ExtraParameter> extra = {{"logit_bias", Shape{}}};
    const std::vector<std::string> locked = {"visual.", "transformer."};
    Parameters other(config, extra, locked);
    initialize_model(other, config, 3);
    for (const auto& [name, values] : tensors(other))
        if (name != "logit_bias")
            CHECK(values == wanted.at(name));

    Parameters seeded(config);
    initialize_model(seeded, config, 4);
    for (const auto& [name, values] : tensors(seeded)) {
        CAPTURE(name);
        CHECK((values != wanted.at(name)) == (documented(name, plain.info(name).shape, true) >= 0));
    }
    // Two tensors of one shape have nothing in common.
    const auto& a = wanted.at("transformer.resblocks.0.attn.in_proj_weight");
    const auto& b = wanted.at("transformer.resblocks.1.attn.in_proj_weight");
    double ab = 0, aa = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        ab += static_cast<double>(a[i]) * b[i];
        aa += static_cast<double>(a[i]) * a[i];
    }
    CHECK(std::fabs(ab / aa) < 4.5 / std::sqrt(static_cast<double>(a.size())));
    CHECK(stream_of("a") != stream_of("b"));
}

TEST_CASE("initialize: the same numbers on every machine") {
    Tensor five(Shape{5});
    fill_normal(five, 2.0, 11, stream_of("visual.proj"));
    // Of the generator that tests/base/random_test.cpp knows, through Box and Muller's formula.
    const double wanted[] = {1.0524751993963357, 0.9898205978775598, -3.0261345799361052,
                             0.13427174100459005, -0.06892627636432168};
    for (int i = 0; i < 5; ++i)
        CHECK(five.f32()[i] == doctest::Approx(wanted[i]).epsilon(1e-6));
    // A number does not depend on how many there are.
    Tensor three(Shape{3});
    fill_normal(three, 2.0, 11, stream_of("visual.proj"));
    for (int i = 0; i < 3; ++i)
        CHECK(three.f32()[i] == five.f32()[i]);
}

TEST_CASE("initialize: siglip begins where nearly all pairs are none") {
    const ModelConfig config = wide(true);
    const ObjectiveSettings settings{Objective::siglip, 0, false};
    Parameters parameters(config, extra_parameters(config, settings));
    initialize_model(parameters, config, 3);
    initialize_extra(parameters, config, settings, 3);
    CHECK(*parameters.weight("logit_bias").f32() == -10.0F);
    CHECK(*parameters.weight("logit_scale").f32() == doctest::Approx(std::log(10.0)));
}
