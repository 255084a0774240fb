// SPDX-License-Identifier: MIT
#include "nn/bottleneck.hpp"

#include "ops/avg_pool.hpp"
#include "ops/conv2d.hpp"

namespace clip {

namespace {

std::int64_t channels_out(const PreparedConv2d& conv) {
    return conv.weight_shape()[0];
}

} // namespace

Bottleneck::Bottleneck(Backend& backend, const ParameterScope& scope, int stride, DType storage)
    : stride_(stride),
      conv1_(prepare_conv_batch_norm(backend, scope, "conv1", "bn1", 1, 0, storage)),
      conv2_(prepare_conv_batch_norm(backend, scope, "conv2", "bn2", 1, 1, storage)),
      conv3_(prepare_conv_batch_norm(backend, scope, "conv3", "bn3", 1, 0, storage)) {
    if (scope.has("downsample.0.weight"))
        shortcut_ =
            prepare_conv_batch_norm(backend, scope, "downsample.0", "downsample.1", 1, 0, storage);
}

void Bottleneck::forward(Backend& backend, FeatureMap& x, FeatureMap& y,
                         BottleneckScratch& scratch) const {
    const std::int64_t n = x.shape[0], height = x.shape[1], width = x.shape[2];
    const std::int64_t out_height = height / stride_, out_width = width / stride_;
    scratch.narrow.resize(Shape{n, height, width, channels_out(*conv1_)});
    ops::conv2d(backend, {.x = x.view(),
                          .weights = conv1_.get(),
                          .activation = Activation::relu,
                          .y = scratch.narrow.view()});
    scratch.wide.resize(Shape{n, height, width, channels_out(*conv2_)});
    ops::conv2d(backend, {.x = scratch.narrow.view(),
                          .weights = conv2_.get(),
                          .activation = Activation::relu,
                          .y = scratch.wide.view()});
    FeatureMap* inner = &scratch.wide;
    if (stride_ > 1) {
        scratch.narrow.resize(Shape{n, out_height, out_width, channels_out(*conv2_)});
        ops::avg_pool(backend,
                      {.x = scratch.wide.view(), .window = stride_, .y = scratch.narrow.view()});
        inner = &scratch.narrow;
    }
    y.resize(Shape{n, out_height, out_width, channels_out(*conv3_)});
    FeatureMap* shortcut = &x;
    if (shortcut_) {
        if (stride_ > 1) {
            scratch.pooled.resize(Shape{n, out_height, out_width, x.shape[3]});
            ops::avg_pool(backend, {.x = x.view(), .window = stride_, .y = scratch.pooled.view()});
            shortcut = &scratch.pooled;
        }
        scratch.shortcut.resize(y.shape);
        ops::conv2d(
            backend,
            {.x = shortcut->view(), .weights = shortcut_.get(), .y = scratch.shortcut.view()});
        shortcut = &scratch.shortcut;
    }
    ops::conv2d(backend, {.x = inner->view(),
                          .weights = conv3_.get(),
                          .activation = Activation::relu,
                          .residual = shortcut->view(),
                          .y = y.view()});
}

} // namespace clip
