// SPDX-License-Identifier: MIT
#include "nn/norm.hpp"

#include <cmath>

#include "base/concat.hpp"
#include "ops/conv2d.hpp"
#include "ops/layer_norm.hpp"
#include "ops/linear.hpp"

namespace clip {

namespace {
// torch.nn.BatchNorm2d's default, which no published configuration changes.
constexpr double kBatchNormEps = 1e-5;
} // namespace

Tensor ParameterScope::keep(const std::string& name) const {
    Parameter parameter = get(name);
    Tensor kept =
        parameter.owned.empty() ? Tensor::to_f32(parameter.view) : std::move(parameter.owned);
    release(name);
    return kept;
}

Tensor keep_there(Backend& backend, const ParameterScope& scope, const std::string& name) {
    return to_memory(scope.keep(name), backend.memory());
}

LayerNorm::LayerNorm(Backend& backend, const ParameterScope& scope, float eps)
    : gamma_(keep_there(backend, scope, "weight")), beta_(keep_there(backend, scope, "bias")),
      eps_(eps) {}

void LayerNorm::forward(Backend& backend, ConstView x, MutView y) const {
    ops::layer_norm(backend, {.x = x, .gamma = gamma_, .beta = beta_, .eps = eps_, .y = y});
}

std::unique_ptr<PreparedLinear> prepare_linear_layer(Backend& backend, const ParameterScope& scope,
                                                     const std::string& name, DType storage) {
    const Parameter weight = scope.get(name + ".weight");
    Parameter bias;
    if (scope.has(name + ".bias"))
        bias = scope.get(name + ".bias");
    auto prepared = ops::prepare_linear(
        backend, {.weight = weight.view, .bias = bias.view, .storage = storage});
    scope.release(name + ".weight");
    return prepared;
}

std::unique_ptr<PreparedLinear> prepare_linear_rows(Backend& backend, const Parameter& weight,
                                                    const Parameter& bias, std::int64_t first,
                                                    std::int64_t count, DType storage) {
    const std::int64_t in = weight.view.shape[1];
    expect(first >= 0 && first + count <= weight.view.shape[0], "rows of a weight are inside it");
    LinearWeights part{.storage = storage};
    part.weight = part_of(weight.view, first * in, Shape{count, in});
    if (!bias.view.empty())
        part.bias = part_of(bias.view, first, Shape{count});
    return ops::prepare_linear(backend, part);
}

std::unique_ptr<PreparedLinear> prepare_projection(Backend& backend, const ParameterScope& scope,
                                                   const std::string& name, DType storage) {
    const Parameter stored = scope.get(name);
    const std::int64_t in = stored.view.shape[0];
    const std::int64_t out = stored.view.shape[1];
    Tensor transposed(Shape{out, in});
    const float* from = stored.view.f32();
    float* to = transposed.f32();
    for (std::int64_t o = 0; o < out; ++o)
        for (std::int64_t i = 0; i < in; ++i)
            to[o * in + i] = from[i * out + o];
    auto prepared = ops::prepare_linear(backend, {.weight = transposed, .storage = storage});
    scope.release(name);
    return prepared;
}

std::unique_ptr<PreparedConv2d>
prepare_conv_batch_norm(Backend& backend, const ParameterScope& scope, const std::string& conv,
                        const std::string& batch_norm, int stride, int padding, DType storage) {
    const ParameterScope norm = scope / batch_norm;
    const Tensor gamma = norm.keep("weight"), beta = norm.keep("bias");
    const Tensor mean = norm.keep("running_mean"), variance = norm.keep("running_var");
    Tensor weight = scope.keep(conv + ".weight");
    const std::int64_t channels = weight.shape()[0];
    const std::int64_t each = weight.numel() / channels;
    Tensor bias(Shape{channels});
    for (std::int64_t c = 0; c < channels; ++c) {
        const double scale = gamma.f32()[c] / std::sqrt(variance.f32()[c] + kBatchNormEps);
        bias.f32()[c] = static_cast<float>(beta.f32()[c] - mean.f32()[c] * scale);
        for (std::int64_t i = 0; i < each; ++i) {
            float& w = weight.f32()[c * each + i];
            w = static_cast<float>(w * scale);
        }
    }
    return ops::prepare_conv2d(
        backend,
        {.weight = weight, .bias = bias, .stride = stride, .padding = padding, .storage = storage});
}

} // namespace clip
