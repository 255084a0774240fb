// SPDX-License-Identifier: MIT
// Batch norm of channels-last places with the statistics of the batch, and its gradients:
//
//   y = activation((x - mean) * rstd * gamma + beta + residual)
//   grad_x = gamma rstd (grad_y - mean(grad_y) - z mean(grad_y z)),  z = (x - mean) * rstd
//
// Statistics come from one pass: sums of differences from the first row, and of their squares, in
// float64 (column_sums.hpp). The first row is some deviations from the mean at most, so that
// nothing is lost where the variance is made of them; a column of equal numbers has variance 0.
// Batches that are cut over ranks: what a rank's mean and squares become goes to the host and back,
// two vectors of `channels` numbers.
//
// Kernels have two variants: Width 4 where rows are whole vectors of 16 bytes, else 1; same bits.
//
// Cost: forward reads x twice, residual once, and writes y: 12 to 16 bytes an element; backward
// reads x and grad_y twice and writes grad_x: 20 bytes. RN50, batch 256: the 55 layers have 3.2e9
// elements, so 41 GB forward and 64 GB backward: 21 and 32 ms at 2.0 TB/s (A100), 12 and 19 ms at
// 3.3 TB/s (H100). ViTs have none.
// Source: Ioffe & Szegedy 2015, algorithm 1; Chan et al. 1983 for sums that are put together.
#include <span>
#include <vector>

#include "backend/cuda/column_sums.hpp"
#include "backend/cuda/cuda_backend.hpp"
#include "backend/cuda/vector_access.hpp"

namespace clip::cuda {

namespace {

constexpr int kWidth = 4;
/// Rows that a thread of the row kernels does: its parameters are read once for all of them.
constexpr int kRowsOfThread = 8;
constexpr int kRowsOfBlock = kRowLanes * kRowsOfThread;

/// Where the thread of a row kernel is. Grid: tiles of rows times tiles of columns, the latter
/// beside each other; block: kColumnThreads.
template <int Width>
struct RowTile {
    std::int64_t column, first, end;

