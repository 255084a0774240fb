// SPDX-License-Identifier: MIT
// What a training run is to do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/dtype.hpp"
#include "model/config.hpp"
#include "trainer/learner.hpp"

namespace clip::trainer {

/// What changes the weights that come out. Defaults are the paper's (Tables 18 to 20); those of
/// beta2 and eps depend on the picture tower, see default_recipe().
struct Recipe {
    std::uint32_t epochs = 32;
    std::uint64_t batch_size = 32768; ///< of all ranks and slices
    double learning_rate = 5e-4;
    std::uint64_t warmup = 2000; ///< steps; no more than a fifth of the run where it is short
    double weight_decay = 0.2;
    double beta1 = 0.9, beta2 = 0.98, eps = 1e-6;
    double grad_clip = 0; ///< largest norm of the gradient; 0: none
    std::uint64_t seed = 0;
    ObjectiveSettings objective;
    bool lock_image = false;
    std::size_t slices = 1; ///< --accumulate
    std::uint64_t shuffle_buffer = 10000;
    bool fast_jpeg = true;
    /// What products are computed in: f32 or, where the backend has them, f16 or bf16; weights and
    /// sums are float32 always.
    DType precision = DType::f32;
    /// A running mean of the weights is kept beside them and is what RUN/model gets: this much of
    /// the old one stays at each step (Polyak & Juditsky 1992); 0: none.
    double average = 0;
};

/// The paper's values for `config`, and a batch and a number of epochs for small data.
Recipe default_recipe(const ModelConfig& config);

/// Prefixes of weights that are left as they are.
std::vector<std::string> locked_prefixes(const Recipe& recipe);

/// What of `recipe` decides the weights, by the names of clip-train's options.
std::map<std::string, std::string> recipe_settings(const Recipe& recipe);

} // namespace clip::trainer
