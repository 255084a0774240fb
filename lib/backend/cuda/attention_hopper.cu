// SPDX-License-Identifier: MIT
// y = softmax(scale q k^T) v as in attention.cu, for sm_90a: f16 and bf16, heads of 64 and 128.
//
// A block has 64 queries of a sequence and head: one warp brings them, and keys and values 64 at a
// time, by TMA; one warpgroup multiplies by wgmma, with a running maximum and sum a row. The
// weights go into the second product from the registers where they are made. While one block has
// its exponentials made, others of the SM (4 at a width of 64, 2 at 128) multiply.
//
// Tiles know nothing of sequences: behind the last key of one come the rows of the next. Their
// scores are hidden like those under a mask; their values, which 0 would not hide if they are not
// finite, are overwritten with zeros in shared memory, in a sequence's last step only.
//
// Cost: as in attention.cu; keys and values are read from L2 once a tile of queries, 64 FLOP a
// byte. Per layer at batch 256, 16 bits, expected from an H100's rates (3.35 TB/s of memory, 16
// exponentials a cycle and SM quarter), not measured:
//   ViT-B/32 (50 tokens, 12 heads)     79 MB,  12.6 GFLOP in whole tiles: 25 us (memory)
//   ViT-L/14 (257 tokens, 16 heads)   539 MB, 107 GFLOP in whole tiles: 0.2 ms (memory, and about
//   as much for the exponentials)
//
// Numerics: as in attention.cu, but for the order in which a tensor core adds 16 products.
//
// Source: Dao 2023 (arXiv:2307.08691) alg. 1; Shah et al. 2024 (arXiv:2407.08608) section 3.1 for
// warps that load and warps that multiply.
#include "backend/cuda/attention_hopper.hpp"

#include <algorithm>
#include <limits>

#include "backend/cuda/attention_fragments.hpp"
#include "backend/cuda/attention_tiles.hpp"
#include "backend/cuda/device_api_hopper.hpp"

namespace clip::cuda {

namespace {

constexpr int kKeys = 64;                 // a step
constexpr int kPanel = 64 * kTileColumns; // elements of a tile: 64 rows, half of a head of 128
constexpr int kPanelBytes = kPanel * 2;

template <int Width>
struct HopperHead {
    static constexpr int kWidth = Width, kPanels = kWidth / kTileColumns;
    static constexpr int kThreads = kWarpgroupSize + kWarpSize;
    static constexpr int kBlocksPerSm = Width == 64 ? 4 : 2;
    // Barriers, queries, then keys and values of each stage.
    static constexpr int kQueries = 1024, kRing = kQueries + kPanels * kPanelBytes;
    static constexpr int kStageBytes = 2 * kPanels * kPanelBytes;
    static constexpr int bytes(int stages) { return kRing + stages * kStageBytes; }
    static_assert(kBlocksPerSm * (bytes(2) + 1024) <= 228 * 1024);
};

struct HopperAttention {
    TensorMap q, k, v; ///< tiles of (64, 64)
    Global<const AttentionTile> tiles;
    int heads, stages;
    bool causal;
    bool staged;               ///< y is of the inputs' type, and aligned to 16 bytes
    float scale, scale_log2;   ///< of scores, in base e and 2
    LayerOutput y;             ///< (Rq, H*K)
    Global<float> log_sum_exp; ///< (Rq, H) or null
};

struct HopperBarriers {
    // Of each stage: keys (and, the first time, queries) are there; values are; both have been
    // read.
    Shared<Barrier> keys = shared_memory<Barrier>(0), values = keys + 2, empty = keys + 4;
};

/// What a block computes.
struct HopperBlock {
    AttentionTile tile;
    int head, past, steps;

