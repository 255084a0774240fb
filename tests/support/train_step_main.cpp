// SPDX-License-Identifier: MIT
// Steps of training on batches that somebody else made, for tests/parity/train_step.py.
//
//   clip_train_step_driver CHECKPOINT BATCHES OUT [SLICES [frugal]]
//
// BATCHES is a safetensors file with images (steps, B, 3, S, S) split in "images.<step>", and
// "tokens.<step>" (B, T) int64; OUT gets loss.<s>, grad.<s>.<name> and weight.<s>.<name>, the
// weights after step s. AdamW as the oracle's: lr 5e-4, betas 0.9 and 0.98, eps 1e-6, decay 0.2.
// Under mpirun each rank takes its rows of every batch, and rank 0 writes.
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>

#include "backend/registry.hpp"
#include "base/concat.hpp"
#include "io/safetensors.hpp"
#include "model/checkpoint.hpp"
#include "model/weights.hpp"
#include "ops/adamw.hpp"
#include "trainer/learner.hpp"
#include "trainer/rank_sums.hpp"

namespace {

using namespace clip;

/// One batch: pictures and texts of all ranks.
struct StepBatch {
    Tensor pictures;
    std::vector<TokenizedText> texts;
};

StepBatch read_batch(const io::TensorStore& store, int step) {
    const io::StoredTensor* images = store.find(concat("images.", step));
    const io::StoredTensor* tokens = store.find(concat("tokens.", step));
    expect(images != nullptr && tokens != nullptr, "the batches' file has this step");
    StepBatch batch;
    batch.pictures = Tensor(Shape(images->shape));
    io::read_f32(*images, 0, images->numel, batch.pictures.f32());
    const std::int64_t width = tokens->shape[1];
    for (std::int64_t row = 0; row < tokens->shape[0]; ++row) {
        TokenizedText text;
        for (std::int64_t i = 0; i < width; ++i) {
            std::int64_t id = 0;
            std::memcpy(&id, tokens->bytes.data() + (row * width + i) * 8, 8);
            text.ids.push_back(static_cast<std::int32_t>(id));
        }
        batch.texts.push_back(std::move(text));
    }
    return batch;
}

Tensor copy_of(ConstView view) {
    return Tensor::to_f32(view);
}

int run(int argc, char** argv) {
    expect(argc >= 4, "usage: CHECKPOINT BATCHES OUT [SLICES [frugal]]");
    const std::size_t slices = argc > 4 ? static_cast<std::size_t>(std::atoi(argv[4])) : 1;
    const char* launched = std::getenv("OMPI_COMM_WORLD_SIZE");
    CommunicatorSettings communication;
    communication.launched =
        launched != nullptr ? static_cast<std::size_t>(std::atoi(launched)) : 1;
    const auto ranks = make_communicator(communication);

    const Checkpoint checkpoint = open_checkpoint(argv[1]);
    const ModelConfig& config = checkpoint.config;
    trainer::Parameters parameters(config);
    for (const WeightSpec& spec : weight_specs(config))
        checkpoint.weights.load_range_f32(spec.name, 0, spec.shape.numel(),
                                          parameters.weight(spec.name).f32());
    ThreadPool pool(2);
    const auto backend = make_backend(Device{}, pool);
    Arena arena;
    trainer::RankSums sums(*ranks);
    trainer::TowerContext context{*backend, parameters, arena, argc > 5, sums.get()};
    const auto learner = trainer::make_learner({context, config, *ranks, {}});

    const io::TensorStore store = io::read_safetensors(argv[2]);
    std::vector<std::pair<std::string, Tensor>> results;
    for (int s = 0; store.find(concat("images.", s)) != nullptr; ++s) {
        const StepBatch batch = read_batch(store, s);
        const auto all = batch.texts.size();
        const auto rank = static_cast<std::size_t>(ranks->rank());
        const auto size = static_cast<std::size_t>(ranks->size());
        const std::size_t first = all * rank / size, end = all * (rank + 1) / size;
        const std::int64_t side = batch.pictures.shape()[2];
        const auto rows = static_cast<std::int64_t>(end - first);
        parameters.zero_grads();
        Tensor loss(Shape{1});
        *loss.f32() = static_cast<float>(learner->learn(
            {.pictures = {batch.pictures.f32() + static_cast<std::int64_t>(first) * 3 * side * side,
                          Shape{rows, 3, side, side}, DType::f32, Device{}},
             .texts = std::span(batch.texts).subspan(first, end - first),
             .global_rows = all,
             .first_row = first},
            slices));
        ranks->all_reduce_sum(parameters.grads());
        results.emplace_back(concat("loss.", s), std::move(loss));
        for (const auto& info : parameters.all())
            if (info.trained)
                results.emplace_back(concat("grad.", s, ".", info.name),
                                     copy_of(parameters.grad(info.name)));
        ops::adamw(*backend, {.parameters = parameters.for_adamw(),
                              .learning_rate = 5e-4,
                              .beta1 = 0.9,
                              .beta2 = 0.98,
                              .eps = 1e-6,
                              .weight_decay = 0.2,
                              .step = s + 1});
        learner->clip_parameters();
        learner->refresh();
        for (const auto& info : parameters.all())
            results.emplace_back(concat("weight.", s, ".", info.name),
                                 copy_of(parameters.weight(info.name)));
    }
    if (ranks->rank() == 0) {
        std::vector<std::pair<std::string, ConstView>> views;
        for (const auto& [name, tensor] : results)
            views.emplace_back(name, tensor.view());
        io::write_safetensors(argv[3], views);
    }
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const std::exception& error) {
        std::cerr << "clip_train_step_driver: " << error.what() << '\n';
        return 2;
    }
}
