// SPDX-License-Identifier: MIT
// That the fast paths are taken: a backend that quietly fell back would pass every other test.
#include <doctest/doctest.h>

#include <algorithm>

#include "backend/registry.hpp"
#include "base/concat.hpp"
#include "ops/attention.hpp"
#include "ops/avg_pool.hpp"
#include "ops/conv2d.hpp"
#include "ops/layer_norm.hpp"
#include "ops/linear.hpp"
#include "ops/patch_embedding.hpp"
#include "ops/similarity.hpp"
#include "ops/softmax.hpp"
#include "support/cases.hpp"

using namespace clip;
using namespace clip::test;

namespace {

// Runs each op that has a oneDNN primitive once, on shapes of ViT-B/32 and RN50.
void run_each(Backend& used) {
    const auto weight = scaled_values(768 * 768, 1, 0.05f);
    const auto some = values(64 * 56 * 56, 2);
    std::vector<float> y(64 * 56 * 56);
    const auto in = [&](Shape shape) { return ConstView{some.data(), shape, DType::f32, {}}; };
    const auto out = [&](Shape shape) { return MutView{y.data(), shape, DType::f32, {}}; };

    const auto square = ops::prepare_linear(
        used, {{weight.data(), {768, 768}, DType::f32, {}}, in({768}), DType::f32});
    for (Activation activation : {Activation::none, Activation::quick_gelu, Activation::gelu}) {
        LinearArgs linear;
        linear.x = in({50, 768});
        linear.weights = square.get();
        linear.activation = activation;
        if (activation == Activation::none)
            linear.residual = in({50, 768});
        linear.y = out({50, 768});
        ops::linear(used, linear);
    }
    const auto patches = ops::prepare_linear(
        used, {{weight.data(), {96, 3 * 32 * 32}, DType::f32, {}}, {}, DType::f32});
    PatchEmbeddingArgs embedding;
    embedding.pictures = in({1, 3, 224, 224});
    embedding.patch = 32;
    embedding.projection = patches.get();
    embedding.class_token = in({96});
    embedding.positions = in({50, 96});
    embedding.y = out({1, 50, 96});
    ops::patch_embedding(used, embedding);

    for (bool residual : {false, true}) {
        Conv2dWeights conv_weights;
        conv_weights.weight = {weight.data(), {64, 64, 3, 3}, DType::f32, {}};
        conv_weights.padding = 1;
        const auto prepared = ops::prepare_conv2d(used, conv_weights);
        Conv2dArgs conv;
        conv.x = in({1, 56, 56, 64});
        conv.weights = prepared.get();
        conv.activation = Activation::relu;
        if (residual)
            conv.residual = in({1, 56, 56, 64});
        conv.y = out({1, 56, 56, 64});
        ops::conv2d(used, conv);
    }
    AvgPoolArgs pool;
    pool.x = in({1, 56, 56, 64});
    pool.y = out({1, 28, 28, 64});
    ops::avg_pool(used, pool);

    LayerNormArgs norm;
    norm.x = in({50, 768});
    norm.gamma = norm.beta = in({768});
    norm.y = out({50, 768});
    ops::layer_norm(used, norm);

    const std::vector<std::int64_t> offsets{0, 50};
    AttentionArgs attention;
    attention.q = some.data();
    attention.k = some.data() + 768;
    attention.v = some.data() + 2 * 768;
    attention.q_stride = attention.kv_stride = 3 * 768;
    attention.q_offsets = attention.k_offsets = offsets;
    attention.heads = 12;
    attention.head_width = 64;
    attention.scale = 0.125f;
    attention.y = out({50, 768});
    ops::attention(used, attention);

    SimilarityArgs similarity;
    similarity.a = in({10, 512});
    similarity.b = in({100, 512});
    similarity.y = out({10, 100});
    ops::similarity(used, similarity);

    SoftmaxArgs softmax;
    softmax.x = in({10, 1000});
    softmax.y = out({10, 1000});
    ops::softmax(used, softmax);
}

constexpr const char* kPrimitives[] = {"linear",          "conv2d",   "layer_norm", "attention",
                                       "patch_embedding", "avg_pool", "similarity", "softmax"};
constexpr const char* kOthers[] = {"embedding", "gather_rows", "mean_token", "l2_normalize",
                                   "top_k"};

bool has_onednn() {
    const auto names = backend_names();
    return std::find(names.begin(), names.end(), "onednn") != names.end();
}

} // namespace

