// SPDX-License-Identifier: MIT
#include <algorithm>

#include "backend/cpu/cpu_ops.hpp"
#include "backend/cpu/gemm.hpp"
#include "backend/cpu/weight_gradient.hpp"

namespace clip::cpu {

namespace {

constexpr std::int64_t kRowsOfSum = 256; // rows that are summed in float32 before double takes over

std::int64_t divide_up(std::int64_t x, std::int64_t unit) {
    return (x + unit - 1) / unit;
}

/// One call of add_product. Each part of the work has some outputs and some panels, and goes
/// through all slices: it packs its share of a slice of both factors, which then stays in the
/// second-level cache.
class WeightGradient {
  public:
    WeightGradient(Context& context, float* gradient, const float* grad_y, std::int64_t out,
                   const float* x, std::int64_t in, std::int64_t rows)
        : context_(context), kernels_(context.kernels), gradient_(gradient), grad_y_(grad_y),
          out_(out), x_(x), in_(in), rows_(rows) {
        const auto threads = static_cast<std::int64_t>(context.pool.size());
        const std::int64_t parts = threads == 1 ? 1 : threads * kPartsPerThread;
        const std::int64_t tiles = divide_up(out, kernels_.max_rows);
        const std::int64_t panels = divide_up(in, kernels_.panel);
        blocks_ = std::min(parts, std::max<std::int64_t>(1, tiles / kFewestTiles));
        groups_ = std::max(divide_up(panels, kMostPanels), divide_up(parts, blocks_));
        groups_ = std::min(groups_, panels);
    }

    void run() {
        context_.pool.parallel_for(static_cast<std::size_t>(blocks_ * groups_), 1,
                                   [&](std::size_t begin, std::size_t end) {
                                       ScratchPool::Lease scratch(context_.scratch);
                                       for (std::size_t part = begin; part < end; ++part)
                                           run_part(*scratch, static_cast<std::int64_t>(part));
                                   });
    }

  private:
    static constexpr std::int64_t kPartsPerThread = 2, kFewestTiles = 4;
    static constexpr std::int64_t kMostTiles = 56, kMostPanels = 24; // 0.8 MB each

    void run_part(ThreadScratch& scratch, std::int64_t part) const {
        const std::int64_t block = part / groups_, group = part % groups_;
        const std::int64_t begin = out_ * block / blocks_, end = out_ * (block + 1) / blocks_;
        const std::int64_t panel = kernels_.panel, panels = divide_up(in_, panel);
        const std::int64_t left = panels * group / groups_ * panel;
        const std::int64_t right = std::min(in_, panels * (group + 1) / groups_ * panel);
        float* packed_x = scratch.floats(ThreadScratch::panel,
                                         divide_up(right - left, panel) * panel * kRowsOfSlice);
        for (std::int64_t row = 0; row < rows_; row += kRowsOfSlice) {
            const std::int64_t depth = std::min(kRowsOfSlice, rows_ - row);
            kernels_.pack_values(packed_x, x_ + row * in_ + left, in_, depth,
                                 static_cast<int>(right - left));
            const std::int64_t most = kMostTiles * kernels_.max_rows;
            for (std::int64_t o = begin; o < end; o += most)
                add_outputs(scratch, row, depth, o, std::min(most, end - o), packed_x, left, right);
        }
    }

    /// Outputs [begin, begin + count) with the columns [left, right), which are packed, of a slice.
    void add_outputs(ThreadScratch& scratch, std::int64_t row, std::int64_t depth,
                     std::int64_t begin, std::int64_t count, const float* packed_x,
                     std::int64_t left, std::int64_t right) const {
        int first[kMostTiles + 1]; // of each tile
        const auto tiles = static_cast<int>(divide_up(count, kernels_.max_rows));
        for (int t = 0; t <= tiles; ++t)
            first[t] = static_cast<int>(count * t / tiles);
        float* packed = scratch.floats(ThreadScratch::rows, count * depth + kLanes);
        kernels_.pack_columns(packed, grad_y_ + row * out_ + begin, out_, first, tiles, depth);
        for (std::int64_t column = left; column < right; column += kernels_.panel)
            for (int t = 0; t < tiles; ++t)
                add_tile(packed + first[t] * depth, packed_x + (column - left) * depth, depth,
                         begin + first[t], first[t + 1] - first[t], column);
    }

    void add_tile(const float* a, const float* b, std::int64_t depth, std::int64_t row, int count,
                  std::int64_t column) const {
        alignas(64) float sums[kMostRows * kMostPanel];
        float* to[kMostRows];
        for (int r = 0; r < count; ++r) {
            to[r] = gradient_ + (row + r) * in_ + column;
            __builtin_prefetch(to[r], 1);
            __builtin_prefetch(to[r] + kLanes, 1);
        }
        TileArgs tile;
        tile.depth = depth;
        tile.a = a;
        tile.a_step = count;
        tile.b = b;
        tile.c = sums;
        tile.c_step = kernels_.panel;
        kernels_.tile(count, Storage::f32, tile);
        FinishArgs finish;
        finish.sums = sums;
        finish.sums_step = tile.c_step;
        finish.rows = count;
        finish.columns = static_cast<int>(std::min<std::int64_t>(kernels_.panel, in_ - column));
        finish.y = to;
        finish.residual = to;
        kernels_.finish(finish);
    }

