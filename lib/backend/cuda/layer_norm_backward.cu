// SPDX-License-Identifier: MIT
// Gradients of layer_norm. With z = (x - mean) * rstd and g = grad_y * gamma, row by row:
//
//     grad_x = rstd * (g - mean of g - z * (mean of g z)) + residual
//     grad_gamma += sum over rows of grad_y * z,   grad_beta += sum over rows of grad_y
//
// Variants of grad_x as for layer_norm: rows of up to 1024 elements a warp each, with x and grad_y
// in registers; longer rows a block each, which reads them twice. The sums over rows are
// column_sums.hpp's.
//
// Cost. Memory bound: with grad_y of 16 bits (float32) and all else float32 grad_x reads 6 (8)
// bytes an element, 4 more with a residual, and writes 4, the sums over rows read 6 (8). Batch 256
// on 2.0 TB/s (A100) or 3.3 TB/s (H100), grad_y of 16 bits, with a residual:
//   ViT-B/32 (12,800 rows of 768):    197 MB, 98 or 60 us
//   ViT-L/14 (65,792 rows of 1024):   1.3 GB, 0.67 or 0.41 ms
#include "backend/cuda/column_sums.hpp"
#include "backend/cuda/cuda_backend.hpp"
#include "backend/cuda/dtype_switch.hpp"
#include "backend/cuda/row_grid.hpp"
#include "backend/cuda/warp_reduce.hpp"