    CLIP_DEVICE explicit HopperBlock(const HopperAttention& p)
        : tile(p.tiles[block_x() / p.heads]), head(block_x() % p.heads) {
        // Query j sees keys below j + past; all of them see `keys` at most.
        past = p.causal ? tile.keys - tile.queries + 1 : tile.keys;
        const int end = min(tile.first + kHopperQueries, tile.queries);
        const int needed = p.causal ? min(tile.keys, end - 1 + past) : tile.keys;
        steps = (needed + kKeys - 1) / kKeys;
    }
};

/// The warp that loads: one of its lanes.
template <typename T, typename Head>
CLIP_DEVICE void load_heads(const HopperAttention& p, const HopperBlock& block) {
    const HopperBarriers barriers;
    const int column = block.head * Head::kWidth;
    const auto load = [&](int at, const TensorMap& map, int row, Shared<Barrier> barrier) {
        for (int panel = 0; panel < Head::kPanels; ++panel)
            tma_load_2d(shared_memory<T>(at + panel * kPanelBytes), map,
                        column + panel * kTileColumns, row, barrier);
    };
    constexpr int kBytes = Head::kPanels * kPanelBytes;
    int stage = 0, round = 0;
    for (int step = 0; step < block.steps; ++step) {
        const int at = Head::kRing + stage * Head::kStageBytes;
        const int row = static_cast<int>(block.tile.k_row) + step * kKeys;
        barrier_wait(barriers.empty + stage, round + 1); // free in the first round
        barrier_arrive_expect(barriers.keys + stage, step == 0 ? 2 * kBytes : kBytes);
        if (step == 0)
            load(Head::kQueries, p.q, static_cast<int>(block.tile.q_row) + block.tile.first,
                 barriers.keys + stage);
        load(at, p.k, row, barriers.keys + stage);
        barrier_arrive_expect(barriers.values + stage, kBytes);
        load(at + kBytes, p.v, row, barriers.values + stage);
        if (++stage == p.stages) {
            stage = 0;
            ++round;
        }
    }
}

/// What a thread knows of its two rows after some of the keys. Sums are laid out as wgmma has them:
/// element 4 j + 2 r + i is column 8 j + 2 (lane % 4) + i of row r.
template <int Panels>
struct HopperSoftmax {
    float largest[2], sum[2];
    float y[Panels][32];

    CLIP_DEVICE void clear() {
        CLIP_UNROLL
        for (int r = 0; r < 2; ++r) {
            largest[r] = kMinusInfinity;
            sum[r] = 0;
        }
        CLIP_UNROLL
        for (int panel = 0; panel < Panels; ++panel)
            CLIP_UNROLL
        for (int i = 0; i < 32; ++i)
            y[panel][i] = 0;
    }

    /// Scores become weights, and everything so far fades to the new largest score.
    CLIP_DEVICE void weigh(float (&scores)[32], float scale_log2) {
        CLIP_UNROLL
        for (int r = 0; r < 2; ++r) {
            float next = largest[r];
            CLIP_UNROLL
            for (int j = 0; j < 8; ++j)
                next =
                    max_number(next, max_number(scores[4 * j + 2 * r], scores[4 * j + 2 * r + 1]));
            next = max_number(next, shuffle_xor(next, 1));
            next = max_number(next, shuffle_xor(next, 2));
            // Where there is no key yet: any finite number, so that weights are 0 and not NaN.
            const float base = next == kMinusInfinity ? 0.0F : next;
            const float fade = exp2_fast((largest[r] - base) * scale_log2);
            const float shift = -base * scale_log2;
            largest[r] = next;
            float part = 0;
            CLIP_UNROLL
            for (int j = 0; j < 8; ++j)
                CLIP_UNROLL
            for (int i = 4 * j + 2 * r; i < 4 * j + 2 * r + 2; ++i) {
                scores[i] = exp2_fast(fma(scores[i], scale_log2, shift));
                part += scores[i];
            }
            sum[r] = fma(sum[r], fade, part);
            CLIP_UNROLL
            for (int panel = 0; panel < Panels; ++panel)
                CLIP_UNROLL
            for (int j = 0; j < 8; ++j)
                CLIP_UNROLL
            for (int i = 4 * j + 2 * r; i < 4 * j + 2 * r + 2; ++i)
                y[panel][i] *= fade;
        }
    }