TEST_CASE("backends: onednn runs its own kernels, none of them a reference loop") {
    if (!has_onednn()) {
        MESSAGE("skipped: oneDNN is not in this build");
        return;
    }
    Backend& used = backend("onednn", 1);
    CHECK(used.name() == "onednn");
    run_each(used);
    for (const char* op : kPrimitives) {
        const std::string implementation = used.implementation(op);
        INFO(concat(op, ": ", implementation));
        CHECK(implementation.starts_with("onednn "));
        CHECK(implementation.find("ref") == std::string::npos);
    }
    for (const char* op : kOthers)
        CHECK(used.implementation(op) == "ref");
}

TEST_CASE("backends: automatic leaves nothing that CLIP needs to the reference loops") {
    Backend& used = backend("automatic", 1);
    if (used.name() == "ref") {
        MESSAGE("skipped: this CPU has no vector kernels, and oneDNN is not in this build");
        return;
    }
    run_each(used);
    for (const char* op : kPrimitives)
        CHECK_MESSAGE(used.implementation(op) != "ref", op);
    for (const char* op : kOthers)
        CHECK_MESSAGE((used.name() == "onednn" || used.implementation(op) != "ref"), op);
}

TEST_CASE("backends: automatic trains with its own kernels, but for what only moves memory") {
    Backend& used = backend("automatic", 1);
    if (used.name() != "cpu") {
        MESSAGE("skipped: this CPU has no vector kernels");
        return;
    }
    for (const char* op :
         {"activation", "activation_backward", "linear_backward", "layer_norm_backward",
          "attention_backward", "patch_embedding_backward", "batch_norm", "batch_norm_backward",
          "conv2d_backward", "contrastive_rows", "contrastive_rows_backward"})
        CHECK_MESSAGE(used.implementation(op) != "ref", op);
    for (const char* op : {"embedding_backward", "gather_rows_backward", "avg_pool_backward",
                           "mean_token_backward", "l2_normalize_backward", "siglip_rows", "adamw"})
        CHECK_MESSAGE(used.implementation(op) == "ref", op);
}

TEST_CASE("backends: the registry makes what it is asked for and says what it has not") {
    ThreadPool pool(1);
    CHECK(make_backend({}, pool, {.cpu = CpuImplementation::ref})->name() == "ref");
    CHECK(make_backend({}, pool)->device() == Device{});
    check_error(
        ErrorCode::unsupported,
        [&] {
            make_backend({Device::Kind::cuda, 0}, pool,
                         {.cuda_plugin = "/nowhere/libclip_cuda.so"});
        },
        "cuda without its plugin");
    if (!has_onednn() && !on_cuda()) // whose backend_names() name no other
        check_error(
            ErrorCode::unsupported,
            [&] { make_backend({}, pool, {.cpu = CpuImplementation::onednn}); }, "onednn");
    CHECK(describe_backends().back().starts_with("cuda"));
}

TEST_CASE("backends: the device that is tested is the one that was asked for") {
    if (!on_cuda())
        return;
    Backend& used = backend("cuda", 1);
    CHECK(used.name() == "cuda");
    CHECK(used.device() == Device{Device::Kind::cuda, 0});
    CHECK(used.memory().device() == used.device());
    CHECK(used.implementation("linear").starts_with("cuda (sm_"));
}

TEST_CASE("backends: devices are read from text") {
    CHECK(parse_device("cpu") == Device{});
    CHECK(parse_device("auto").index == 0);
    CHECK(parse_device("cuda") == Device{Device::Kind::cuda, 0});
    CHECK(parse_device("cuda:3") == Device{Device::Kind::cuda, 3});
    for (const char* wrong :
         {"", "CPU", "cuda:", "cuda:-1", "cuda:1x", "cuda: 1", "cuda:99999999999", "gpu"})
        check_error(
            ErrorCode::invalid_argument, [&] { parse_device(wrong); }, wrong);
}

TEST_CASE("backends: onednn refuses weights that another backend prepared") {
    if (!has_onednn()) {
        MESSAGE("skipped: oneDNN is not in this build");
        return;
    }
    ThreadPool pool(1);
    const auto weight = values(6, 1);
    const auto maker = make_backend({}, pool, {.cpu = CpuImplementation::ref});
    const auto prepared =
        ops::prepare_linear(*maker, {{weight.data(), {2, 3}, DType::f32, {}}, {}, DType::f32});
    std::vector<float> y(2);
    LinearArgs args;
    args.x = {weight.data(), {1, 3}, DType::f32, {}};
    args.weights = prepared.get();
    args.y = {y.data(), {1, 2}, DType::f32, {}};
    check_error(
        ErrorCode::internal, [&] { ops::linear(backend("onednn", 1), args); }, "linear");
}
