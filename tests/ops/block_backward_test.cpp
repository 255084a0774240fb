// SPDX-License-Identifier: MIT
// A residual block of a tower put together from the ops, forward and backward, against PyTorch:
// what is saved, what is fused, and that gradients add up over slices of the batch.
#include <doctest/doctest.h>

#include <map>

#include "ops/attention.hpp"
#include "ops/layer_norm.hpp"
#include "ops/linear.hpp"
#include "ops/training_golden.hpp"
#include "support/cases.hpp"

using namespace clip;
using namespace clip::test;

namespace {

constexpr std::int64_t kWidth = 8, kTokens = 3, kHeads = 2;
constexpr const char* kLinear[] = {"qkv", "out", "fc1", "fc2"};
constexpr const char* kNorms[] = {"ln_1", "ln_2"};

struct Linear {
    std::vector<float> weight, bias, grad_weight, grad_bias;
    std::int64_t in_features, out_features;
};
struct Norm {
    std::vector<float> gamma, beta, grad_gamma, grad_beta, mean, rstd;
};

struct Block {
    explicit Block(Backend& used) : backend(used) {
        for (const char* name : kLinear) {
            Linear layer;
            layer.weight = golden_f32(std::string("block.") + name + ".weight");
            layer.bias = golden_f32(std::string("block.") + name + ".bias");
            layer.grad_weight.resize(layer.weight.size());
            layer.grad_bias.resize(layer.bias.size());
            layer.out_features = static_cast<std::int64_t>(layer.bias.size());
            layer.in_features = static_cast<std::int64_t>(layer.weight.size()) / layer.out_features;
            linear[name] = layer;
        }
        for (const char* name : kNorms) {
            Norm norm;
            norm.gamma = golden_f32(std::string("block.") + name + ".gamma");
            norm.beta = golden_f32(std::string("block.") + name + ".beta");
            norm.grad_gamma.resize(norm.gamma.size());
            norm.grad_beta.resize(norm.beta.size());
            norms[name] = norm;
        }
    }

    std::vector<float> normalise(const char* name, const std::vector<float>& x, std::int64_t rows) {
        Norm& norm = norms[name];
        norm.mean.resize(static_cast<std::size_t>(rows));
        norm.rstd.resize(static_cast<std::size_t>(rows));
        std::vector<float> y(x.size());
        CallMemory memory;
        LayerNormArgs args;
        args.x = memory.in(x, {rows, kWidth});
        args.gamma = memory.in(norm.gamma, {kWidth});
        args.beta = memory.in(norm.beta, {kWidth});
        args.y = memory.through(y, {rows, kWidth});
        args.mean = memory.through(norm.mean, {rows});
        args.rstd = memory.through(norm.rstd, {rows});
        ops::layer_norm(backend, args);
        memory.write_back();
        return y;
    }
    /// The gradient goes through the norm and joins the one that went past it, in place.
    void normalise_backward(const char* name, const std::vector<float>& x,
                            const std::vector<float>& grad_y, std::vector<float>& residual,
                            std::int64_t rows) {
        Norm& norm = norms[name];
        CallMemory memory;
        LayerNormBackwardArgs args;
        args.x = memory.in(x, {rows, kWidth});
        args.gamma = memory.in(norm.gamma, {kWidth});
        args.mean = memory.in(norm.mean, {rows});
        args.rstd = memory.in(norm.rstd, {rows});
        args.grad_y = memory.in(grad_y, {rows, kWidth});
        args.grad_x = memory.through(residual, {rows, kWidth});
        args.residual = args.grad_x;
        args.grad_gamma = memory.through(norm.grad_gamma, {kWidth});
        args.grad_beta = memory.through(norm.grad_beta, {kWidth});
        ops::layer_norm_backward(backend, args);
        memory.write_back();
    }

    std::vector<float> multiply(const char* name, const std::vector<float>& x, std::int64_t rows,
                                const std::vector<float>& residual = {},
                                std::vector<float>* pre_activation = nullptr) {
        const Linear& layer = linear[name];
        const Shape shape{rows, layer.out_features};
        const auto prepared = ops::prepare_linear(
            backend,
            {ConstView{
                 layer.weight.data(), {layer.out_features, layer.in_features}, DType::f32, {}},
             ConstView{layer.bias.data(), {layer.out_features}, DType::f32, {}}, DType::f32});
        std::vector<float> y(static_cast<std::size_t>(shape.numel()));
        CallMemory memory;
        LinearArgs args;
        args.x = memory.in(x, {rows, layer.in_features});
        args.weights = prepared.get();
        if (!residual.empty())
            args.residual = memory.in(residual, shape);
        if (pre_activation != nullptr) {
            pre_activation->resize(y.size());
            args.activation = Activation::quick_gelu;
            args.pre_activation = memory.through(*pre_activation, shape);
        }
        args.y = memory.through(y, shape);
        ops::linear(backend, args);
        memory.write_back();
        return y;
    }
    std::vector<float> multiply_backward(const char* name, const std::vector<float>& x,
                                         const std::vector<float>& grad_y, std::int64_t rows,
                                         const std::vector<float>& pre_activation = {}) {
        Linear& layer = linear[name];
        const Shape shape{layer.out_features, layer.in_features};
        std::vector<float> grad_x(x.size());
        CallMemory memory;
        LinearBackwardArgs args;
        args.grad_y = memory.in(grad_y, {rows, layer.out_features});
        args.x = memory.in(x, {rows, layer.in_features});
        args.weight = memory.in(layer.weight, shape);
        if (!pre_activation.empty()) {
            args.activation = Activation::quick_gelu;
            args.pre_activation = memory.in(pre_activation, {rows, layer.in_features});
        }
        args.grad_x = memory.through(grad_x, {rows, layer.in_features});
        args.grad_weight = memory.through(layer.grad_weight, shape);
        args.grad_bias = memory.through(layer.grad_bias, {layer.out_features});
        ops::linear_backward(backend, args);
        memory.write_back();
        return grad_x;
    }

