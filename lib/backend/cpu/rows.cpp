// SPDX-License-Identifier: MIT
// Ops that work on rows one by one.
#include <algorithm>

#include "backend/cpu/cpu_ops.hpp"

namespace clip::cpu {

namespace {

constexpr std::int64_t kElementsOfPart =
    16384; // about 10 microseconds: enough to be worth a thread

/// body(row) for every row, `width` elements of work each.
template <typename Body>
void for_rows(Context& context, std::int64_t rows, std::int64_t width, const Body& body) {
    const std::int64_t grain =
        std::max<std::int64_t>(1, kElementsOfPart / std::max<std::int64_t>(1, width));
    context.pool.parallel_for(static_cast<std::size_t>(rows), static_cast<std::size_t>(grain),
                              [&](std::size_t begin, std::size_t end) {
                                  for (std::size_t row = begin; row < end; ++row)
                                      body(static_cast<std::int64_t>(row));
                              });
}

} // namespace

void layer_norm(Context& context, const LayerNormArgs& args) {
    const std::int64_t width = args.x.shape.back();
    if (width == 0)
        return;
    for_rows(context, args.x.numel() / width, width, [&](std::int64_t row) {
        context.kernels.layer_norm(args.y.f32() + row * width, args.x.f32() + row * width,
                                   args.gamma.f32(), args.beta.f32(), width, args.eps,
                                   args.mean.empty() ? nullptr : args.mean.f32() + row,
                                   args.rstd.empty() ? nullptr : args.rstd.f32() + row);
    });
}

void l2_normalize(Context& context, const L2NormalizeArgs& args) {
    const std::int64_t width = args.x.shape.back();
    if (width == 0)
        return;
    for_rows(context, args.x.numel() / width, width, [&](std::int64_t row) {
        const float norm = context.kernels.l2_normalize(args.y.f32() + row * width,
                                                        args.x.f32() + row * width, width);
        if (!args.norms.empty())
            args.norms.f32()[row] = norm;
    });
}

void softmax(Context& context, const SoftmaxArgs& args) {
    const std::int64_t width = args.x.shape.back();
    if (width == 0)
        return;
    for_rows(context, args.x.numel() / width, 4 * width, [&](std::int64_t row) {
        context.kernels.softmax(args.y.f32() + row * width, args.x.f32() + row * width, width);
    });
}

void embedding(Context& context, const EmbeddingArgs& args) {
    const std::int64_t width = args.positions.shape.back();
    const auto* table = args.table.as<std::byte>();
    const std::size_t row_bytes = static_cast<std::size_t>(width) * dtype_size(args.table.dtype);
    for_rows(context, static_cast<std::int64_t>(args.ids.size()), width, [&](std::int64_t row) {
        const auto at = static_cast<std::size_t>(row);
        float* y = args.y.f32() + row * width;
        convert_to_f32(y, table + static_cast<std::size_t>(args.ids[at]) * row_bytes,
                       args.table.dtype, static_cast<std::size_t>(width));
        const float* position = args.positions.f32() + args.places[at] * width;
        for (std::int64_t d = 0; d < width; ++d)
            y[d] += position[d];
    });
}

void gather_rows(Context& context, const GatherRowsArgs& args) {
    const std::int64_t width = args.x.shape.back();
    for_rows(context, static_cast<std::int64_t>(args.rows.size()), width, [&](std::int64_t row) {
        std::copy_n(args.x.f32() + args.rows[static_cast<std::size_t>(row)] * width, width,
                    args.y.f32() + row * width);
    });
}

void avg_pool(Context& context, const AvgPoolArgs& args) {
    const std::int64_t height = args.x.shape[1], width = args.x.shape[2];
    const std::int64_t channels = args.x.shape[3], window = args.window;
    const std::int64_t out_height = args.y.shape[1], out_width = args.y.shape[2];
    const float count = static_cast<float>(window * window);
    for_rows(context, args.y.shape[0] * out_height * out_width, window * window * channels,
             [&](std::int64_t place) {
                 float* y = args.y.f32() + place * channels;
                 const std::int64_t left = place % out_width * window;
                 const std::int64_t top = place / out_width % out_height * window;
                 const std::int64_t picture = place / out_width / out_height;
                 const float* corner =
                     args.x.f32() + ((picture * height + top) * width + left) * channels;
                 std::copy_n(corner, channels, y);
                 for (std::int64_t i = 1; i < window * window; ++i) {
                     const float* x = corner + (i / window * width + i % window) * channels;
                     for (std::int64_t c = 0; c < channels; ++c)
                         y[c] += x[c];
                 }
                 for (std::int64_t c = 0; c < channels; ++c)
                     y[c] /= count;
             });
}

void mean_token(Context& context, const MeanTokenArgs& args) {
    const std::int64_t places = args.x.shape[1], width = args.x.shape[2];
    const float* positions = args.positions.f32();
    for_rows(context, args.x.shape[0], places * width, [&](std::int64_t n) {
        const float* x = args.x.f32() + n * places * width;
        float* mean = args.y.f32() + n * (places + 1) * width;
        std::fill_n(mean, width, 0.0f);
        for (std::int64_t place = 0; place < places; ++place) {
            const float* from = x + place * width;
            float* to = mean + (place + 1) * width;
            for (std::int64_t d = 0; d < width; ++d) {
                mean[d] += from[d];
                to[d] = from[d] + positions[(place + 1) * width + d];
            }
        }
        for (std::int64_t d = 0; d < width; ++d)
            mean[d] = mean[d] / static_cast<float>(places) + positions[d];
    });
}

} // namespace clip::cpu
