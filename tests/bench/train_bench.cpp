// SPDX-License-Identifier: MIT
// One step of training, whole: forward, loss, backward, AdamW, weights packed anew. Random pictures
// and captions, so nothing waits for data. tests/bench/torch_train.py takes the same step.
//
//   train_bench ARCH [--batch 128] [--tokens 16] [--vocab 8192] [--steps 8] [--threads 2] [--checkpoint]
//
// Prints a JSON object: seconds a step (median), the FLOP of the matrix products (three times the
// forward's), FLOP a second, the peak of the process's memory.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>
#include <sys/resource.h>
#include <vector>

#include "backend/registry.hpp"
#include "base/random.hpp"
#include "model/architectures.hpp"
#include "ops/adamw.hpp"
#include "trainer/initialize.hpp"
#include "trainer/learner.hpp"

namespace {

using namespace clip;
using Clock = std::chrono::steady_clock;

struct Settings {
    std::string arch;
    std::int64_t batch = 128, tokens = 16, vocab = 8192;
    int steps = 8;
    std::size_t threads = 2;
    bool checkpoint = false;
};

Settings read_settings(int argc, char** argv) {
    Settings settings;
    for (int i = 1; i < argc; ++i) {
        const std::string name = argv[i];
        const auto value = [&] { return i + 1 < argc ? std::atoll(argv[++i]) : 0; };
        if (name == "--batch")
            settings.batch = value();
        else if (name == "--tokens")
            settings.tokens = value();
        else if (name == "--vocab")
            settings.vocab = value();
        else if (name == "--steps")
            settings.steps = static_cast<int>(value());
        else if (name == "--threads")
            settings.threads = static_cast<std::size_t>(value());
        else if (name == "--checkpoint")
            settings.checkpoint = true;
        else
            settings.arch = name;
    }
    return settings;
}

/// Multiply-adds of a transformer's matrices and attention for one sequence.
double transformer_macs(std::int64_t layers, std::int64_t width, std::int64_t tokens) {
    const auto l = static_cast<double>(layers), w = static_cast<double>(width);
    const auto t = static_cast<double>(tokens);
    return l * t * (12 * w * w + 2 * t * w);
}

double step_flop(const ModelConfig& config, const Settings& settings) {
    const VisionConfig& vision = config.vision;
    const auto patches = static_cast<double>(vision.grid() * vision.grid());
    const double pictures =
        transformer_macs(vision.layers, vision.width, vision.positions()) +
        patches * static_cast<double>(3 * vision.patch_size * vision.patch_size * vision.width);
    const double texts = transformer_macs(config.text.layers, config.text.width, settings.tokens);
    return 3 * 2 * static_cast<double>(settings.batch) * (pictures + texts);
}

int run(const Settings& settings) {
    ModelConfig config = architecture(settings.arch);
    config.text.vocab_size = settings.vocab;
    ThreadPool pool(settings.threads);
    const auto backend = make_backend(Device{}, pool);
    const auto ranks = make_local_communicator();
    trainer::Parameters parameters(config);
    trainer::initialize_model(parameters, config, 1);
    Arena arena;
    trainer::TowerContext context{*backend, parameters, arena, settings.checkpoint};
    const auto learner = trainer::make_learner({context, config, *ranks, {}});

    const std::int64_t side = config.vision.image_size;
    Tensor pictures(Shape{settings.batch, 3, side, side});
    trainer::fill_normal(pictures, 1.0, 2, 3);
    RandomStream random(4, 5);
    std::vector<TokenizedText> texts(static_cast<std::size_t>(settings.batch));
    for (TokenizedText& text : texts) {
        text.ids.push_back(static_cast<std::int32_t>(settings.vocab - 2));
        while (static_cast<std::int64_t>(text.ids.size()) + 1 < settings.tokens)
            text.ids.push_back(static_cast<std::int32_t>(
                random.below(static_cast<std::uint32_t>(settings.vocab - 2))));
        text.ids.push_back(static_cast<std::int32_t>(settings.vocab - 1));
    }
    std::vector<double> seconds;
    double loss = 0;
    for (int step = 1; step <= settings.steps + 1; ++step) {
        const auto begin = Clock::now();
        parameters.zero_grads();
        loss = learner->learn({.pictures = pictures,
                               .texts = texts,
                               .global_rows = static_cast<std::uint64_t>(settings.batch)},
                              1);
        ops::adamw(*backend, {.parameters = parameters.for_adamw(),
                              .learning_rate = 1e-4,
                              .beta1 = 0.9,
                              .beta2 = 0.98,
                              .eps = 1e-6,
                              .weight_decay = 0.2,
                              .step = step});
        learner->clip_parameters();
        learner->refresh();
        if (step > 1) // the first one makes room
            seconds.push_back(std::chrono::duration<double>(Clock::now() - begin).count());
    }
    std::sort(seconds.begin(), seconds.end());
    const double median = seconds[seconds.size() / 2];
    struct rusage usage {};
    ::getrusage(RUSAGE_SELF, &usage);
    std::cout << "{\"bench\":\"train_step\",\"arch\":\"" << settings.arch
              << "\",\"batch\":" << settings.batch << ",\"tokens\":" << settings.tokens
              << ",\"threads\":" << settings.threads
              << ",\"checkpoint\":" << (settings.checkpoint ? "true" : "false")
              << ",\"seconds\":" << median << ",\"least\":" << seconds.front()
              << ",\"gflop\":" << step_flop(config, settings) / 1e9
              << ",\"gflop_per_second\":" << step_flop(config, settings) / 1e9 / median
              << ",\"arena_mb\":" << arena.peak_bytes() / 1000000
              << ",\"peak_mb\":" << usage.ru_maxrss / 1000 << ",\"loss\":" << loss << "}\n";
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    const Settings settings = read_settings(argc, argv);
    if (settings.arch.empty() || settings.steps < 1) {
        std::cerr << "usage: train_bench ARCH [--batch N] [--tokens N] [--vocab N] [--steps N] "
                     "[--threads N] [--checkpoint]\n";
        return 2;
    }
    try {
        return run(settings);
    } catch (const std::exception& error) {
        std::cerr << "train_bench: " << error.what() << '\n';
        return 2;
    }
}
