// SPDX-License-Identifier: MIT
#include "trainer/trained_conv.hpp"

#include "base/error.hpp"
#include "ops/activation.hpp"
#include "ops/add.hpp"
#include "ops/batch_norm.hpp"
#include "ops/conv2d.hpp"

namespace clip::trainer {

TrainedConv::TrainedConv(const TowerContext& context, const std::string& conv,
                         const std::string& norm, const ConvSettings& settings)
    : context_(context), settings_(settings) {
    Parameters& parameters = context.parameters;
    weight_ = parameters.weight(conv + ".weight");
    gamma_ = parameters.weight(norm + ".weight");
    beta_ = parameters.weight(norm + ".bias");
    grad_weight_ = parameters.grad(conv + ".weight");
    grad_gamma_ = parameters.grad(norm + ".weight");
    grad_beta_ = parameters.grad(norm + ".bias");
    running_mean_ = parameters.weight(norm + ".running_mean");
    running_variance_ = parameters.weight(norm + ".running_var");
}

Shape TrainedConv::output_shape(const Shape& x) const {
    const auto extent = [&](std::int64_t size, std::int64_t kernel) {
        return (size + 2 * std::int64_t{settings_.padding} - kernel) / settings_.stride + 1;
    };
    return {x[0], extent(x[1], weight_.shape[2]), extent(x[2], weight_.shape[3]), weight_.shape[0]};
}

const PreparedConv2d* TrainedConv::packed() {
    const Conv2dWeights weights{.weight = weight_,
                                .stride = settings_.stride,
                                .padding = settings_.padding,
                                .storage = context_.storage};
    if (!packed_)
        packed_ = ops::prepare_conv2d(context_.backend, weights);
    else if (stale_)
        ops::update_conv2d(context_.backend, *packed_, weights);
    stale_ = false;
    return packed_.get();
}

TrainedConv::Saved TrainedConv::forward(const Forward& args) {
    Arena& arena = context_.arena;
    const Shape shape = output_shape(args.x.shape);
    const std::int64_t channels = shape[3];
    Saved saved{.x = args.x, .y = args.y.empty() ? arena.take(shape) : args.y};
    saved.convolved = arena.take(shape);
    saved.mean = arena.take(Shape{channels});
    saved.rstd = arena.take(Shape{channels});
    ops::conv2d(context_.backend, {.x = args.x, .weights = packed(), .y = saved.convolved});
    if (context_.frugal)
        packed_.reset();

    BatchNormArgs norm{.x = rows_of_places(saved.convolved),
                       .gamma = gamma_,
                       .beta = beta_,
                       .activation = settings_.activation,
                       .y = rows_of_places(saved.y),
                       .mean = saved.mean,
                       .rstd = saved.rstd,
                       .across = context_.across};
    if (!args.residual.empty())
        norm.residual = rows_of_places(args.residual);
    if (args.update_running) {
        norm.running_mean = running_mean_;
        norm.running_variance = running_variance_;
    }
    ops::batch_norm(context_.backend, norm);
    return saved;
}

void TrainedConv::backward(const Backward& args, const Saved& saved) {
    // Of the sum that the activation is applied to.
    const MutView grad_sum =
        rows_of_places(args.grad_residual.empty() ? args.grad_y : args.grad_residual);
    if (settings_.activation != Activation::none || !args.grad_residual.empty())
        ops::activation_backward(context_.backend,
                                 {.x = rows_of_places(saved.y), // as good as x for relu
                                  .grad_y = rows_of_places(args.grad_y),
                                  .activation = settings_.activation,
                                  .grad_x = grad_sum});
    const BatchNormBackwardArgs norm{.x = rows_of_places(saved.convolved),
                                     .gamma = gamma_,
                                     .mean = saved.mean,
                                     .rstd = saved.rstd,
                                     .grad_y = grad_sum,
                                     .grad_x = rows_of_places(args.grad_y),
                                     .grad_gamma = grad_gamma_,
                                     .grad_beta = grad_beta_,
                                     .across = context_.across};
    ops::batch_norm_backward(context_.backend, norm);
    ops::conv2d_backward(context_.backend, {.grad_y = args.grad_y,
                                            .x = saved.x,
                                            .weight = weight_,
                                            .stride = settings_.stride,
                                            .padding = settings_.padding,
                                            .grad_x = args.grad_x,
                                            .grad_weight = grad_weight_,
                                            .storage = context_.storage});
}

void add_to(Backend& backend, ConstView from, MutView to) {
    expect(from.numel() == to.numel(), "two gradients that are added up have one shape");
    const Shape all{to.numel()};
    ops::add(backend, {.x = part_of(from, 0, all), .y = part_of(to, 0, all)});
}

} // namespace clip::trainer
