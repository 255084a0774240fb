// SPDX-License-Identifier: MIT
// Layer norm and softmax: both treat rows on their own, so blocks are only for the threads, and the
// last one is as short as it is.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "backend/onednn/backend_impl.hpp"

namespace clip::onednn {

void OneDnnBackend::layer_norm(const LayerNormArgs& args) {
    const std::int64_t rows = args.x.shape[0];
    const std::int64_t width = args.x.shape[1];
    const bool saves = !args.mean.empty() || !args.rstd.empty();
    const auto kernel_of = [&](std::int64_t count) {
        const auto eps = static_cast<std::int64_t>(std::bit_cast<std::uint32_t>(args.eps));
        return context_.kernel("layer_norm", {count, width, eps, saves}, [&] {
            return make_kernel<dnnl::layer_normalization_forward>(layer_norm_desc(
                context_.engine(), dense({count, width}), args.eps, saves, attributes()));
        });
    };
    translate_errors("layer norm", [&] {
        const auto whole = kernel_of(std::min(kRowBlock, rows));
        const auto tail = rows % kRowBlock == 0 ? whole : kernel_of(rows % kRowBlock);
        context_.for_each(
            (rows + kRowBlock - 1) / kRowBlock, [&](Workspace& work, std::int64_t block) {
                const std::int64_t first = block * kRowBlock;
                const std::int64_t count = std::min(kRowBlock, rows - first);
                const Kernel& kernel = count == kRowBlock ? *whole : *tail;
                const Desc row = dense({width}), statistic = dense({count});
                const float* x = args.x.f32() + first * width;
                float* y = args.y.f32() + first * width;
                if (!saves) {
                    work.run(kernel, {{DNNL_ARG_SRC, {kernel.src, x}},
                                      {DNNL_ARG_SCALE, {row, args.gamma.f32()}},
                                      {DNNL_ARG_SHIFT, {row, args.beta.f32()}},
                                      {DNNL_ARG_DST, {kernel.dst, y}}});
                    return;
                }
                float* mean = work.floats(0, count);
                float* variance = work.floats(1, count);
                work.run(kernel, {{DNNL_ARG_SRC, {kernel.src, x}},
                                  {DNNL_ARG_SCALE, {row, args.gamma.f32()}},
                                  {DNNL_ARG_SHIFT, {row, args.beta.f32()}},
                                  {DNNL_ARG_MEAN, {statistic, mean}},
                                  {DNNL_ARG_VARIANCE, {statistic, variance}},
                                  {DNNL_ARG_DST, {kernel.dst, y}}});
                for (std::int64_t i = 0; i < count; ++i) {
                    if (!args.mean.empty())
                        args.mean.f32()[first + i] = mean[i];
                    if (!args.rstd.empty())
                        args.rstd.f32()[first + i] = 1.0f / std::sqrt(variance[i] + args.eps);
                }
            });
    });
}

std::shared_ptr<const Kernel> OneDnnBackend::softmax_kernel(std::string_view op, std::int64_t rows,
                                                            std::int64_t count) {
    return context_.kernel(op, {rows, count}, [&] {
        return make_kernel<dnnl::softmax_forward>(
            softmax_desc(context_.engine(), dense({rows, count}), attributes()));
    });
}

void run_softmax(Workspace& work, const Kernel& kernel, const float* x, float* y, std::int64_t rows,
                 std::int64_t count) {
    std::vector<std::int64_t> broken; // looked for before: y may be x
    for (std::int64_t r = 0; r < rows; ++r) {
        int found = 0;
        for (std::int64_t i = 0; i < count; ++i)
            found |= std::isnan(x[r * count + i]);
        if (found != 0)
            broken.push_back(r);
    }
    work.run(kernel, {{DNNL_ARG_SRC, {kernel.src, x}}, {DNNL_ARG_DST, {kernel.dst, y}}});
    for (const std::int64_t r : broken)
        std::fill_n(y + r * count, count, std::numeric_limits<float>::quiet_NaN());
}

void OneDnnBackend::softmax(const SoftmaxArgs& args) {
    const std::int64_t rows = args.x.shape[0];
    const std::int64_t count = args.x.shape[1];
    translate_errors("softmax", [&] {
        const std::int64_t left = rows % kRowBlock;
        const auto whole = softmax_kernel("softmax", kRowBlock, count);
        const auto tail = left == 0 ? whole : softmax_kernel("softmax", left, count);
        context_.for_each(
            (rows + kRowBlock - 1) / kRowBlock, [&](Workspace& work, std::int64_t block) {
                const std::int64_t first = block * kRowBlock;
                const Kernel& kernel = rows - first >= kRowBlock ? *whole : *tail;
                run_softmax(work, kernel, args.x.f32() + first * count,
                            args.y.f32() + first * count, std::min(kRowBlock, rows - first), count);
            });
    });
}

} // namespace clip::onednn