    Context& context_;
    const KernelTable& kernels_;
    float* gradient_;
    const float* grad_y_;
    std::int64_t out_;
    const float* x_;
    std::int64_t in_, rows_;
    std::int64_t blocks_ = 1; ///< of outputs
    std::int64_t groups_ = 1; ///< of panels
};

} // namespace

void add_product(Context& context, float* gradient, const float* grad_y, std::int64_t out,
                 const float* x, std::int64_t in, std::int64_t rows) {
    if (out > 0 && in > 0 && rows > 0)
        WeightGradient(context, gradient, grad_y, out, x, in, rows).run();
}

void sum_over_rows(
    Context& context, std::int64_t rows, std::int64_t count,
    const std::function<void(std::int64_t first, std::int64_t end, float* sums)>& add,
    const std::function<void(std::int64_t index, double sum)>& to) {
    const std::int64_t slices = (rows + kRowsOfSum - 1) / kRowsOfSum;
    float* sums = context.workspace.floats(Workspace::sums, slices * count);
    context.pool.parallel_for(
        static_cast<std::size_t>(slices), 1, [&](std::size_t begin, std::size_t end) {
            for (auto i = static_cast<std::int64_t>(begin); i < static_cast<std::int64_t>(end);
                 ++i) {
                std::fill_n(sums + i * count, count, 0.0f);
                add(i * kRowsOfSum, std::min(rows, (i + 1) * kRowsOfSum), sums + i * count);
            }
        });
    for (std::int64_t index = 0; index < count; ++index) {
        double sum = 0;
        for (std::int64_t i = 0; i < slices; ++i)
            sum += sums[i * count + index];
        to(index, sum);
    }
}

void add_column_sums(Context& context, float* gradient, const float* x, std::int64_t rows,
                     std::int64_t columns, std::int64_t step) {
    sum_over_rows(
        context, rows, columns,
        [&](std::int64_t first, std::int64_t end, float* sums) {
            for (std::int64_t r = first; r < end; ++r)
                for (std::int64_t c = 0; c < columns; ++c)
                    sums[c] += x[r * step + c];
        },
        [&](std::int64_t c, double sum) { gradient[c] += static_cast<float>(sum); });
}

void linear_backward(Context& context, const LinearBackwardArgs& args) {
    const std::int64_t rows = args.grad_y.shape[0];
    const std::int64_t out = args.grad_y.shape[1];
    const float* grad_y = args.grad_y.f32();
    if (!args.grad_x.empty()) {
        const std::int64_t in = args.grad_x.shape[1];
        PackedPanels& panels = context.workspace.transposed;
        panels.pack_transposed(context, in, out, args.weight.f32());
        GemmOutput output;
        output.y = args.grad_x.f32();
        output.y_step = in;
        if (args.activation != Activation::none) {
            output.residual = args.pre_activation.f32();
            output.activation = args.activation;
            output.backward = true;
        }
        run_gemm(context, rows, DenseRows(grad_y, out), panels, output);
    }
    if (!args.grad_weight.empty()) {
        const std::int64_t in = args.grad_weight.shape[1];
        add_product(context, args.grad_weight.f32(), grad_y, out, args.x.f32(), in, rows);
    }
    if (!args.grad_bias.empty())
        add_column_sums(context, args.grad_bias.f32(), grad_y, rows, out, out);
}

void patch_embedding_backward(Context& context, const PatchEmbeddingBackwardArgs& args) {
    const std::int64_t pictures = args.pictures.shape[0];
    const std::int64_t side = args.pictures.shape[3];
    const std::int64_t tokens = args.grad_y.shape[1];
    const std::int64_t width = args.grad_y.shape[2];
    const std::int64_t patch = args.patch, grid = side / patch, patches = grid * grid;
    const std::int64_t depth = 3 * patch * patch;
    const float* grad_y = args.grad_y.f32();
    if (!args.grad_class_token.empty())
        add_column_sums(context, args.grad_class_token.f32(), grad_y, pictures, width,
                        tokens * width);
    if (!args.grad_positions.empty())
        add_column_sums(context, args.grad_positions.f32(), grad_y, pictures, tokens * width,
                        tokens * width);
    if (args.grad_projection.empty())
        return;
    float* rows = context.workspace.floats(Workspace::right, kRowsGathered * depth);
    float* grads = context.workspace.floats(Workspace::left, kRowsGathered * width);
    for (std::int64_t first = 0; first < pictures * patches; first += kRowsGathered) {
        const std::int64_t count = std::min(kRowsGathered, pictures * patches - first);
        context.pool.parallel_for(
            static_cast<std::size_t>(count), 64, [&](std::size_t begin, std::size_t end) {
                for (auto r = static_cast<std::int64_t>(begin); r < static_cast<std::int64_t>(end);
                     ++r) {
                    const std::int64_t picture = (first + r) / patches;
                    const std::int64_t place = (first + r) % patches;
                    std::copy_n(grad_y + (picture * tokens + place + 1) * width, width,
                                grads + r * width);
                    const float* corner = args.pictures.f32() + picture * 3 * side * side +
                                          place / grid * patch * side + place % grid * patch;
                    float* row = rows + r * depth;
                    for (std::int64_t line = 0; line < 3 * patch; ++line, row += patch)
                        std::copy_n(corner + (line / patch * side + line % patch) * side, patch,
                                    row);
                }
            });
        add_product(context, args.grad_projection.f32(), grads, width, rows, depth, count);
    }
}

} // namespace clip::cpu