    /// Forward and backward of some sequences; returns y and the gradient by x.
    std::pair<std::vector<float>, std::vector<float>> run(const std::vector<float>& x,
                                                          const std::vector<float>& grad_y) {
        const std::int64_t rows = static_cast<std::int64_t>(x.size()) / kWidth;
        std::vector<std::int64_t> offsets;
        for (std::int64_t row = 0; row <= rows; row += kTokens)
            offsets.push_back(row);
        const auto normal = normalise("ln_1", x, rows);
        const auto qkv = multiply("qkv", normal, rows);
        std::vector<float> attended(x.size()), sums(static_cast<std::size_t>(rows * kHeads));
        CallMemory memory;
        AttentionArgs attention;
        const float* qkv_at = memory.in(qkv, {rows, 3 * kWidth}).f32();
        attention.q = qkv_at;
        attention.k = qkv_at + kWidth;
        attention.v = qkv_at + 2 * kWidth;
        attention.q_stride = attention.kv_stride = 3 * kWidth;
        attention.q_offsets = attention.k_offsets = offsets;
        attention.heads = kHeads;
        attention.head_width = kWidth / kHeads;
        attention.scale = 0.5f;
        attention.causal = true;
        attention.y = memory.through(attended, {rows, kWidth});
        attention.log_sum_exp = memory.through(sums, {rows, kHeads});
        ops::attention(backend, attention);
        memory.write_back();
        const auto middle = multiply("out", attended, rows, x);
        const auto second = normalise("ln_2", middle, rows);
        std::vector<float> pre;
        const auto hidden = multiply("fc1", second, rows, {}, &pre);
        const auto y = multiply("fc2", hidden, rows, middle);

        std::vector<float> grad = grad_y; // by y, then by middle, then by x
        const auto grad_pre = multiply_backward("fc2", hidden, grad, rows, pre);
        normalise_backward("ln_2", middle, multiply_backward("fc1", second, grad_pre, rows), grad,
                           rows);
        const auto grad_attended = multiply_backward("out", attended, grad, rows);
        std::vector<float> grad_qkv(qkv.size());
        AttentionBackwardArgs back;
        back.q = attention.q_f32();
        back.k = attention.k_f32();
        back.v = attention.v_f32();
        back.q_stride = back.kv_stride = back.grad_q_stride = back.grad_kv_stride = 3 * kWidth;
        back.q_offsets = back.k_offsets = offsets;
        back.heads = kHeads;
        back.head_width = attention.head_width;
        back.scale = attention.scale;
        back.causal = true;
        back.y = attention.y;
        back.log_sum_exp = attention.log_sum_exp;
        back.grad_y = memory.in(grad_attended, {rows, kWidth});
        back.grad_q = memory.through(grad_qkv, {rows, 3 * kWidth}).f32();
        back.grad_k = back.grad_q_f32() + kWidth;
        back.grad_v = back.grad_q_f32() + 2 * kWidth;
        ops::attention_backward(backend, back);
        memory.write_back();
        normalise_backward("ln_1", x, multiply_backward("qkv", normal, grad_qkv, rows), grad, rows);
        return {y, grad};
    }

    void check_gradients() {
        for (const char* name : kLinear) {
            check_golden(std::string("block.grad.") + name + ".weight", linear[name].grad_weight);
            check_golden(std::string("block.grad.") + name + ".bias", linear[name].grad_bias);
        }
        for (const char* name : kNorms) {
            check_golden(std::string("block.grad.") + name + ".gamma", norms[name].grad_gamma);
            check_golden(std::string("block.grad.") + name + ".beta", norms[name].grad_beta);
        }
    }

    Backend& backend;
    std::map<std::string, Linear> linear;
    std::map<std::string, Norm> norms;
};

} // namespace

TEST_CASE("a residual block: results and all gradients are PyTorch's, whole and in slices") {
    const auto x = golden_f32("block.x"), grad_y = golden_f32("block.grad_y");
    for (const std::string& name : backend_names()) {
        INFO(name);
        Block whole(backend(name, 2));
        const auto [y, grad_x] = whole.run(x, grad_y);
        check_golden("block.y", y);
        check_golden("block.grad_x", grad_x);
        whole.check_gradients();
        Block sliced(backend(name, 2));
        for (std::ptrdiff_t n = 0; n < 2; ++n) {
            const std::ptrdiff_t each = kTokens * kWidth;
            sliced.run({x.begin() + n * each, x.begin() + (n + 1) * each},
                       {grad_y.begin() + n * each, grad_y.begin() + (n + 1) * each});
        }
        sliced.check_gradients();
    }
}
