// SPDX-License-Identifier: MIT
// Convolution and pooling, picture by picture: one kernel for one picture, so that its bits do not
// depend on the batch. Bias, residual and relu are fused, in this order.
#include <algorithm>
#include <cstring>

#include "backend/onednn/backend_impl.hpp"
#include "backend/ref/storage.hpp"

namespace clip::onednn {

namespace {

constexpr auto kFloat = dnnl::memory::data_type::f32;
using Tag = dnnl::memory::format_tag;

// oneDNN names the axes (N, C, H, W) whatever the layout.
Desc nhwc(std::int64_t height, std::int64_t width, std::int64_t channels) {
    return {{1, channels, height, width}, kFloat, Tag::nhwc};
}

// The weights in the layout that `wanted` describes; reordered when first asked for.
const void* packed_weights(const Conv2d& weights, const Desc& wanted, const dnnl::engine& engine) {
    for (const dnnl::memory& have : weights.packed)
        if (have.get_desc() == wanted)
            return have.get_data_handle();
    const Shape& shape = weights.weight_shape();
    dnnl::memory from({{shape[0], shape[1], shape[2], shape[3]}, kFloat, Tag::oihw}, engine,
                      const_cast<float*>(weights.plain.f32()));
    dnnl::memory to(wanted, engine);
    dnnl::stream stream(engine);
    dnnl::reorder(from, to).execute(stream, from, to);
    stream.wait();
    weights.packed.push_back(to);
    return to.get_data_handle();
}

} // namespace

std::unique_ptr<PreparedConv2d> OneDnnBackend::prepare_conv2d(const Conv2dWeights& weights) {
    const Shape& shape = weights.weight.shape;
    auto made = std::make_unique<Conv2d>(shape, weights.stride, weights.padding);
    made->plain = Tensor::to_f32(weights.weight);
    ref::round_to_storage(made->plain.f32(), shape[0], shape[1] * shape[2] * shape[3],
                          weights.storage);
    made->bias = Tensor(Shape{shape[0]});
    if (weights.bias.empty())
        std::fill_n(made->bias.f32(), shape[0], 0.0f);
    else
        std::copy_n(weights.bias.f32(), shape[0], made->bias.f32());
    return made;
}

void OneDnnBackend::update_conv2d(PreparedConv2d& prepared, const Conv2dWeights& weights) {
    auto& old = const_cast<Conv2d&>(made_here<Conv2d>(&prepared));
    const auto made = prepare_conv2d(weights);
    old.plain = std::move(static_cast<Conv2d&>(*made).plain);
    old.bias = std::move(static_cast<Conv2d&>(*made).bias);
    old.packed.clear();
}

void OneDnnBackend::conv2d(const Conv2dArgs& args) {
    const auto& weights = made_here<Conv2d>(args.weights);
    const Shape& kernel_shape = weights.weight_shape();
    const Shape& x = args.x.shape;
    const Shape& y = args.y.shape;
    const bool residual = !args.residual.empty();
    const bool relu = args.activation == Activation::relu;
    const Desc bias = dense({y[3]});
    translate_errors("conv2d", [&] {
        const Context::Key key{x[1],
                               x[2],
                               x[3],
                               y[3],
                               kernel_shape[2],
                               kernel_shape[3],
                               weights.stride(),
                               weights.padding(),
                               residual,
                               relu};
        const auto kernel = context_.kernel("conv2d", key, [&] {
            dnnl::post_ops ops;
            if (residual)
                ops.append_sum(1.0f);
            if (relu)
                append_eltwise(ops, dnnl::algorithm::eltwise_relu, 0, 0);
            const std::int64_t stride = weights.stride(), padding = weights.padding();
            return make_kernel<dnnl::convolution_forward>(convolution_desc(
                context_.engine(), nhwc(x[1], x[2], x[3]),
                {{kernel_shape[0], kernel_shape[1], kernel_shape[2], kernel_shape[3]},
                 kFloat,
                 Tag::any},
                &bias, nhwc(y[1], y[2], y[3]), {stride, stride}, {padding, padding},
                attributes(ops)));
        });
        const void* packed = packed_weights(weights, kernel->weights, context_.engine());
        const std::int64_t x_each = x[1] * x[2] * x[3];
        const std::int64_t y_each = y[1] * y[2] * y[3];
        context_.for_each(x[0], [&](Workspace& work, std::int64_t n) {
            float* to = args.y.f32() + n * y_each;
            if (residual && args.residual.data != args.y.data)
                std::copy_n(args.residual.f32() + n * y_each, y_each, to);
            work.run(*kernel, {{DNNL_ARG_SRC, {kernel->src, args.x.f32() + n * x_each}},
                               {DNNL_ARG_WEIGHTS, {kernel->weights, packed}},
                               {DNNL_ARG_BIAS, {bias, weights.bias.f32()}},
                               {DNNL_ARG_DST, {kernel->dst, to}}});
        });
    });
}

void OneDnnBackend::avg_pool(const AvgPoolArgs& args) {
    const Shape& x = args.x.shape;
    const Shape& y = args.y.shape;
    const std::int64_t window = args.window;
    translate_errors("avg pool", [&] {
        const auto kernel = context_.kernel("avg_pool", {x[1], x[2], x[3], window}, [&] {
            // Lines and columns that fill no window are cut off, by strides over the real extents.
            const Desc cut({1, x[3], y[1] * window, y[2] * window}, kFloat,
                           Dims{x[1] * x[2] * x[3], 1, x[2] * x[3], x[3]});
            return make_kernel<dnnl::pooling_forward>(avg_pool_desc(
                context_.engine(), cut, nhwc(y[1], y[2], y[3]), {window, window}, attributes()));
        });
        context_.for_each(x[0], [&](Workspace& work, std::int64_t n) {
            work.run(*kernel,
                     {{DNNL_ARG_SRC, {kernel->src, args.x.f32() + n * x[1] * x[2] * x[3]}},
                      {DNNL_ARG_DST, {kernel->dst, args.y.f32() + n * y[1] * y[2] * y[3]}}});
        });
    });
}

} // namespace clip::onednn
