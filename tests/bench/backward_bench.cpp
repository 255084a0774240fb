// SPDX-License-Identifier: MIT
// Times forward and backward passes as a training step of a ViT has them (width 192, 65 tokens,
// batch 128) and prints one JSON object a case.
//
//   backward_bench [--threads N] [--isa NAME] [--filter TEXT]
//
// With one thread times are CPU times, so that a machine that is shared with others can still be
// used; torch_backward.py times the same cases in PyTorch.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backend/cpu/cpu_backend.hpp"
#include "base/concat.hpp"
#include "fma_peak.hpp"
#include "ops/adamw.hpp"
#include "ops/contrastive_loss.hpp"
#include "tensor/tensor.hpp"

namespace {

using namespace clip;

constexpr std::int64_t kBatch = 128, kTokens = 65, kRows = kBatch * kTokens;

struct Case {
    std::string name;
    double flops = 0;
    std::function<void()> run;
};

std::shared_ptr<Tensor> random_tensor(Shape shape, float scale, std::uint64_t seed) {
    auto tensor = std::make_shared<Tensor>(shape);
    std::uint64_t state = seed * 2 + 1;
    for (std::int64_t i = 0; i < tensor->numel(); ++i) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        tensor->f32()[i] = scale * (static_cast<float>(state >> 40) / 8388608.0f - 1.0f);
    }
    return tensor;
}

/// The forward with weights packed anew, as each step must, and the backward; `gelu` is the
/// activation that made the input, whose slope the backward multiplies by.
void add_linear(std::vector<Case>& cases, Backend& backend, const char* name, std::int64_t in,
                std::int64_t out, bool gelu) {
    auto x = random_tensor({kRows, in}, 1, 1), weight = random_tensor({out, in}, 0.05f, 2);
    auto bias = random_tensor({out}, 1, 3), grad_y = random_tensor({kRows, out}, 1, 4);
    auto y = random_tensor({kRows, out}, 1, 5), grad_x = random_tensor({kRows, in}, 1, 6);
    auto grad_weight = random_tensor({out, in}, 1, 7), grad_bias = random_tensor({out}, 1, 8);
    std::shared_ptr<PreparedLinear> prepared = backend.prepare_linear({*weight, *bias, DType::f32});
    const double flops = 2.0 * static_cast<double>(kRows * in * out);
    const std::string shape = concat(name, " ", kRows, "x", in, "x", out);
    cases.push_back({concat("linear forward ", shape), flops, [=, &backend] {
                         backend.update_linear(*prepared, {*weight, *bias, DType::f32});
                         LinearArgs args;
                         args.x = *x;
                         args.weights = prepared.get();
                         args.y = *y;
                         backend.linear(args);
                     }});
    LinearBackwardArgs by_x, by_weight;
    by_x.grad_y = by_weight.grad_y = *grad_y;
    by_x.weight = *weight;
    by_x.grad_x = *grad_x;
    if (gelu) {
        by_x.activation = Activation::quick_gelu;
        by_x.pre_activation = *x;
    }
    by_weight.x = *x;
    by_weight.grad_weight = *grad_weight;
    by_weight.grad_bias = *grad_bias;
    // The tensors live as long as the case does.
    const auto kept = std::make_shared<std::vector<std::shared_ptr<Tensor>>>(
        std::vector{x, weight, grad_y, grad_x, grad_weight, grad_bias});
    cases.push_back({concat("linear grad_x ", shape), flops,
                     [=, &backend] { (void)kept, backend.linear_backward(by_x); }});
    cases.push_back({concat("linear grad_weight ", shape), flops,
                     [=, &backend] { (void)kept, backend.linear_backward(by_weight); }});
}

