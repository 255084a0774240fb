// SPDX-License-Identifier: MIT
// A small model whose weights are a function of the step, and looking at what a run left of it.
#pragma once

#include <cstring>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "trainer/run_folder.hpp"

namespace clip_test {

inline clip::ModelConfig small_config() {
    clip::ModelConfig config;
    config.embed_dim = 6;
    config.vision = {.vit = true,
                     .image_size = 8,
                     .width = 8,
                     .heads = 2,
                     .layers = 2,
                     .patch_size = 4,
                     .mlp_width = 20};
    config.text = {.context_length = 5,
                   .vocab_size = 600,
                   .width = 12,
                   .heads = 3,
                   .layers = 1,
                   .mlp_width = 31};
    return config;
}

inline clip::MutView view_of(std::vector<float>& values) {
    return {values.data(), clip::Shape{static_cast<std::int64_t>(values.size())}};
}
inline clip::ConstView view_of(const std::vector<float>& values) {
    return {values.data(), clip::Shape{static_cast<std::int64_t>(values.size())}};
}

/// Its parameters, the running mean of them, and where the run stands.
struct MadeRun {
    clip::ModelConfig config = small_config();
    clip::trainer::Parameters parameters{
        config, std::vector<clip::trainer::ExtraParameter>{{"words.weight", clip::Shape{7, 6}}},
        std::vector<std::string>{"visual.conv1"}};
    std::vector<float> average = std::vector<float>(parameters.weights().size(), 0.0F);
    clip::trainer::RunState state;

    MadeRun() { state.settings = {{"batch_size", "64"}, {"data", "caf\xE9.tar"}, {"seed", ""}}; }

    /// Everything as it is after `step`. Padding stays 0, as it does in training.
    void go_to(std::uint64_t step) {
        state.step = step;
        state.epoch = static_cast<std::uint32_t>(step / 10);
        state.batch = step % 10;
        state.samples = step * 64;
        for (const clip::trainer::ParameterInfo& info : parameters.all())
            for (std::int64_t i = 0; i < info.shape.numel(); ++i) {
                const auto at = static_cast<std::size_t>(info.first + i);
                const auto value = static_cast<float>((step * 31 + at) % 8191);
                parameters.weights()[at] = value / 64;
                average[at] = value / 32;
                if (info.trained) {
                    parameters.means()[at] = -value;
                    parameters.squares()[at] = value * value;
                }
            }
        parameters.weights()[static_cast<std::size_t>(parameters.info("logit_scale").first)] = 2;
    }

    bool operator==(const MadeRun& other) const {
        const auto same = [](std::span<const float> a, std::span<const float> b) {
            return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
        };
        return state == other.state && average == other.average &&
               same(parameters.weights(), other.parameters.weights()) &&
               same(parameters.means(), other.parameters.means()) &&
               same(parameters.squares(), other.parameters.squares());
    }

    void save(clip::trainer::RunFolder& folder) const {
        folder.save(state, parameters, view_of(average));
    }
    void load(clip::trainer::RunFolder& folder) {
        state = folder.load(parameters, view_of(average), state.settings);
    }
    std::string write_model(clip::trainer::RunFolder& folder, std::uint64_t keep = 1) const {
        return folder.write_model(config, parameters,
                                  parameters.block(clip::trainer::Block::weights), {}, state.step,
                                  keep);
    }
};

/// The names in a folder.
inline std::set<std::string> names_in(const std::string& folder) {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder))
        names.insert(entry.path().filename().string());
    return names;
}

} // namespace clip_test