namespace clip::cuda {

namespace {

/// T is grad_y's type.
template <typename T>
struct GradientRows {
    Global<float> grad_x;         // (rows, width)
    Global<const float> x;        // (rows, width)
    Global<const float> gamma;    // (width)
    Global<const float> mean;     // (rows)
    Global<const float> rstd;     // (rows)
    Global<const T> grad_y;       // (rows, width)
    Global<const float> residual; // (rows, width), null, or grad_x
    std::int64_t rows, width;
};

/// A quad of a row: z and g as above. Both are 0 behind the row.
struct Terms {
    Quad z, g;
};

template <bool kAligned, typename T>
CLIP_DEVICE Terms load_terms(const GradientRows<T>& args, std::int64_t row, std::int64_t first,
                             float mean, float rstd) {
    const std::int64_t at = row * args.width;
    Terms terms{load_quad<kAligned>(args.x + at, first, args.width),
                load_quad<kAligned>(args.grad_y + at, first, args.width)};
    const Quad gamma = load_quad<kAligned>(args.gamma, first, args.width);
    for (int e = 0; e < kQuad; ++e) {
        terms.z.at[e] = kAligned || first + e < args.width ? (terms.z.at[e] - mean) * rstd : 0.0F;
        terms.g.at[e] *= gamma.at[e];
    }
    return terms;
}

CLIP_DEVICE float sum_of_products(const Terms& terms) {
    Quad products{};
    for (int e = 0; e < kQuad; ++e)
        products.at[e] = terms.g.at[e] * terms.z.at[e];
    return sum_of(products);
}

/// `sum` and `product` are means over the row.
template <bool kAligned, typename T>
CLIP_DEVICE void write_gradient(const GradientRows<T>& args, std::int64_t row, std::int64_t first,
                                const Terms& terms, float rstd, float sum, float product) {
    const std::int64_t at = row * args.width;
    Quad grad{};
    for (int e = 0; e < kQuad; ++e)
        grad.at[e] = rstd * (terms.g.at[e] - sum - terms.z.at[e] * product);
    if (!(args.residual == nullptr)) {
        const Quad residual = load_quad<kAligned>(args.residual + at, first, args.width);
        for (int e = 0; e < kQuad; ++e)
            grad.at[e] += residual.at[e];
    }
    store_quad<kAligned>(args.grad_x + at, first, args.width, grad);
}

// Grid: a warp a row, see row_grid.hpp; width <= kQuads * 128. No shared memory. Sums: a lane's
// quads in order, then a butterfly.
template <typename T, int kQuads, bool kAligned>
CLIP_KERNEL(kWarpRowThreads, 4)
void layer_norm_backward_warp_kernel(GradientRows<T> args) {
    const std::int64_t row = std::int64_t{block_x()} * kWarpRows + warp();
    if (row >= args.rows)
        return;
    const float mean = args.mean[row], rstd = args.rstd[row];
    const auto count = static_cast<float>(args.width);
    Terms terms[kQuads];
    for (int i = 0; i < kQuads; ++i)
        terms[i] = first_of_lane(i) < args.width
                       ? load_terms<kAligned>(args, row, first_of_lane(i), mean, rstd)
                       : Terms{};
    float sum = 0, product = 0;
    for (int i = 0; i < kQuads; ++i) {
        sum += sum_of(terms[i].g);
        product += sum_of_products(terms[i]);
    }
    sum = warp_sum(sum) / count;
    product = warp_sum(product) / count;
    for (int i = 0; i < kQuads; ++i)
        if (first_of_lane(i) < args.width)
            write_gradient<kAligned>(args, row, first_of_lane(i), terms[i], rstd, sum, product);
}

// Grid: a block a row. Shared memory: a float a warp for each of two sums. Sums: a thread's quads
// in order, a butterfly, then the warps in order.
template <typename T, bool kAligned>
CLIP_KERNEL(kBlockRowThreads, 3)
void layer_norm_backward_block_kernel(GradientRows<T> args) {
    const Shared<float> scratch = shared_memory<float>(0);
    const std::int64_t row = block_x();
    const float mean = args.mean[row], rstd = args.rstd[row];
    const auto count = static_cast<float>(args.width);
    float sum = 0, product = 0;
    for (std::int64_t first = first_of_thread(); first < args.width; first += kBlockRowStep) {
        const Terms terms = load_terms<kAligned>(args, row, first, mean, rstd);
        sum += sum_of(terms.g);
        product += sum_of_products(terms);
    }
    sum = block_sum<kBlockRowWarps>(sum, scratch) / count;
    product = block_sum<kBlockRowWarps>(product, scratch + kBlockRowWarps) / count;
    for (std::int64_t first = first_of_thread(); first < args.width; first += kBlockRowStep)
        write_gradient<kAligned>(args, row, first,
                                 load_terms<kAligned>(args, row, first, mean, rstd), rstd, sum,
                                 product);
}

template <typename T>
struct GainRows {
    Global<const float> x;          // (rows, columns)
    Global<const T> grad_y;         // (rows, columns)
    Global<const float> mean, rstd; // (rows)
};

// See column_sums.hpp; two sums a column, of grad_y * z and of grad_y. kColumns is 4 where rows
// begin at multiples of four elements, else 1.
template <typename T, int kColumns>
CLIP_KERNEL(kColumnThreads, 3)
void layer_norm_gain_kernel(Global<double> partial, ColumnSlices cut, GainRows<T> args) {
    const std::int64_t column = own_column<kColumns>();
    add_slice<kColumns, 2>(partial, cut, [&](std::int64_t row, double(&sums)[2][kColumns]) {
        const std::int64_t at = row * cut.columns + column;
        const Vec<float, kColumns> x = load<kColumns>(args.x + at);
        const Vec<T, kColumns> grad_y = load<kColumns>(args.grad_y + at);
        const float mean = args.mean[row], rstd = args.rstd[row];
        for (int c = 0; c < kColumns; ++c) {
            const float z = (x.at[c] - mean) * rstd, grad = to_float(grad_y.at[c]);
            sums[0][c] += static_cast<double>(grad * z);
            sums[1][c] += static_cast<double>(grad);
        }
    });
}

// Either gradient may be null.
CLIP_KERNEL(kColumnThreads, 4)
void layer_norm_finish_kernel(Global<float> grad_gamma, Global<float> grad_beta,
                              Global<const double> partial, ColumnSlices cut) {
    finish_columns<2>(partial, cut, [&](std::int64_t column, const double(&sums)[2]) {
        if (!(grad_gamma == nullptr))
            grad_gamma[column] += static_cast<float>(sums[0]);
        if (!(grad_beta == nullptr))
            grad_beta[column] += static_cast<float>(sums[1]);
    });
}

template <typename T>
void launch_grad_x(Context& context, const LayerNormBackwardArgs& args) {
    const GradientRows<T> rows{args.grad_x.f32(),   args.x.f32(),    args.gamma.f32(),
                               args.mean.f32(),     args.rstd.f32(), args.grad_y.as<T>(),
                               args.residual.f32(), args.x.shape[0], args.x.shape[1]};
    const bool aligned = fits_quads(rows.width, args.grad_x.f32(), args.x.f32(), args.gamma.f32(),
                                    args.grad_y.as<T>(), args.residual.f32());
    visit_row_variant(rows.width, aligned, [&]<int kQuads, bool kAligned>() {
        if constexpr (kQuads == 0)
            context.launch("layer_norm_backward_block",
                           layer_norm_backward_block_kernel<T, kAligned>,
                           block_rows(rows.rows, 2 * kBlockRowWarps * sizeof(float)), rows);
        else
            context.launch("layer_norm_backward_warp",
                           layer_norm_backward_warp_kernel<T, kQuads, kAligned>,
                           warp_rows(rows.rows), rows);
    });
}

template <typename T>
void launch_gain(Context& context, const LayerNormBackwardArgs& args) {
    const GainRows<T> rows{args.x.f32(), args.grad_y.as<T>(), args.mean.f32(), args.rstd.f32()};
    const ColumnSlices cut = cut_rows(args.x.shape[0], args.x.shape[1]);
    Workspace::Scope scope(context.workspace());
    double* partial = scope.take<double>(partial_count(cut, 2));
    if (fits_quads(cut.columns, args.x.f32(), args.grad_y.as<T>()))
        context.launch("layer_norm_gain", layer_norm_gain_kernel<T, kQuad>,
                       slice_shape(cut, 2, kQuad), partial, cut, rows);
    else
        context.launch("layer_norm_gain", layer_norm_gain_kernel<T, 1>, slice_shape(cut, 2, 1),
                       partial, cut, rows);
    context.launch("layer_norm_finish", layer_norm_finish_kernel, finish_shape(cut, 2),
                   args.grad_gamma.f32(), args.grad_beta.f32(), partial, cut);
}

} // namespace

void CudaBackend::layer_norm_backward(const LayerNormBackwardArgs& args) {
    visit_layer_type(args.grad_y.dtype, [&]<typename T>() {
        if (!args.grad_x.empty())
            launch_grad_x<T>(context_, args);
        if (!args.grad_gamma.empty() || !args.grad_beta.empty())
            launch_gain<T>(context_, args);
    });
}

} // namespace clip::cuda