    CLIP_DEVICE RowTile(std::int64_t rows, std::int64_t columns) {
        constexpr int kTile = kColumnLanes * Width;
        const int tiles = static_cast<int>((columns + kTile - 1) / kTile);
        column = std::int64_t{block_x() % tiles} * kTile + thread_x() % kColumnLanes * Width;
        first = std::int64_t{block_x() / tiles} * kRowsOfBlock + thread_x() / kColumnLanes;
        end = column < columns ? min(first + kRowsOfBlock, rows) : 0;
    }
};

LaunchShape row_shape(std::int64_t rows, std::int64_t columns, int width) {
    const std::int64_t tile = std::int64_t{kColumnLanes} * width;
    return {{static_cast<unsigned>((columns + tile - 1) / tile *
                                   ((rows + kRowsOfBlock - 1) / kRowsOfBlock))},
            {kColumnThreads}};
}

/// `values[column + w]`, or 0 behind the last column.
template <int Width, typename T>
CLIP_DEVICE void load_columns(T (&to)[Width], Global<const T> values, std::int64_t column,
                              std::int64_t columns) {
    for (int w = 0; w < Width; ++w)
        to[w] = column < columns ? static_cast<T>(values[column + w]) : T(0);
}

/// What differences are taken from: the first row; 0 where that is not finite, so that infinities
/// give what they give in any other order.
CLIP_DEVICE double origin(float first) {
    return first - first == 0 ? static_cast<double>(first) : 0.0;
}

/// partial (slices, 2, columns): sums of x - origin and of its squares. Grid and shared memory:
/// slice_shape(); x is aligned to Width elements. Three blocks: 8 sums of 64 bits and the rows
/// in flight take 80 registers.
template <int Width>
CLIP_KERNEL(kColumnThreads, 3)
void batch_norm_sums_kernel(Global<double> partial,
                            Global<const float> x, // (rows, columns)
                            ColumnSlices cut) {
    const std::int64_t column = own_column<Width>();
    float first[Width];
    load_columns(first, x, column, cut.columns);
    double from[Width];
    for (int w = 0; w < Width; ++w)
        from[w] = origin(first[w]);
    add_slice<Width, 2>(partial, cut, [&](std::int64_t r, double(&sums)[2][Width]) {
        float values[Width];
        load_floats(values, x + (r * cut.columns + column));
        for (int w = 0; w < Width; ++w) {
            const double apart = static_cast<double>(values[w]) - from[w];
            sums[0][w] += apart;
            sums[1][w] += apart * apart;
        }
    });
}

/// moments (2, columns): the mean of these rows, and the sum of squares around it. Grid and shared
/// memory: finish_shape().
CLIP_KERNEL(kColumnThreads, 4)
void batch_norm_moments_kernel(Global<double> moments, Global<const double> partial,
                               Global<const float> x, ColumnSlices cut) {
    finish_columns<2>(partial, cut, [&](std::int64_t c, const double(&sums)[2]) {
        const double rows = static_cast<double>(cut.rows);
        const double squares = sums[1] - sums[0] * sums[0] / rows;
        moments[c] = origin(x[c]) + sums[0] / rows;
        moments[cut.columns + c] = squares < 0 ? 0.0 : squares; // a NaN stays one
    });
}

struct Settle {
    Global<float> mean, rstd;                     // (columns)
    Global<float> running_mean, running_variance; // (columns) or null
    Global<const double> moments;                 // (2, columns)
    double count = 0, momentum = 0, eps = 0;      // count: rows of all ranks
    std::int64_t columns = 0;
};

/// Statistics from moments. One thread a column.
CLIP_KERNEL(kColumnThreads, 4) void batch_norm_settle_kernel(Settle to) {
    const std::int64_t c = std::int64_t{block_x()} * kColumnThreads + thread_x();
    if (c >= to.columns)
        return;
    const double mean = to.moments[c], squares = to.moments[to.columns + c];
    const double variance = squares / to.count;
    to.mean[c] = static_cast<float>(mean);
    to.rstd[c] = rsqrt(static_cast<float>(variance + to.eps));
    const auto run = [&](Global<float> running, double now) {
        if (running == nullptr)
            return;
        const float old = running[c];
        running[c] =
            static_cast<float>((1 - to.momentum) * static_cast<double>(old) + to.momentum * now);
    };
    run(to.running_mean, mean);
    run(to.running_variance, to.count > 1 ? squares / (to.count - 1) : variance);
}

struct Apply {
    Global<float> y;                             // (rows, columns)
    Global<const float> x, residual;             // (rows, columns); residual may be null, or y
    Global<const float> mean, rstd, gamma, beta; // (columns)
    std::int64_t rows = 0, columns = 0;
    bool relu = false;
};

/// y from x and the statistics. Grid: row_shape(); x, residual and y are aligned to Width elements.
template <int Width>
CLIP_KERNEL(kColumnThreads, 4)
void batch_norm_apply_kernel(Apply op) {
    const RowTile<Width> tile(op.rows, op.columns);
    float mean[Width], rstd[Width], gamma[Width], beta[Width];
    load_columns(mean, op.mean, tile.column, op.columns);
    load_columns(rstd, op.rstd, tile.column, op.columns);
    load_columns(gamma, op.gamma, tile.column, op.columns);
    load_columns(beta, op.beta, tile.column, op.columns);
    for (std::int64_t r = tile.first; r < tile.end; r += kRowLanes) {
        const std::int64_t at = r * op.columns + tile.column;
        float values[Width], others[Width] = {};
        load_floats(values, op.x + at);
        if (!(op.residual == nullptr))
            load_floats(others, op.residual + at);
        for (int w = 0; w < Width; ++w) {
            float sum = (values[w] - mean[w]) * rstd[w] * gamma[w] + beta[w];
            if (!(op.residual == nullptr))
                sum += others[w];
            values[w] = op.relu && sum < 0 ? 0.0F : sum; // a NaN stays one
        }
        store_floats(op.y + at, values);
    }
}

/// partial (slices, 2, columns): sums of grad_y, and of grad_y times the normalised x. Grid and
/// shared memory: slice_shape(); x and grad_y are aligned to Width elements.
template <int Width>
CLIP_KERNEL(kColumnThreads, 3)
void batch_norm_backward_sums_kernel(Global<double> partial,
                                     Global<const float> x,      // (rows, columns)
                                     Global<const float> grad_y, // (rows, columns)
                                     Global<const float> mean,   // (columns)
                                     Global<const float> rstd,   // (columns)
                                     ColumnSlices cut) {
    const std::int64_t column = own_column<Width>();
    float means[Width], rstds[Width];
    load_columns(means, mean, column, cut.columns);
    load_columns(rstds, rstd, column, cut.columns);
    add_slice<Width, 2>(partial, cut, [&](std::int64_t r, double(&sums)[2][Width]) {
        float values[Width], grads[Width];
        load_floats(values, x + (r * cut.columns + column));
        load_floats(grads, grad_y + (r * cut.columns + column));
        for (int w = 0; w < Width; ++w) {
            const float z = (values[w] - means[w]) * rstds[w];
            sums[0][w] += static_cast<double>(grads[w]);
            sums[1][w] += static_cast<double>(grads[w]) * static_cast<double>(z);
        }
    });
}

/// totals (2, columns) of the partial sums, which are also added to the gradients of beta and of
/// gamma, where these are not null. Grid and shared memory: finish_shape().
CLIP_KERNEL(kColumnThreads, 4)
void batch_norm_gradients_kernel(Global<double> totals, Global<float> grad_beta,
                                 Global<float> grad_gamma, Global<const double> partial,
                                 ColumnSlices cut) {
    finish_columns<2>(partial, cut, [&](std::int64_t c, const double(&sums)[2]) {
        totals[c] = sums[0];
        totals[cut.columns + c] = sums[1];
        if (!(grad_beta == nullptr))
            grad_beta[c] += static_cast<float>(sums[0]);
        if (!(grad_gamma == nullptr))
            grad_gamma[c] += static_cast<float>(sums[1]);
    });
}

struct GradX {
    Global<float> grad_x;                  // (rows, columns), may be grad_y
    Global<const float> x, grad_y;         // (rows, columns)
    Global<const float> mean, rstd, gamma; // (columns)
    Global<const double> totals;           // (2, columns)
    double inverse_count = 0;              // 1 / rows of all ranks
    std::int64_t rows = 0, columns = 0;
};

/// Grid: row_shape(); x, grad_y and grad_x are aligned to Width elements.
template <int Width>
CLIP_KERNEL(kColumnThreads, 3)
void batch_norm_grad_x_kernel(GradX op) {
    const RowTile<Width> tile(op.rows, op.columns);
    float mean[Width], rstd[Width], gain[Width];
    double grads[Width], products[Width];
    load_columns(mean, op.mean, tile.column, op.columns);
    load_columns(rstd, op.rstd, tile.column, op.columns);
    load_columns(gain, op.gamma, tile.column, op.columns);
    load_columns(grads, op.totals, tile.column, op.columns);
    load_columns(products, op.totals + op.columns, tile.column, op.columns);
    float mean_grad[Width], mean_product[Width];
    for (int w = 0; w < Width; ++w) {
        gain[w] *= rstd[w];
        mean_grad[w] = static_cast<float>(grads[w] * op.inverse_count);
        mean_product[w] = static_cast<float>(products[w] * op.inverse_count);
    }
    for (std::int64_t r = tile.first; r < tile.end; r += kRowLanes) {
        const std::int64_t at = r * op.columns + tile.column;
        float values[Width], grad[Width];
        load_floats(values, op.x + at);
        load_floats(grad, op.grad_y + at);
        for (int w = 0; w < Width; ++w) {
            const float z = (values[w] - mean[w]) * rstd[w];
            grad[w] = gain[w] * (grad[w] - mean_grad[w] - z * mean_product[w]);
        }
        store_floats(op.grad_x + at, grad);
    }
}

/// Calls `body.template operator()<Width>()`.
template <typename Body>
void visit_width(bool vectors, const Body& body) {
    if (vectors)
        body.template operator()<kWidth>();
    else
        body.template operator()<1>();
}

// Makes mean and squares those of all ranks; returns their rows.
double moments_across(Context& context, double* moments, std::int64_t rows, std::int64_t channels,
                      SumAcross& across) {
    const auto count = static_cast<std::size_t>(channels);
    std::vector<double> own(2 * count), sums(count + 1);
    context.transfer().download(own.data(), moments, own.size() * sizeof(double));
    for (std::size_t c = 0; c < count; ++c)
        sums[c] = own[c] * static_cast<double>(rows);
    sums[count] = static_cast<double>(rows);
    across.sum(sums);
    const double all_rows = sums[count];
    for (std::size_t c = 0; c < count; ++c) {
        sums[c] /= all_rows;
        const double apart = own[c] - sums[c];
        own[count + c] += static_cast<double>(rows) * apart * apart;
        own[c] = sums[c];
    }
    across.sum(std::span(own).last(count));
    context.transfer().upload(moments, own.data(), own.size() * sizeof(double));
    return all_rows;
}

// Makes the sums those of all ranks; returns their rows.
double totals_across(Context& context, double* totals, std::int64_t rows, std::int64_t channels,
                     SumAcross& across) {
    std::vector<double> sums(2 * static_cast<std::size_t>(channels) + 1);
    context.transfer().download(sums.data(), totals, (sums.size() - 1) * sizeof(double));
    sums.back() = static_cast<double>(rows);
    across.sum(sums);
    context.transfer().upload(totals, sums.data(), (sums.size() - 1) * sizeof(double));
    return sums.back();
}

} // namespace

void CudaBackend::batch_norm(const BatchNormArgs& args) {
    const std::int64_t rows = args.x.shape[0], channels = args.x.shape[1];
    const float* x = args.x.f32();
    const ColumnSlices cut = cut_rows(rows, channels);
    Workspace::Scope scope(context_.workspace());
    auto* partial = scope.take<double>(partial_count(cut, 2));
    auto* moments = scope.take<double>(2 * channels);
    visit_width(takes_vectors(kWidth, channels, {x}), [&]<int Width>() {
        context_.launch("batch_norm_sums", batch_norm_sums_kernel<Width>,
                        slice_shape(cut, 2, Width), partial, x, cut);
    });
    context_.launch("batch_norm_moments", batch_norm_moments_kernel, finish_shape(cut, 2), moments,
                    partial, x, cut);
    Settle settle;
    settle.count = args.across == nullptr
                       ? static_cast<double>(rows)
                       : moments_across(context_, moments, rows, channels, *args.across);
    settle.mean = args.mean.f32();
    settle.rstd = args.rstd.f32();
    settle.running_mean = args.running_mean.f32();
    settle.running_variance = args.running_variance.f32();
    settle.moments = moments;
    settle.momentum = static_cast<double>(args.momentum);
    settle.eps = static_cast<double>(args.eps);
    settle.columns = channels;
    const auto blocks = static_cast<unsigned>((channels + kColumnThreads - 1) / kColumnThreads);
    context_.launch("batch_norm_settle", batch_norm_settle_kernel, {{blocks}, {kColumnThreads}},
                    settle);
    Apply apply;
    apply.y = args.y.f32();
    apply.x = x;
    apply.residual = args.residual.f32();
    apply.mean = args.mean.f32();
    apply.rstd = args.rstd.f32();
    apply.gamma = args.gamma.f32();
    apply.beta = args.beta.f32();
    apply.rows = rows;
    apply.columns = channels;
    apply.relu = args.activation == Activation::relu;
    visit_width(takes_vectors(kWidth, channels, {x, apply.residual.at, apply.y.at}),
                [&]<int Width>() {
                    context_.launch("batch_norm_apply", batch_norm_apply_kernel<Width>,
                                    row_shape(rows, channels, Width), apply);
                });
}

void CudaBackend::batch_norm_backward(const BatchNormBackwardArgs& args) {
    const std::int64_t rows = args.x.shape[0], channels = args.x.shape[1];
    const float *x = args.x.f32(), *grad_y = args.grad_y.f32();
    const ColumnSlices cut = cut_rows(rows, channels);
    Workspace::Scope scope(context_.workspace());
    auto* partial = scope.take<double>(partial_count(cut, 2));
    auto* totals = scope.take<double>(2 * channels);
    visit_width(takes_vectors(kWidth, channels, {x, grad_y}), [&]<int Width>() {
        context_.launch("batch_norm_backward_sums", batch_norm_backward_sums_kernel<Width>,
                        slice_shape(cut, 2, Width), partial, x, grad_y, args.mean.f32(),
                        args.rstd.f32(), cut);
    });
    context_.launch("batch_norm_gradients", batch_norm_gradients_kernel, finish_shape(cut, 2),
                    totals, args.grad_beta.f32(), args.grad_gamma.f32(), partial, cut);
    if (args.grad_x.empty())
        return;
    GradX op;
    op.inverse_count = 1 / (args.across == nullptr
                                ? static_cast<double>(rows)
                                : totals_across(context_, totals, rows, channels, *args.across));
    op.grad_x = args.grad_x.f32();
    op.x = x;
    op.grad_y = grad_y;
    op.mean = args.mean.f32();
    op.rstd = args.rstd.f32();
    op.gamma = args.gamma.f32();
    op.totals = totals;
    op.rows = rows;
    op.columns = channels;
    visit_width(takes_vectors(kWidth, channels, {x, grad_y, op.grad_x.at}), [&]<int Width>() {
        context_.launch("batch_norm_grad_x", batch_norm_grad_x_kernel<Width>,
                        row_shape(rows, channels, Width), op);
    });
}

} // namespace clip::cuda