void add_attention(std::vector<Case>& cases, Backend& backend, std::int64_t sequences,
                   std::int64_t tokens, int heads, bool causal) {
    constexpr int kWidth = 64;
    const std::int64_t width = heads * std::int64_t{kWidth}, rows = sequences * tokens;
    auto qkv = random_tensor({rows, 3 * width}, 1, 1), y = random_tensor({rows, width}, 1, 2);
    auto sums = random_tensor({rows, heads}, 1, 3), grad_y = random_tensor({rows, width}, 1, 4);
    auto grads = random_tensor({rows, 3 * width}, 1, 5);
    auto offsets = std::make_shared<std::vector<std::int64_t>>();
    for (std::int64_t i = 0; i <= sequences; ++i)
        offsets->push_back(i * tokens);
    const double flops = 4.0 * static_cast<double>(rows * tokens * width);
    const std::string shape = concat(sequences, "x", tokens, "x", heads, causal ? " causal" : "");
    cases.push_back({concat("attention forward ", shape), flops, [=, &backend] {
                         AttentionArgs args;
                         args.q = qkv->f32();
                         args.k = qkv->f32() + width;
                         args.v = qkv->f32() + 2 * width;
                         args.q_stride = args.kv_stride = 3 * width;
                         args.q_offsets = args.k_offsets = *offsets;
                         args.heads = heads;
                         args.head_width = kWidth;
                         args.scale = 0.125f;
                         args.causal = causal;
                         args.y = *y;
                         args.log_sum_exp = *sums;
                         backend.attention(args);
                     }});
    cases.push_back({concat("attention backward ", shape), 2.5 * flops, [=, &backend] {
                         AttentionBackwardArgs args;
                         args.q = qkv->f32();
                         args.k = qkv->f32() + width;
                         args.v = qkv->f32() + 2 * width;
                         args.q_stride = args.kv_stride = 3 * width;
                         args.grad_q = grads->f32();
                         args.grad_k = grads->f32() + width;
                         args.grad_v = grads->f32() + 2 * width;
                         args.grad_q_stride = args.grad_kv_stride = 3 * width;
                         args.q_offsets = args.k_offsets = *offsets;
                         args.heads = heads;
                         args.head_width = kWidth;
                         args.scale = 0.125f;
                         args.causal = causal;
                         args.y = *y;
                         args.log_sum_exp = *sums;
                         args.grad_y = *grad_y;
                         backend.attention_backward(args);
                     }});
}

void add_others(std::vector<Case>& cases, Backend& backend) {
    constexpr std::int64_t kWidth = 192;
    auto x = random_tensor({kRows, kWidth}, 1, 1), grad = random_tensor({kRows, kWidth}, 1, 2);
    auto gamma = random_tensor({kWidth}, 1, 3), mean = random_tensor({kRows}, 1, 4);
    auto rstd = random_tensor({kRows}, 1, 5), to_gamma = random_tensor({kWidth}, 1, 6);
    auto to_beta = random_tensor({kWidth}, 1, 7), grad_x = random_tensor({kRows, kWidth}, 1, 8);
    cases.push_back({"layer_norm forward", 0, [=, &backend] {
                         LayerNormArgs args;
                         args.x = *x;
                         args.gamma = args.beta = *gamma;
                         args.y = *grad_x;
                         args.mean = *mean;
                         args.rstd = *rstd;
                         backend.layer_norm(args);
                     }});
    cases.push_back({"layer_norm backward", 0, [=, &backend] {
                         LayerNormBackwardArgs args;
                         args.x = *x;
                         args.gamma = *gamma;
                         args.mean = *mean;
                         args.rstd = *rstd;
                         args.grad_y = *grad;
                         args.grad_x = *grad_x;
                         args.residual = args.grad_x;
                         args.grad_gamma = *to_gamma;
                         args.grad_beta = *to_beta;
                         backend.layer_norm_backward(args);
                     }});
    auto wide = random_tensor({kRows, 4 * kWidth}, 1, 9);
    auto wide_y = random_tensor({kRows, 4 * kWidth}, 1, 10);
    cases.push_back({"quick_gelu forward", 0, [=, &backend] {
                         backend.activation({*wide, Activation::quick_gelu, *wide_y});
                     }});
    auto pictures = random_tensor({kBatch, 3, 64, 64}, 1, 1);
    auto tokens = random_tensor({kBatch, kTokens, kWidth}, 1, 2);
    auto projection = random_tensor({kWidth, 192}, 1, 3);
    auto positions = random_tensor({kTokens, kWidth}, 1, 4);
    cases.push_back({"patch_embedding backward", 2.0 * kBatch * 64 * 192 * 192, [=, &backend] {
                         PatchEmbeddingBackwardArgs args;
                         args.pictures = *pictures;
                         args.patch = 8;
                         args.grad_y = *tokens;
                         args.grad_projection = *projection;
                         args.grad_class_token = *to_gamma;
                         args.grad_positions = *positions;
                         backend.patch_embedding_backward(args);
                     }});
    for (const std::int64_t count : {128, 4096}) {
        auto a = random_tensor({count, 512}, 0.05f, 1), b = random_tensor({count, 512}, 0.05f, 2);
        auto grad_a = random_tensor({count, 512}, 1, 3), grad_b = random_tensor({count, 512}, 1, 4);
        cases.push_back({concat("contrastive_loss ", count, "x512"),
                         6 * 2.0 * static_cast<double>(count * count * 512), [=, &backend] {
                             ops::contrastive_loss(backend, {*a, *b, 50, *grad_a, *grad_b});
                         }});
    }
    constexpr std::int64_t kParameters = 8 << 20;
    auto weight = random_tensor({kParameters}, 1, 1), gradient = random_tensor({kParameters}, 1, 2);
    auto first = random_tensor({kParameters}, 0, 3), second = random_tensor({kParameters}, 0, 4);
    const AdamWParameter parameter{weight->f32(), gradient->f32(), first->f32(),
                                   second->f32(), kParameters,     true};
    const auto kept = std::make_shared<std::vector<std::shared_ptr<Tensor>>>(
        std::vector{weight, gradient, first, second});
    cases.push_back({"adamw 8M", 0, [=, &backend] {
                         (void)kept;
                         AdamWArgs args;
                         args.parameters = {&parameter, 1};
                         args.learning_rate = 1e-4;
                         args.weight_decay = 0.2;
                         ops::adamw(backend, args);
                     }});
    cases.push_back({"grad_norm 8M", 0, [=, &backend] {
                         (void)kept;
                         ops::grad_norm(backend, {&parameter, 1});
                     }});
}

