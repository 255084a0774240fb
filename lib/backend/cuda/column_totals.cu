// SPDX-License-Identifier: MIT
// to[c] += sum over rows of x[r, c]
//
// Cost. Memory bound: 4 or 2 bytes an element. grad_bias of the MLP's first layer, in 16 bits, at
// batch 256 on 2.0 or 3.3 TB/s (A100, H100): ViT-B/32 (12,800, 3072) 79 MB, 39 or 24 us; ViT-L/14
// (65,792, 4096) 0.54 GB, 0.27 or 0.16 ms.
#include "backend/cuda/column_totals.hpp"

#include "backend/cuda/column_sums.hpp"
#include "backend/cuda/dtype_switch.hpp"
#include "backend/cuda/quad.hpp"

namespace clip::cuda {

namespace {

// See column_sums.hpp. kColumns is 4 where rows begin at multiples of four elements, else 1.
template <typename T, int kColumns>
CLIP_KERNEL(kColumnThreads, 3)
void column_totals_kernel(Global<double> partial, ColumnSlices cut,
                          Global<const T> x, // (rows, columns), rows `pitch` apart
                          std::int64_t pitch) {
    const std::int64_t column = own_column<kColumns>();
    add_slice<kColumns, 1>(partial, cut, [&](std::int64_t row, double(&sums)[1][kColumns]) {
        const Vec<T, kColumns> values = load<kColumns>(x + (row * pitch + column));
        for (int c = 0; c < kColumns; ++c)
            sums[0][c] += static_cast<double>(to_float(values.at[c]));
    });
}

CLIP_KERNEL(kColumnThreads, 4)
void column_totals_finish_kernel(Global<float> all, Global<float> first, std::int64_t first_count,
                                 Global<const double> partial, ColumnSlices cut) {
    finish_columns<1>(partial, cut, [&](std::int64_t column, const double(&sums)[1]) {
        if (!(all == nullptr))
            all[column] += static_cast<float>(sums[0]);
        if (!(first == nullptr) && column < first_count)
            first[column] += static_cast<float>(sums[0]);
    });
}

} // namespace

void add_column_totals(Context& context, const ColumnTotals& to, const void* x, DType dtype,
                       std::int64_t rows, std::int64_t columns, std::int64_t pitch) {
    const ColumnSlices cut = cut_rows(rows, columns);
    Workspace::Scope scope(context.workspace());
    double* partial = scope.take<double>(partial_count(cut, 1));
    visit_layer_type(dtype, [&]<typename T>() {
        const T* from = static_cast<const T*>(x);
        if (fits_quads(columns, from) && pitch % kQuad == 0)
            context.launch("column_totals", column_totals_kernel<T, kQuad>,
                           slice_shape(cut, 1, kQuad), partial, cut, from, pitch);
        else
            context.launch("column_totals", column_totals_kernel<T, 1>, slice_shape(cut, 1, 1),
                           partial, cut, from, pitch);
    });
    context.launch("column_totals_finish", column_totals_finish_kernel, finish_shape(cut, 1),
                   to.all, to.first, to.first_count, partial, cut);
}

} // namespace clip::cuda
