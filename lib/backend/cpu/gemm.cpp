// SPDX-License-Identifier: MIT
// Loop order. A block of rows is packed into the scratch of the thread that works on it (it fits
// half of the second-level cache). Then for each panel of weights all register tiles of the block
// are made, while the next panel is fetched. So weights come from memory once a block, activations
// from the second-level cache once a panel. The inner index is not split: sums stay in registers,
// and slices of it were no faster (K = 3072).
#include "backend/cpu/gemm.hpp"

#include <algorithm>

#include <unistd.h>

namespace clip::cpu {

namespace {

constexpr std::int64_t kMostTilesOfBlock = 12;
constexpr std::int64_t kFewestRowsOfBlock = 56; // below, weights would stream too fast for memory
constexpr std::int64_t kPartsPerThread = 4;     // so that a thread that is held up holds up little
constexpr std::int64_t kPanelsOfPart = 24;
constexpr std::int64_t kBytesOfLine = 64;    // of the cache
constexpr std::int64_t kStepsOfPrefetch = 8; // what TileArgs::ahead_lines counts by

std::int64_t second_level_cache() {
#ifdef _SC_LEVEL2_CACHE_SIZE
    static const long bytes = ::sysconf(_SC_LEVEL2_CACHE_SIZE);
    if (bytes > 0)
        return std::clamp<std::int64_t>(bytes, std::int64_t{256} << 10, std::int64_t{4} << 20);
#endif
    return std::int64_t{512} << 10;
}

std::int64_t divide_up(std::int64_t x, std::int64_t unit) {
    return (x + unit - 1) / unit;
}

/// Cuts `count` into `parts` of sizes that differ by at most 1; where part `index` begins.
std::int64_t part_begin(std::int64_t count, std::int64_t parts, std::int64_t index) {
    return count * index / parts;
}

/// One call of run_gemm.
class Gemm {
  public:
    Gemm(Context& context, std::int64_t rows, const RowSource& source, const PackedPanels& weights,
         const GemmOutput& output)
        : context_(context), kernels_(context.kernels), rows_(rows), source_(source),
          weights_(weights), output_(output), call_(context.scratch.new_call()) {
        const auto threads = static_cast<std::int64_t>(context.pool.size());
        const std::int64_t row_bytes =
            std::max<std::int64_t>(1, weights.depth()) * std::int64_t{sizeof(float)};
        const std::int64_t most_rows =
            std::clamp<std::int64_t>(second_level_cache() / 2 / row_bytes, kernels_.max_rows,
                                     kMostTilesOfBlock * kernels_.max_rows);
        const std::int64_t parts = threads == 1 ? 1 : threads * kPartsPerThread;
        blocks_ = std::max(divide_up(rows, most_rows), std::min(parts, rows / kFewestRowsOfBlock));
        blocks_ = std::max<std::int64_t>(blocks_, 1);
        groups_ = std::max(divide_up(parts, blocks_), weights.panels() / kPanelsOfPart);
        if (threads == 1)
            groups_ = 1;
        // Pairs of panels stay together.
        groups_ = std::clamp<std::int64_t>(groups_, 1, divide_up(weights.panels(), 2));
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
    /// Rows that are packed and worked on together.
    struct Block {
        std::int64_t first, rows, tiles;
        float* packed;
    };
    /// Where the rows of a tile go.
    struct Target {
        float* y[kMostRows];
        const float* residual[kMostRows];
        float* save[kMostRows];
    };

    void run_part(ThreadScratch& scratch, std::int64_t part) {
        const std::int64_t index = part / groups_;
        const std::int64_t group = part % groups_;
        Block block;
        block.first = part_begin(rows_, blocks_, index);
        block.rows = part_begin(rows_, blocks_, index + 1) - block.first;
        block.tiles = divide_up(block.rows, kernels_.max_rows);
        block.packed = scratch.floats(ThreadScratch::rows, block.rows * weights_.depth() + kLanes);
        if (!scratch.holds(call_, index))
            pack(scratch, block);
        const std::int64_t pairs = divide_up(weights_.panels(), 2);
        const std::int64_t end =
            std::min(weights_.panels(), 2 * part_begin(pairs, groups_, group + 1));
        for (std::int64_t panel = 2 * part_begin(pairs, groups_, group); panel < end;) {
            const int panels = block.rows <= kernels_.pair_rows && panel + 1 < end ? 2 : 1;
            run_panels(scratch, block, panel, panels);
            panel += panels;
        }
    }

    void pack(ThreadScratch& scratch, const Block& block) const {
        for (std::int64_t tile = 0; tile < block.tiles; ++tile) {
            const std::int64_t row = part_begin(block.rows, block.tiles, tile);
            const std::int64_t next = part_begin(block.rows, block.tiles, tile + 1);
            source_.pack(kernels_, scratch, block.first + row, static_cast<int>(next - row),
                         block.packed + row * weights_.depth());
        }
    }

    /// All tiles of a block with one panel or two.
    void run_panels(ThreadScratch& scratch, const Block& block, std::int64_t panel,
                    int panels) const {
        alignas(64) float sums[kMostRows * 2 * kMostPanel];
        const std::int64_t depth = weights_.depth();
        const std::int64_t column = panel * kernels_.panel;
        TileArgs args;
        args.depth = depth;
        args.b = weights_.panel(panel);
        args.b_second = weights_.panel_bytes();
        args.c = sums;
        args.c_step = panels * kernels_.panel;
        Storage storage = weights_.storage();
        if (storage != Storage::f32 && block.tiles > 1) { // else the tile expands as it loads
            float* expanded = scratch.floats(ThreadScratch::panel, depth * kernels_.panel);
            kernels_.expand_panel(expanded, args.b, storage, depth);
            args.b = expanded;
            storage = Storage::f32;
        }
        // Each tile fetches its share of what comes next.
        const std::byte* next = nullptr;
        std::int64_t share = 0;
        if (depth > 0 && panel + 2 * panels <= weights_.panels()) {
            next = weights_.panel(panel + panels);
            args.ahead_lines = divide_up(panels * weights_.panel_bytes() * kStepsOfPrefetch,
                                         depth * kBytesOfLine * block.tiles);
            share = args.ahead_lines * kBytesOfLine * (depth / kStepsOfPrefetch);
        }
        for (std::int64_t tile = 0; tile < block.tiles; ++tile) {
            const std::int64_t row = part_begin(block.rows, block.tiles, tile);
            const int count = static_cast<int>(part_begin(block.rows, block.tiles, tile + 1) - row);
            args.a = block.packed + row * depth;
            args.a_step = count;
            args.ahead = next == nullptr ? nullptr : next + tile * share;
            const Target target = aim(block.first + row, count, column);
            (panels == 2 ? kernels_.tile_pair : kernels_.tile)(count, storage, args);
            finish(args, count, column, target);
        }
    }

    /// Where a tile's rows go, and asks for that memory: it arrives while the tile is computed.
    Target aim(std::int64_t row, int count, std::int64_t column) const {
        Target target;
        for (int r = 0; r < count; ++r) {
            const std::int64_t from = row + r;
            const std::int64_t group = output_.group;
            const std::int64_t to = group == 0 ? from : from + from / group + 1;
            const std::int64_t added = group == 0 ? from : from % group + 1;
            target.y[r] = output_.y + to * output_.y_step + column;
            __builtin_prefetch(target.y[r], 1);
            __builtin_prefetch(target.y[r] + kBytesOfLine / sizeof(float), 1);
            if (output_.residual != nullptr) {
                target.residual[r] = output_.residual + added * output_.y_step + column;
                __builtin_prefetch(target.residual[r]);
                __builtin_prefetch(target.residual[r] + kBytesOfLine / sizeof(float));
            }
            if (output_.save != nullptr)
                target.save[r] = output_.save + to * output_.y_step + column;
        }
        return target;
    }

    void finish(const TileArgs& tile, int count, std::int64_t column, const Target& target) const {
        FinishArgs args;
        args.sums = tile.c;
        args.sums_step = tile.c_step;
        args.rows = count;
        args.columns = static_cast<int>(std::min(tile.c_step, weights_.columns() - column));
        args.scale = weights_.scale(column);
        args.bias = weights_.bias(column);
        args.activation = output_.activation;
        args.activation_last = output_.activation_last;
        args.y = target.y;
        args.residual = output_.residual == nullptr ? nullptr : target.residual;
        args.save = output_.save == nullptr ? nullptr : target.save;
        (output_.backward ? kernels_.finish_backward : kernels_.finish)(args);
    }

    Context& context_;
    const KernelTable& kernels_;
    std::int64_t rows_;
    const RowSource& source_;
    const PackedPanels& weights_;
    const GemmOutput& output_;
    std::uint64_t call_;
    std::int64_t blocks_ = 1; ///< of rows
    std::int64_t groups_ = 1; ///< of panels
};

} // namespace

void DenseRows::pack(const KernelTable& kernels, ThreadScratch&, std::int64_t first, int count,
                     float* to) const {
    const float* rows[kMostRows];
    for (int r = 0; r < count; ++r)
        rows[r] = x_ + (first + r) * depth_;
    kernels.pack_rows(to, count, rows, count, depth_);
}

void run_gemm(Context& context, std::int64_t rows, const RowSource& source,
              const PackedPanels& weights, const GemmOutput& output) {
    if (rows > 0 && weights.columns() > 0)
        Gemm(context, rows, source, weights, output).run();
}

} // namespace clip::cpu