void time_case(const Case& c, std::size_t threads, double peak) {
    using Clock = std::chrono::steady_clock;
    c.run();
    std::vector<double> times;
    const auto begin = Clock::now();
    while ((times.size() < 10 || Clock::now() - begin < std::chrono::milliseconds(300)) &&
           Clock::now() - begin < std::chrono::seconds(4)) {
        const auto start = Clock::now();
        const double cpu_start = bench::cpu_seconds();
        c.run();
        const double wall = std::chrono::duration<double>(Clock::now() - start).count();
        times.push_back(threads == 1 ? bench::cpu_seconds() - cpu_start : wall);
    }
    std::sort(times.begin(), times.end());
    const double low = times[times.size() / 10];
    std::printf("{\"case\":\"%s\",\"threads\":%zu,\"ms\":%.3f,\"p10\":%.3f,\"gflops\":%.1f,"
                "\"of_peak\":%.3f}\n",
                c.name.c_str(), threads, times[times.size() / 2] * 1e3, low * 1e3,
                c.flops / low / 1e9, c.flops / low / 1e9 / peak);
    std::fflush(stdout);
}

} // namespace

int main(int argc, char** argv) {
    std::size_t threads = 1;
    std::string filter, wanted;
    for (int i = 1; i + 1 < argc; i += 2) {
        const std::string name = argv[i];
        if (name == "--threads")
            threads = static_cast<std::size_t>(std::max(1, std::atoi(argv[i + 1])));
        else if (name == "--filter")
            filter = argv[i + 1];
        else if (name == "--isa")
            wanted = argv[i + 1];
    }
    ThreadPool pool(threads);
    std::optional<Isa> isa;
    for (const Isa usable : usable_isas())
        if (isa_name(usable) == wanted)
            isa = usable;
    const auto backend = make_cpu_backend(pool, nullptr, isa);
    const double peak = bench::fma_peak() * static_cast<double>(threads);
    std::vector<Case> cases;
    add_linear(cases, *backend, "qkv", 192, 576, false);
    add_linear(cases, *backend, "out", 192, 192, false);
    add_linear(cases, *backend, "fc1", 192, 768, false);
    add_linear(cases, *backend, "fc2", 768, 192, true);
    add_attention(cases, *backend, kBatch, kTokens, 3, false);
    add_attention(cases, *backend, kBatch, 16, 3, true);
    add_others(cases, *backend);
    for (const Case& c : cases)
        if (c.name.find(filter) != std::string::npos)
            time_case(c, threads, peak);
    return 0;
}
