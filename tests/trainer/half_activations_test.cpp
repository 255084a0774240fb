// SPDX-License-Identifier: MIT
// Activations of 16 bits in training: what is rounded, what is not, and what stays the same to the
// bit. The ops are the reference's (FarBackend); tests/cuda_training has those of the device.
#include <doctest/doctest.h>

#include <cmath>
#include <memory>
#include <vector>

#include "base/concat.hpp"
#include "support/far_backend.hpp"
#include "trainer/tiny_run.hpp"

using namespace clip;
using namespace clip::trainer;
using clip::test::FarBackend;
using clip::test::TinyOptions;
using clip::test::TinyRun;

namespace {

Communicator& alone() {
    static const std::unique_ptr<Communicator> local = make_local_communicator();
    return *local;
}

ModelConfig three_blocks() {
    ModelConfig config = test::tiny_config();
    config.vision.layers = config.text.layers = 4; // more than a segment of a frugal tower
    return config;
}

struct Learned {
    std::vector<float> grads;
    double loss = 0;
};

Learned learn(const TinyOptions& options, Backend& backend, std::size_t slices = 1,
              float loss_scale = 1) {
    TinyRun run(options, backend, alone());
    const test::Pairs pairs(7);
    LearnerBatch batch = pairs.batch();
    batch.loss_scale = loss_scale;
    Learned learned;
    run.parameters().zero_grads();
    learned.loss = run.learner().learn(batch, slices);
    learned.grads = run.block(Block::grads);
    for (float& grad : learned.grads)
        grad /= loss_scale;
    return learned;
}

/// |a - b| / |b|
double distance(const std::vector<float>& a, const std::vector<float>& b) {
    double apart = 0, length = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        apart += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
        length += double{b[i]} * b[i];
    }
    return std::sqrt(apart / length);
}

// Half a unit in the last place of a number near 1: what one rounding loses at most.
double rounding(DType dtype) {
    return dtype == DType::bf16 ? 0x1p-9 : 0x1p-12;
}

} // namespace

TEST_CASE("16-bit activations: loss and gradients stay by a few roundings of float32's") {
    ThreadPool pool(2);
    FarBackend plain(pool);
    const ModelConfig config = three_blocks();
    for (const Objective objective : {Objective::contrastive, Objective::siglip}) {
        const Learned want = learn({{.objective = objective}, config, false, {}}, plain);
        for (const DType dtype : {DType::f16, DType::bf16}) {
            CAPTURE(objective_name(objective));
            CAPTURE(dtype_name(dtype));
            FarBackend far(pool, dtype);
            const Learned got = learn({{.objective = objective}, config, false, {}, dtype}, far, 1,
                                      dtype == DType::f16 ? 65536.0F : 1.0F);
            CHECK(std::abs(got.loss - want.loss) <
                  std::max(1e-3, rounding(dtype)) * std::max(1.0, want.loss));
            const double apart = distance(got.grads, want.grads);
            CHECK(apart > 0.1 * rounding(dtype)); // it did go through 16 bits
            CHECK(apart < 8 * rounding(dtype));
        }
    }
}

TEST_CASE("16-bit activations: computed again they are the same bits, also in slices") {
    ThreadPool pool(2);
    const ModelConfig config = three_blocks();
    for (const DType dtype : {DType::f16, DType::bf16})
        for (const std::size_t slices : {1, 3}) {
            CAPTURE(dtype_name(dtype));
            CAPTURE(slices);
            FarBackend far(pool, dtype);
            const Learned kept = learn({{}, config, false, {}, dtype}, far, slices, 1024);
            const Learned again = learn({{}, config, true, {}, dtype}, far, slices, 1024);
            CHECK(again.grads == kept.grads);
            CHECK(again.loss == kept.loss);
            // Rows of a slice have the bits that they have in the whole batch, so that only sums
            // over rows are cut elsewhere.
            const Learned whole = learn({{}, config, false, {}, dtype}, far, 1, 1024);
            CHECK(whole.loss == kept.loss);
            CHECK(distance(kept.grads, whole.grads) < 1e-6);
            CHECK(far.memory().blocks() == 0);
        }
}
