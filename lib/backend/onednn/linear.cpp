// SPDX-License-Identifier: MIT
// Linear layers and patch embedding: matmul on blocks of kRowBlock rows, spread over the pool.
// Fused as post-ops: bias, the activation, and a residual where no activation comes before it (v2's
// gemm kernels refuse a sum after an activation and fall to a reference loop 1000 times slower).
#include <algorithm>
#include <cstring>

#include "backend/onednn/backend_impl.hpp"
#include "backend/ref/activation.hpp"
#include "backend/ref/patch_embedding.hpp"
#include "backend/ref/storage.hpp"

namespace clip::onednn {

namespace {

constexpr auto kFloat = dnnl::memory::data_type::f32;

void append_activation(dnnl::post_ops& ops, Activation activation) {
    switch (activation) {
    case Activation::none:
        break;
    case Activation::relu:
        append_eltwise(ops, dnnl::algorithm::eltwise_relu, 0, 0);
        break;
    case Activation::quick_gelu:
        append_eltwise(ops, dnnl::algorithm::eltwise_swish, 1.702f, 0);
        break;
    case Activation::gelu:
        append_eltwise(ops, dnnl::algorithm::eltwise_gelu_erf, 0, 0);
        break;
    }
}

Kernel make_block_kernel(const dnnl::engine& engine, std::int64_t in, std::int64_t out,
                         const Desc& weights, const dnnl::post_ops& ops) {
    const Desc bias = dense({1, out});
    return make_kernel<dnnl::matmul>(matmul_desc(engine, dense({kRowBlock, in}), weights, &bias,
                                                 dense({kRowBlock, out}), attributes(ops)));
}

} // namespace

std::unique_ptr<PreparedLinear> OneDnnBackend::prepare_linear(const LinearWeights& weights) {
    const std::int64_t out = weights.weight.shape[0];
    const std::int64_t in = weights.weight.shape[1];
    auto made = std::make_unique<Linear>(in, out);
    made->bias = Tensor(Shape{out});
    if (weights.bias.empty())
        std::fill_n(made->bias.f32(), out, 0.0f);
    else
        std::copy_n(weights.bias.f32(), out, made->bias.f32());
    Tensor rounded;
    const void* values = weights.weight.data;
    if (weights.storage != DType::f32) {
        rounded = Tensor::to_f32(weights.weight);
        ref::round_to_storage(rounded.f32(), out, in, weights.storage);
        values = rounded.f32();
    }
    translate_errors("prepare linear", [&] {
        const auto plain = context_.kernel("prepare_linear", {in, out}, [&] {
            return make_block_kernel(context_.engine(), in, out,
                                     {{in, out}, kFloat, dnnl::memory::format_tag::any}, {});
        });
        const Desc transposed({in, out}, kFloat, Dims{1, in});
        dnnl::memory from(transposed, context_.engine(), const_cast<void*>(values));
        made->weight = dnnl::memory(plain->weights, context_.engine());
        dnnl::stream stream(context_.engine());
        dnnl::reorder(from, made->weight).execute(stream, from, made->weight);
        stream.wait();
    });
    return made;
}

void OneDnnBackend::update_linear(PreparedLinear& prepared, const LinearWeights& weights) {
    auto& old = const_cast<Linear&>(made_here<Linear>(&prepared));
    const auto made = prepare_linear(weights);
    old.weight = static_cast<Linear&>(*made).weight;
    old.bias = std::move(static_cast<Linear&>(*made).bias);
}

std::shared_ptr<const Kernel> OneDnnBackend::block_kernel(std::string_view op,
                                                          const Linear& weights,
                                                          Activation activation, bool adds) {
    const std::int64_t in = weights.in_features();
    const std::int64_t out = weights.out_features();
    return context_.kernel(op, {in, out, static_cast<std::int64_t>(activation), adds}, [&] {
        dnnl::post_ops ops;
        append_activation(ops, activation);
        if (adds)
            ops.append_sum(1.0f);
        return make_block_kernel(context_.engine(), in, out, weights.weight.get_desc(), ops);
    });
}

void OneDnnBackend::linear(const LinearArgs& args) {
    const auto& weights = made_here<Linear>(args.weights);
    const std::int64_t in = weights.in_features();
    const std::int64_t out = weights.out_features();
    const std::int64_t rows = args.x.shape[0];
    const bool residual = !args.residual.empty();
    const bool saves = !args.pre_activation.empty();
    // What a backward pass needs lies between the product and the activation, so none is fused.
    const Activation fused = saves ? Activation::none : args.activation;
    const bool adds = residual && !saves && args.activation == Activation::none;
    const Desc bias = dense({1, out});
    translate_errors("linear", [&] {
        const auto kernel = block_kernel("linear", weights, fused, adds);
        context_.for_each(
            (rows + kRowBlock - 1) / kRowBlock, [&](Workspace& work, std::int64_t block) {
                const std::int64_t first = block * kRowBlock;
                const std::int64_t count = std::min(kRowBlock, rows - first);
                const bool whole = count == kRowBlock;
                const float* x = args.x.f32() + first * in;
                float* y = args.y.f32() + first * out;
                const float* add = residual ? args.residual.f32() + first * out : nullptr;
                const auto bytes = static_cast<std::size_t>(count * out) * sizeof(float);
                if (!whole) {
                    float* padded = work.floats(0, kRowBlock * in);
                    std::copy_n(x, count * in, padded);
                    std::fill_n(padded + count * in, (kRowBlock - count) * in, 0.0f);
                    x = padded;
                }
                // The block is computed in place where it is whole and y is free to hold it.
                const bool direct = whole && !saves && (adds || !residual);
                float* to = direct ? y : work.floats(1, kRowBlock * out);
                if (adds && to != add) {
                    std::memcpy(to, add, bytes);
                    std::fill_n(to + count * out, (kRowBlock - count) * out, 0.0f);
                }
                work.run(*kernel, {{DNNL_ARG_SRC, {kernel->src, x}},
                                   {DNNL_ARG_WEIGHTS,
                                    {weights.weight.get_desc(), weights.weight.get_data_handle()}},
                                   {DNNL_ARG_BIAS, {bias, weights.bias.f32()}},
                                   {DNNL_ARG_DST, {kernel->dst, to}}});
                if (saves) {
                    std::memcpy(args.pre_activation.f32() + first * out, to, bytes);
                    for (std::int64_t i = 0; i < count * out; ++i)
                        to[i] = ref::activate(args.activation, to[i]);
                }
                if (residual && !adds)
                    for (std::int64_t i = 0; i < count * out; ++i)
                        y[i] = to[i] + add[i];
                else if (!direct)
                    std::memcpy(y, to, bytes);
            });
    });
}

void OneDnnBackend::patch_embedding(const PatchEmbeddingArgs& args) {
    const auto& weights = made_here<Linear>(args.projection);
    const std::int64_t in = weights.in_features();
    const std::int64_t width = weights.out_features();
    const std::int64_t side = args.pictures.shape[3];
    const std::int64_t patches = args.y.shape[1] - 1;
    const std::int64_t blocks = (patches + kRowBlock - 1) / kRowBlock;
    const float* positions = args.positions.f32();
    const Desc bias = dense({1, width});
    translate_errors("patch embedding", [&] {
        const auto kernel = block_kernel("patch_embedding", weights, Activation::none, true);
        context_.for_each(args.y.shape[0] * blocks, [&](Workspace& work, std::int64_t item) {
            const std::int64_t picture = item / blocks;
            const std::int64_t first = item % blocks * kRowBlock;
            const std::int64_t count = std::min(kRowBlock, patches - first);
            float* rows = work.floats(0, kRowBlock * in);
            for (std::int64_t i = 0; i < count; ++i)
                ref::patch_row(rows + i * in, args.pictures.f32() + picture * 3 * side * side, side,
                               std::int64_t{args.patch}, first + i);
            std::fill_n(rows + count * in, (kRowBlock - count) * in, 0.0f);
            float* sums = work.floats(1, kRowBlock * width);
            std::copy_n(positions + (1 + first) * width, count * width, sums);
            std::fill_n(sums + count * width, (kRowBlock - count) * width, 0.0f);
            work.run(*kernel, {{DNNL_ARG_SRC, {kernel->src, rows}},
                               {DNNL_ARG_WEIGHTS,
                                {weights.weight.get_desc(), weights.weight.get_data_handle()}},
                               {DNNL_ARG_BIAS, {bias, weights.bias.f32()}},
                               {DNNL_ARG_DST, {kernel->dst, sums}}});
            float* tokens = args.y.f32() + picture * (patches + 1) * width;
            std::copy_n(sums, count * width, tokens + (1 + first) * width);
            if (first == 0)
                for (std::int64_t d = 0; d < width; ++d)
                    tokens[d] = args.class_token.f32()[d] + positions[d];
        });
    });
}

} // namespace clip::onednn