    /// The lanes of a row put their sums together, and y becomes the mean that it is.
    CLIP_DEVICE void finish() {
        CLIP_UNROLL
        for (int r = 0; r < 2; ++r) {
            sum[r] += shuffle_xor(sum[r], 1);
            sum[r] += shuffle_xor(sum[r], 2);
            const float factor = 1.0F / sum[r];
            CLIP_UNROLL
            for (int panel = 0; panel < Panels; ++panel)
                CLIP_UNROLL
            for (int j = 0; j < 8; ++j)
                CLIP_UNROLL
            for (int i = 4 * j + 2 * r; i < 4 * j + 2 * r + 2; ++i)
                y[panel][i] *= factor;
        }
    }
};

/// Writes the warpgroup's rows of y and log_sum_exp; where y is of type T, through the tile of
/// queries, which nobody reads any more, so that 16 bytes a lane are written at once.
template <typename T, typename Head>
CLIP_DEVICE void write_hopper(const HopperAttention& p, const HopperBlock& block,
                              const HopperSoftmax<Head::kPanels>& state) {
    const int group = lane() / 4, pair = lane() % 4 * 2, first = warp() * 16;
    const int rows = block.tile.queries - block.tile.first; // may be more than the block's
    const std::int64_t row0 = block.tile.q_row + block.tile.first;
    const auto element = [&](int row) {
        return ((row0 + row) * p.heads + block.head) * Head::kWidth;
    };
    CLIP_UNROLL
    for (int r = 0; r < 2; ++r) {
        const int row = first + r * 8 + group;
        if (pair == 0 && row < rows && !(p.log_sum_exp == nullptr))
            p.log_sum_exp[(row0 + row) * p.heads + block.head] =
                fma(state.largest[r], p.scale, log(state.sum[r]));
        CLIP_UNROLL
        for (int panel = 0; panel < Head::kPanels; ++panel)
            CLIP_UNROLL
        for (int j = 0; j < 8; ++j) {
            const float low = state.y[panel][4 * j + 2 * r];
            const float high = state.y[panel][4 * j + 2 * r + 1];
            const int column = 8 * j + pair;
            if (p.staged) {
                shared_memory<std::uint32_t>(Head::kQueries + panel * kPanelBytes +
                                             swizzled(row, column) * 2)[0] = pack<T>(low, high);
            } else if (row < rows) {
                p.y.put(element(row) + panel * kTileColumns + column, low);
                p.y.put(element(row) + panel * kTileColumns + column + 1, high);
            }
        }
    }
    if (!p.staged)
        return;
    warp_barrier(); // a warp reads what it has written itself
    const Global<T> y = p.y.template as<T>();
    for (int i = lane(); i < 16 * Head::kPanels * 8; i += kWarpSize) {
        const int row = first + i / (Head::kPanels * 8), panel = i / 8 % Head::kPanels;
        const int column = i % 8 * 8;
        if (row < rows)
            store(y + (element(row) + panel * kTileColumns + column),
                  load<8>(shared_memory<T>(Head::kQueries + panel * kPanelBytes) +
                          swizzled(row, column)));
    }
}

/// The warpgroup that multiplies.
template <typename T, typename Head>
CLIP_DEVICE void attend(const HopperAttention& p, const HopperBlock& block) {
    const HopperBarriers barriers;
    const int first_row = block.tile.first + warp() * 16 + lane() / 4;
    HopperSoftmax<Head::kPanels> state;
    state.clear();
    int stage = 0, round = 0;
    for (int step = 0; step < block.steps; ++step) {
        const int at = Head::kRing + stage * Head::kStageBytes, key0 = step * kKeys;
        const Shared<T> keys = shared_memory<T>(at);
        const Shared<T> values = keys + Head::kPanels * kPanel;
        float scores[32];
        CLIP_UNROLL
        for (int i = 0; i < 32; ++i)
            scores[i] = 0;
        barrier_wait(barriers.keys + stage, round);
        wgmma_fence(scores);
        CLIP_UNROLL
        for (int k = 0; k < Head::kWidth; k += 16) {
            const int panel = k / kTileColumns * kPanel;
            wgmma<T, kKeys>(
                scores, rows_operand(shared_memory<T>(Head::kQueries) + panel, k % kTileColumns),
                rows_operand(keys + panel, k % kTileColumns), true);
        }
        wgmma_commit();
        wgmma_wait<0>(scores);

        // Keys that some query of the tile does not see: behind the sequence, or under the mask.
        const int all_see =
            p.causal ? min(block.tile.keys, block.tile.first + block.past) : block.tile.keys;
        if (key0 + kKeys > all_see) {
            CLIP_UNROLL
            for (int i = 0; i < 32; ++i) {
                const int row = first_row + i / 2 % 2 * 8;
                const int key = key0 + i / 4 * 8 + lane() % 4 * 2 + i % 2;
                if (key >= block.tile.keys || (p.causal && key >= row + block.past))
                    scores[i] = kMinusInfinity;
            }
        }
        state.weigh(scores, p.scale_log2);
        std::uint32_t weights[kKeys / 16][4];
        CLIP_UNROLL
        for (int i = 0; i < kKeys / 16; ++i)
            CLIP_UNROLL
        for (int r = 0; r < 4; ++r) // rows, then columns 8 on, as two fragments of sums lie
            weights[i][r] = pack<T>(scores[8 * i + 2 * r], scores[8 * i + 2 * r + 1]);

        barrier_wait(barriers.values + stage, round);
        if (key0 + kKeys > block.tile.keys) {
            const int there = block.tile.keys - key0;
            for (int i = there * 8 + thread_x(); i < kKeys * 8; i += kWarpgroupSize)
                CLIP_UNROLL
            for (int panel = 0; panel < Head::kPanels; ++panel)
                store(values + (panel * kPanel + i * 8), Vec<T, 8>{});
            fence_proxy_async();
            named_barrier(1, kWarpgroupSize);
        }
        wgmma_fence(state.y, weights);
        CLIP_UNROLL
        for (int i = 0; i < kKeys / 16; ++i)
            CLIP_UNROLL
        for (int panel = 0; panel < Head::kPanels; ++panel)
            wgmma_registers<T>(state.y[panel], weights[i],
                               columns_operand(values + panel * kPanel, i * 16), true);
        wgmma_commit();
        wgmma_wait<0>(state.y, weights);
        if (lane() == 0)
            barrier_arrive(barriers.empty + stage);
        if (++stage == p.stages) {
            stage = 0;
            ++round;
        }
    }
    state.finish();
    named_barrier(1, kWarpgroupSize); // all have read the queries
    write_hopper<T, Head>(p, block, state);
}

/// One block a (tile of 64 queries, head), heads the faster; the last warp loads.
///
/// Grid: x tiles * heads. Shared: Head::bytes(stages), 1 or 2 stages, aligned to 1024. Sums in
/// float32; the bits of a row depend on its sequence only.
template <typename T, int Width>
static CLIP_KERNEL(
    (HopperHead<Width>::kThreads),
    (HopperHead<Width>::kBlocksPerSm)) void attention_hopper_kernel(const CLIP_GRID_CONSTANT
                                                                        HopperAttention p) {
    if constexpr (kHasHopper) {
        using Head = HopperHead<Width>;
        const HopperBarriers barriers;
        if (thread_x() == 0) {
            for (int stage = 0; stage < 2; ++stage) {
                barrier_init(barriers.keys + stage, 1);
                barrier_init(barriers.values + stage, 1);
                barrier_init(barriers.empty + stage, kWarpgroupSize / kWarpSize);
            }
            fence_barrier_init();
        }
        block_barrier();
        const HopperBlock block(p);
        if (warp() == kWarpgroupSize / kWarpSize) {
            if (lane() == 0)
                load_heads<T, Head>(p, block);
        } else {
            attend<T, Head>(p, block);
        }
    }
}

LayerOutput hopper_output(const MutView& y) {
    LayerOutput output;
    if (y.dtype == DType::f16)
        output.f16 = y.as<Half>();
    else if (y.dtype == DType::bf16)
        output.bf16 = y.as<BFloat16>();
    else
        output.f32 = y.f32();
    return output;
}

template <typename T, int Width>
void launch_width(Context& context, const AttentionArgs& args, const AttentionPlan& plan) {
    using Head = HopperHead<Width>;
    const std::int64_t width = std::int64_t{args.heads} * Width;
    const auto map = [&](const void* at, std::int64_t rows, std::int64_t stride) {
        return make_tensor_map_2d(at, args.dtype, rows, width, stride, 64);
    };
    HopperAttention p{};
    p.q = map(args.q, args.q_offsets.back(), args.q_stride);
    p.k = map(args.k, args.k_offsets.back(), args.kv_stride);
    p.v = map(args.v, args.k_offsets.back(), args.kv_stride);
    p.tiles = context.on_device(std::span<const AttentionTile>(plan.tiles));
    p.heads = args.heads;
    p.stages = plan.most_others > kKeys ? 2 : 1;
    p.causal = args.causal;
    p.staged = args.y.dtype == args.dtype && takes_tensor_map(args.y.data, width);
    p.scale = args.scale;
    // Never 0: a hidden key's score is -infinity, and must stay so.
    p.scale_log2 = std::max(args.scale * kLog2E, std::numeric_limits<float>::min());
    p.y = hopper_output(args.y);
    p.log_sum_exp = args.log_sum_exp.f32();
    const auto blocks =
        static_cast<unsigned>(plan.tiles.size()) * static_cast<unsigned>(args.heads);
    context.launch("attention", attention_hopper_kernel<T, Width>,
                   {.grid = {blocks},
                    .block = {Head::kThreads},
                    .shared_bytes = static_cast<std::size_t>(Head::bytes(p.stages))},
                   p);
}

} // namespace

bool takes_attention_hopper(const Context& context, const AttentionArgs& args) {
    constexpr std::int64_t kMostRows = (std::int64_t{1} << 31) - 256; // rows are TMA's coordinates
    return runs_hopper(context.properties().capability()) &&
           (args.dtype == DType::f16 || args.dtype == DType::bf16) &&
           (args.head_width == 64 || args.head_width == 128) &&
           takes_tensor_map(args.q, args.q_stride) && takes_tensor_map(args.k, args.kv_stride) &&
           takes_tensor_map(args.v, args.kv_stride) && args.q_offsets.back() < kMostRows &&
           args.k_offsets.back() < kMostRows;
}

void launch_attention_hopper(Context& context, const AttentionArgs& args,
                             const AttentionPlan& plan) {
    if (plan.tiles.empty())
        return;
    const bool half = args.dtype == DType::f16;
    if (args.head_width == 64)
        half ? launch_width<Half, 64>(context, args, plan)
             : launch_width<BFloat16, 64>(context, args, plan);
    else
        half ? launch_width<Half, 128>(context, args, plan)
             : launch_width<BFloat16, 128>(context, args, plan);
}

} // namespace clip::cuda
