// SPDX-License-Identifier: MIT
// Attention of one sequence and head at a time: matmul (scaled by a post-op), softmax, matmul, each
// on strided views of the caller's buffers. The causal mask is -infinity written over the scores of
// later keys: a kernel for each number of visible keys would be a kernel for each query.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "backend/onednn/backend_impl.hpp"

namespace clip::onednn {

namespace {

constexpr auto kFloat = dnnl::memory::data_type::f32;

// The three kernels of one shape of sequence.
struct Kernels {
    std::shared_ptr<const Kernel> scores, softmax, values;
};

float log_sum_exp(const float* scores, std::int64_t count) {
    const float largest = *std::max_element(scores, scores + count);
    float sum = 0;
    for (std::int64_t i = 0; i < count; ++i)
        sum += std::exp(scores[i] - largest);
    return largest + std::log(sum);
}

} // namespace

void OneDnnBackend::attention(const AttentionArgs& args) {
    const std::int64_t heads = args.heads;
    const std::int64_t width = args.head_width;
    const auto sequences = static_cast<std::int64_t>(args.q_offsets.size()) - 1;
    const auto scale = static_cast<std::int64_t>(std::bit_cast<std::uint32_t>(args.scale));
    const auto length = [](std::span<const std::int64_t> offsets, std::int64_t sequence) {
        const auto at = static_cast<std::size_t>(sequence);
        return offsets[at + 1] - offsets[at];
    };
    const auto kernels_of = [&](std::int64_t queries, std::int64_t keys) -> Kernels {
        Kernels made;
        made.softmax = softmax_kernel("attention softmax", queries, keys);
        made.values =
            context_.kernel("attention values", {queries, keys, heads, width, args.kv_stride}, [&] {
                return make_kernel<dnnl::matmul>(
                    matmul_desc(context_.engine(), dense({queries, keys}),
                                {{keys, width}, kFloat, Dims{args.kv_stride, 1}}, nullptr,
                                {{queries, width}, kFloat, Dims{heads * width, 1}}, attributes()));
            });
        made.scores = context_.kernel(
            "attention", {queries, keys, width, args.q_stride, args.kv_stride, scale}, [&] {
                dnnl::post_ops ops;
                append_eltwise(ops, dnnl::algorithm::eltwise_linear, args.scale, 0);
                return make_kernel<dnnl::matmul>(matmul_desc(
                    context_.engine(), {{queries, width}, kFloat, Dims{args.q_stride, 1}},
                    {{width, keys}, kFloat, Dims{1, args.kv_stride}}, nullptr,
                    dense({queries, keys}), attributes(ops)));
            });
        return made;
    };
    translate_errors("attention", [&] {
        // Kernels are made before the threads start: the cache is not shared between them.
        std::vector<Kernels> kernels(static_cast<std::size_t>(sequences));
        for (std::int64_t n = 0; n < sequences; ++n)
            if (length(args.q_offsets, n) > 0)
                kernels[static_cast<std::size_t>(n)] =
                    kernels_of(length(args.q_offsets, n), length(args.k_offsets, n));
        context_.for_each(sequences * heads, [&](Workspace& work, std::int64_t item) {
            const std::int64_t n = item / heads;
            const std::int64_t head = item % heads;
            const std::int64_t queries = length(args.q_offsets, n);
            const std::int64_t keys = length(args.k_offsets, n);
            if (queries == 0)
                return;
            const Kernels& use = kernels[static_cast<std::size_t>(n)];
            const std::int64_t q_first = args.q_offsets[static_cast<std::size_t>(n)];
            const std::int64_t k_first = args.k_offsets[static_cast<std::size_t>(n)];
            const std::int64_t kv = k_first * args.kv_stride + head * width;
            float* scores = work.floats(0, queries * keys);
            work.run(*use.scores,
                     {{DNNL_ARG_SRC,
                       {use.scores->src, args.q_f32() + q_first * args.q_stride + head * width}},
                      {DNNL_ARG_WEIGHTS, {use.scores->weights, args.k_f32() + kv}},
                      {DNNL_ARG_DST, {use.scores->dst, scores}}});
            for (std::int64_t j = 0; j < queries; ++j) {
                const std::int64_t visible = args.causal ? j + keys - queries + 1 : keys;
                std::fill(scores + j * keys + visible, scores + (j + 1) * keys,
                          -std::numeric_limits<float>::infinity());
                if (!args.log_sum_exp.empty())
                    args.log_sum_exp.f32()[(q_first + j) * heads + head] =
                        log_sum_exp(scores + j * keys, visible);
            }
            run_softmax(work, *use.softmax, scores, scores, queries, keys);
            work.run(*use.values,
                     {{DNNL_ARG_SRC, {use.values->src, scores}},
                      {DNNL_ARG_WEIGHTS, {use.values->weights, args.v_f32() + kv}},
                      {DNNL_ARG_DST,
                       {use.values->dst, args.y.f32() + (q_first * heads + head) * width}}});
        });
    });
}

} // namespace clip::onednn
