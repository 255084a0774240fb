// SPDX-License-Identifier: MIT
#include "trainer/trained_bottleneck.hpp"

#include "ops/avg_pool.hpp"

namespace clip::trainer {

namespace {

Shape shape_of_pooled(const Shape& x, int stride) {
    return {x[0], x[1] / stride, x[2] / stride, x[3]};
}

} // namespace

TrainedBottleneck::TrainedBottleneck(const TowerContext& context, const std::string& name,
                                     int stride)
    : context_(context), stride_(stride), conv_1_(context, name + "conv1", name + "bn1", {}),
      conv_2_(context, name + "conv2", name + "bn2", {.padding = 1}),
      conv_3_(context, name + "conv3", name + "bn3", {}) {
    if (context.parameters.has(name + "downsample.0.weight"))
        shortcut_ =
            std::make_unique<TrainedConv>(context, name + "downsample.0", name + "downsample.1",
                                          ConvSettings{.activation = Activation::none});
}

void TrainedBottleneck::refresh() {
    for (TrainedConv* conv : {&conv_1_, &conv_2_, &conv_3_, shortcut_.get()})
        if (conv != nullptr)
            conv->refresh();
}

Shape TrainedBottleneck::output_shape(const Shape& x) const {
    return conv_3_.output_shape(shape_of_pooled(x, stride_));
}

ConstView TrainedBottleneck::pooled(ConstView x) {
    if (stride_ == 1)
        return x;
    const MutView y = context_.arena.take(shape_of_pooled(x.shape, stride_));
    ops::avg_pool(context_.backend, {.x = x, .window = stride_, .y = y});
    return y;
}

MutView TrainedBottleneck::grad_of_pooled(MutView grad_x) {
    return stride_ == 1 ? grad_x : context_.arena.take(shape_of_pooled(grad_x.shape, stride_));
}

void TrainedBottleneck::pooled_backward(ConstView grad_pooled, MutView grad_x) {
    if (stride_ > 1)
        ops::avg_pool_backward(context_.backend,
                               {.grad_y = grad_pooled, .window = stride_, .grad_x = grad_x});
}

void TrainedBottleneck::compute(Saved& saved, bool update_running) {
    saved.conv_1 = conv_1_.forward({.x = saved.x, .update_running = update_running});
    saved.conv_2 = conv_2_.forward({.x = saved.conv_1.y, .update_running = update_running});
    ConstView residual = saved.x;
    if (shortcut_) {
        saved.shortcut =
            shortcut_->forward({.x = pooled(saved.x), .update_running = update_running});
        residual = saved.shortcut.y;
    }
    saved.conv_3 = conv_3_.forward({.x = pooled(saved.conv_2.y),
                                    .residual = residual,
                                    .y = saved.y,
                                    .update_running = update_running});
}

void TrainedBottleneck::forward(MutView x, MutView y, Saved& saved, bool keep) {
    const Arena::Mark mark = context_.arena.mark();
    saved = {.x = x, .y = y};
    compute(saved, keep);
    if (!keep || context_.frugal)
        context_.arena.rewind(mark);
}

void TrainedBottleneck::backward(MutView grad_y, MutView grad_x, Saved& saved) {
    Arena& arena = context_.arena;
    const Arena::Mark mark = arena.mark();
    if (context_.frugal)
        compute(saved, false); // and so writes into y what is there already

    // Without a convolution in the shortcut the residual's gradient is one by x.
    const MutView grad_residual = shortcut_ ? arena.take(saved.y.shape) : grad_x;
    const Arena::Mark branch = arena.mark();
    const MutView grad_wide = arena.take(saved.conv_2.y.shape);
    const MutView grad_inner = grad_of_pooled(grad_wide);
    conv_3_.backward({.grad_y = grad_y, .grad_residual = grad_residual, .grad_x = grad_inner},
                     saved.conv_3);
    pooled_backward(grad_inner, grad_wide);
    const MutView grad_narrow = arena.take(saved.conv_1.y.shape);
    conv_2_.backward({.grad_y = grad_wide, .grad_x = grad_narrow}, saved.conv_2);
    if (!shortcut_) {
        const MutView grad_branch = arena.take(saved.x.shape);
        conv_1_.backward({.grad_y = grad_narrow, .grad_x = grad_branch}, saved.conv_1);
        add_to(context_.backend, grad_branch, grad_x);
        arena.rewind(mark);
        return;
    }
    conv_1_.backward({.grad_y = grad_narrow, .grad_x = grad_x}, saved.conv_1);
    arena.rewind(branch);
    const MutView grad_shortcut = arena.take(saved.x.shape);
    const MutView grad_pooled = grad_of_pooled(grad_shortcut);
    shortcut_->backward({.grad_y = grad_residual, .grad_x = grad_pooled}, saved.shortcut);
    pooled_backward(grad_pooled, grad_shortcut);
    add_to(context_.backend, grad_shortcut, grad_x);
    arena.rewind(mark);
}

} // namespace clip::trainer
