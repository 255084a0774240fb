// SPDX-License-Identifier: MIT
#include "trainer/layers.hpp"

#include "base/error.hpp"
#include "ops/layer_norm.hpp"
#include "ops/linear.hpp"
#include "ops/transpose.hpp"

namespace clip::trainer {

namespace {

/// Rows [first, first + count) of a tensor of any rank, as a matrix.
template <typename View>
View matrix_rows(View view, std::int64_t first, std::int64_t count) {
    if (view.data == nullptr)
        return view;
    const std::int64_t width = view.shape.numel() / view.shape[0];
    return part_of(view, first * width, Shape{count, width});
}

template <typename View>
View vector_rows(View view, std::int64_t first, std::int64_t count) {
    return part_of(view, first, Shape{count});
}

} // namespace

TrainedLinear::TrainedLinear(const TowerContext& context, const std::string& weight,
                             const std::string& bias, std::int64_t first, std::int64_t count)
    : context_(context) {
    Parameters& parameters = context.parameters;
    const MutView all = parameters.weight(weight);
    expect(all.shape.rank() >= 2, "a linear layer's weight is a matrix");
    const std::int64_t rows = count == 0 ? all.shape[0] : count;
    expect(first >= 0 && first + rows <= all.shape[0], "rows of a weight are inside it");
    weight_ = matrix_rows(ConstView(all), first, rows);
    grad_weight_ = matrix_rows(parameters.grad(weight), first, rows);
    if (!bias.empty()) {
        bias_ = vector_rows(ConstView(parameters.weight(bias)), first, rows);
        grad_bias_ = vector_rows(parameters.grad(bias), first, rows);
    }
}

const PreparedLinear* TrainedLinear::packed() {
    const LinearWeights weights{.weight = weight_, .bias = bias_, .storage = context_.storage};
    if (!packed_)
        packed_ = ops::prepare_linear(context_.backend, weights);
    else if (stale_)
        ops::update_linear(context_.backend, *packed_, weights);
    stale_ = false;
    return packed_.get();
}

void TrainedLinear::done() {
    if (context_.frugal)
        packed_.reset();
}

void TrainedLinear::forward(const Forward& args) {
    ops::linear(context_.backend, {.x = args.x,
                                   .weights = packed(),
                                   .activation = args.activation,
                                   .residual = args.residual,
                                   .y = args.y,
                                   .pre_activation = args.pre_activation});
    done();
}

void TrainedLinear::backward(const Backward& args) {
    ops::linear_backward(context_.backend, {.grad_y = args.grad_y,
                                            .x = args.x,
                                            .weight = weight_,
                                            .activation = args.activation,
                                            .pre_activation = args.pre_activation,
                                            .grad_x = args.grad_x,
                                            .grad_weight = grad_weight_,
                                            .grad_bias = grad_bias_,
                                            .storage = context_.storage});
}

TrainedProjection::TrainedProjection(const TowerContext& context, const std::string& weight)
    : context_(context), weight_(context.parameters.weight(weight)),
      grad_weight_(context.parameters.grad(weight)),
      transposed_(Shape{weight_.shape[1], weight_.shape[0]}, DType::f32, context.backend.memory()),
      grad_transposed_(transposed_.shape(), DType::f32, context.backend.memory()) {}

void TrainedProjection::renew() {
    if (!stale_)
        return;
    ops::transpose(context_.backend, {.x = weight_, .y = transposed_});
    const LinearWeights weights{.weight = transposed_, .storage = context_.storage};
    if (!packed_)
        packed_ = ops::prepare_linear(context_.backend, weights);
    else
        ops::update_linear(context_.backend, *packed_, weights);
    stale_ = false;
}

void TrainedProjection::forward(ConstView x, MutView y) {
    renew();
    ops::linear(context_.backend, {.x = x, .weights = packed_.get(), .y = y});
}

void TrainedProjection::backward(ConstView grad_y, ConstView x, MutView grad_x) {
    renew();
    if (!grad_weight_.empty())
        context_.backend.memory().clear(grad_transposed_.view().data, grad_transposed_.bytes());
    ops::linear_backward(context_.backend,
                         {.grad_y = grad_y,
                          .x = x,
                          .weight = transposed_,
                          .grad_x = grad_x,
                          .grad_weight = grad_weight_.empty() ? MutView{} : grad_transposed_.view(),
                          .storage = context_.storage});
    if (!grad_weight_.empty())
        ops::transpose(context_.backend, {.x = grad_transposed_, .add = true, .y = grad_weight_});
}

TrainedLayerNorm::TrainedLayerNorm(const TowerContext& context, const std::string& name, float eps)
    : context_(context), gamma_(context.parameters.weight(name + ".weight")),
      beta_(context.parameters.weight(name + ".bias")),
      grad_gamma_(context.parameters.grad(name + ".weight")),
      grad_beta_(context.parameters.grad(name + ".bias")), eps_(eps) {}

void TrainedLayerNorm::forward(ConstView x, MutView y, MutView mean, MutView rstd) const {
    ops::layer_norm(
        context_.backend,
        {.x = x, .gamma = gamma_, .beta = beta_, .eps = eps_, .y = y, .mean = mean, .rstd = rstd});
}

void TrainedLayerNorm::backward(ConstView x, ConstView mean, ConstView rstd, ConstView grad_y,
                                ConstView residual, MutView grad_x) const {
    ops::layer_norm_backward(context_.backend, {.x = x,
                                                .gamma = gamma_,
                                                .mean = mean,
                                                .rstd = rstd,
                                                .grad_y = grad_y,
                                                .residual = residual,
                                                .grad_x = grad_x,
                                                .grad_gamma = grad_gamma_,
                                                .grad_beta = grad_beta_});
}

} // namespace clip::trainer
