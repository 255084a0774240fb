// SPDX-License-Identifier: MIT
// y = softmax(scale q k^T) v of every sequence and head, without a matrix of scores in memory.
//
// Variants:
//   tiles   a block has 64 queries of a sequence and head (128 where sequences are long), and goes
//           through the keys 64 at a time with a running maximum and sum a row: heads up to 128
//           wide. Products by tensor cores: of f16 and bf16 as they are, of f32 by three of TF32
//           (attention_fragments.hpp; CudaOptions::tf32 changes nothing here) or, in training with
//           another CudaOptions::compute, rounded to that. Two instances a type: for heads up to 64
//           and up to 128 wide.
//           On sm_90a, f16 and bf16 with heads of 64 or 128: attention_hopper.cu.
//   rows    a warp a query and head (attention_rows.hpp): sequences of one query, and wider heads.
//
// Cost: reads q, k, v once, writes y: 8 K bytes of 16 bits a token and head; 4 K FLOP a query, key
// and head, half of it under a causal mask. Keys of a sequence are read once a tile of queries,
// from L2. A layer at batch 256, by memory and by shared memory's bandwidth (16 rows a warp need
// 128 bytes a cycle of it, 32 rows half of that); not measured:
//                                                   16 bits, A100   H100   float32, A100   H100
//   ViT-B/32, 50 tokens, 12 heads    79 MB,  2 GFLOP       50 us   25 us         0.12 ms  60 us
//   ViT-L/14, 257 tokens, 16 heads  539 MB, 69 GFLOP     0.45 ms  0.3 ms            3 ms 1.5 ms
//   texts of 77 tokens, 8 heads      81 MB,  2 GFLOP       50 us   25 us         0.12 ms  60 us
//
// Numerics: weights are exp2(score scale log2(e) - maximum) in float32, rounded to the operands'
// type for the product with v; sums of a row are in float32, in an order that depends on the
// sequence alone. What a mask hides has weight 0, and a NaN in v of a hidden key can still reach
// queries whose tile of keys it is in.
//
// Source: Milakov & Gimelshein 2018 (arXiv:1805.02867) alg. 3; Dao 2023 (arXiv:2307.08691) alg. 1.
#include <algorithm>
#include <limits>
#include <type_traits>

#include "backend/cuda/attention_fragments.hpp"
#include "backend/cuda/attention_hopper.hpp"
#include "backend/cuda/attention_plan.hpp"
#include "backend/cuda/attention_rows.hpp"
#include "backend/cuda/attention_softmax.hpp"
#include "backend/cuda/attention_tiles.hpp"
#include "backend/cuda/cuda_backend.hpp"
#include "backend/cuda/dtype_switch.hpp"

namespace clip::cuda {

namespace {

/// From here on a warp takes 32 queries, which halves what it reads of k and v from shared memory.
/// Below, tiles of 64 fit the queries better.
constexpr std::int64_t kLongSequence = 192;

/// What a tile kernel is compiled for. Blocks an SM: what registers allow (sums of scores and of y,
/// and the queries' fragments), and the bytes in flight that memory wants.
template <typename T, int Width, int Tiles>
struct AttentionConfig {
    static constexpr bool kHalf = sizeof(T) == 2;
    static constexpr int kWidth = Width;                        ///< K at most
    static constexpr int kTiles = Tiles;                        ///< of 16 queries, a warp
    static constexpr int kRows = kAttentionThreads / 2 * Tiles; ///< queries of a block
    static constexpr int kKeys = kHalf ? 64 : Width == 64 ? 32 : 16;
    static constexpr int kStride = Width + Products<T>::kPadding;
    static constexpr bool kHoldsQueries = kHalf; ///< in registers
    static constexpr int kBlocks = Width > 64 || Tiles > 1 ? 2 : 3;
    /// Bytes of shared memory: queries, then one or two buffers of keys and of values.
    static constexpr int kTileBytes = kKeys * kStride * static_cast<int>(sizeof(T));
    static constexpr int kQueryBytes = kRows * kStride * static_cast<int>(sizeof(T));
    static constexpr int shared_bytes(int buffers) {
        return kQueryBytes + 2 * buffers * kTileBytes;
    }
};

/// T is the type of q, k and v in memory.
template <typename T>
struct AttentionParameters {
    Global<const AttentionTile> tiles; ///< blocks / heads
    Global<const T> q, k, v;
    std::int64_t q_stride, kv_stride;
    int heads, width;
    bool causal;
    bool aligned, y_aligned;   ///< as in AttentionRowsParameters
    float scale, scale_log2;   ///< of scores, in base e and 2
    LayerOutput y;             ///< (Rq, H*K)
    Global<float> log_sum_exp; ///< (Rq, H) or null
};

/// Writes the warp's rows of y and log_sum_exp. `staging` is the warp's own part of the tile of
/// queries, which is no longer needed: through it 16 bytes a lane can be written at once.
template <typename T, typename C, typename From>
CLIP_DEVICE void write_rows(const AttentionParameters<From>& p, const AttentionTile& tile, int head,
                            int first_row, Shared<T> staging, const SoftmaxState<C>& state) {
    const int group = lane() / 4, place = lane() % 4;
    const int rows = min(C::kTiles * 16, tile.queries - first_row);
    const Global<T> same = p.y.template as<T>();
    const bool staged = !(same == nullptr) && p.y_aligned;
    const std::int64_t row0 = tile.q_row + first_row;
    warp_barrier(); // the queries have been read
    CLIP_UNROLL
    for (int t = 0; t < C::kTiles; ++t)
        CLIP_UNROLL
    for (int r = 0; r < 2; ++r) {
        const int row = t * 16 + r * 8 + group;
        const std::int64_t at = (row0 + row) * p.heads + head;
        if (place == 0 && row < rows && !(p.log_sum_exp == nullptr))
            p.log_sum_exp[at] = fma(state.largest[t][r], p.scale, log(state.sum[t][r]));
        CLIP_UNROLL
        for (int n = 0; n < C::kWidth / 8; ++n) {
            const int column = n * 8 + 2 * place;
            const float low = state.y[t][n][2 * r], high = state.y[t][n][2 * r + 1];
            if (staged) {
                const Vec<T, 2> pair = {from_float<T>(low), from_float<T>(high)};
                store(staging + (row * C::kStride + column), pair);
            } else if (row < rows) {
                if (column < p.width)
                    p.y.put(at * p.width + column, low);
                if (column + 1 < p.width)
                    p.y.put(at * p.width + column + 1, high);
            }
        }
    }
    if (!staged)
        return;
    warp_barrier();
    constexpr int kChunk = 16 / sizeof(T), kChunks = C::kWidth / kChunk;
    for (int i = lane(); i < rows * kChunks; i += kWarpSize) {
        const int row = i / kChunks, column = i % kChunks * kChunk;
        if (column < p.width)
            store(same + (((row0 + row) * p.heads + head) * p.width + column),
                  load<kChunk>(staging + (row * C::kStride + column)));
    }
}

/// One block a (tile of queries, head), heads the faster; a warp has 16 * kTiles of the queries to
/// itself. Keys and values come kKeys at a time by asynchronous copies, those of the next step
/// while this one is computed, if there are two buffers (`buffers`; one is enough for a single
/// step).
///
/// Grid: x tiles * heads. Shared: C::shared_bytes(buffers). Any alignment. Sums in float32; the
/// bits of a row depend on its sequence only, not on the tile that it is in.
template <typename T, typename From, int Width, int Tiles>
static CLIP_KERNEL(
    kAttentionThreads,
    (AttentionConfig<T, Width,
                     Tiles>::kBlocks)) void attention_tile_kernel(AttentionParameters<From> p) {
    using C = AttentionConfig<T, Width, Tiles>;
    using P = Products<T>;
    constexpr int kSteps = Width / 16; // of 16 columns
    const AttentionTile tile = p.tiles[block_x() / p.heads];
    const int head = block_x() % p.heads;
    const std::int64_t column = std::int64_t{head} * p.width;
    const HeadRows<From> q = {p.q + (tile.q_row * p.q_stride + column), p.q_stride, p.width,
                              p.aligned};
    const HeadRows<From> k = {p.k + (tile.k_row * p.kv_stride + column), p.kv_stride, p.width,
                              p.aligned};
    const HeadRows<From> v = {p.v + (tile.k_row * p.kv_stride + column), p.kv_stride, p.width,
                              p.aligned};

    // Query j sees keys below j + past; all of them see `keys` at most.
    const int past = p.causal ? tile.keys - tile.queries + 1 : tile.keys;
    const int end = min(tile.first + C::kRows, tile.queries); // of the tile's queries
    const int needed = p.causal ? min(tile.keys, end - 1 + past) : tile.keys;
    const int steps = (needed + C::kKeys - 1) / C::kKeys;
    const int first_row = tile.first + warp() * 16 * Tiles; // the warp's
    const int last_row = min(first_row + 16 * Tiles, tile.queries) - 1;
    const int warp_needs = last_row < first_row ? 0
                           : p.causal           ? min(tile.keys, last_row + past)
                                                : tile.keys;
    const int all_see = p.causal ? min(tile.keys, first_row + past) : tile.keys;

    const Shared<T> q_tile = shared_memory<T>(0);
    const auto k_tile = [](int buffer) {
        return shared_memory<T>(C::kQueryBytes + 2 * buffer * C::kTileBytes);
    };
    const auto v_tile = [](int buffer) {
        return shared_memory<T>(C::kQueryBytes + (2 * buffer + 1) * C::kTileBytes);
    };
    load_tile<C::kRows, Width, C::kStride>(q_tile, q, tile.first, tile.queries);
    load_tile<C::kKeys, Width, C::kStride>(k_tile(0), k, 0, tile.keys);
    load_tile<C::kKeys, Width, C::kStride>(v_tile(0), v, 0, tile.keys);
    copy_async_commit();
    copy_async_wait<0>();
    block_barrier();

    const Shared<T> own = q_tile + warp() * 16 * Tiles * C::kStride;
    typename P::A queries[C::kHoldsQueries ? kSteps : 1][Tiles];
    const auto load_queries = [&](typename P::A(&to)[Tiles], int s) {
        CLIP_UNROLL
        for (int t = 0; t < Tiles; ++t)
            P::load_a(to[t], own + (t * 16 * C::kStride + s * 16), C::kStride);
    };
    if constexpr (C::kHoldsQueries) {
        CLIP_UNROLL
        for (int s = 0; s < kSteps; ++s)
            load_queries(queries[s], s);
    }
    SoftmaxState<C> state;
    state.clear();

    for (int step = 0;;) {
        if (step + 1 < steps) { // into the buffer that all warps have left
            const int next = (step + 1) % 2, first = (step + 1) * C::kKeys;
            load_tile<C::kKeys, Width, C::kStride>(k_tile(next), k, first, tile.keys);
            load_tile<C::kKeys, Width, C::kStride>(v_tile(next), v, first, tile.keys);
            copy_async_commit();
        }
        const int key0 = step * C::kKeys;
        // Groups of 16 keys that the warp needs of these.
        const int groups = min((warp_needs - key0 + 15) / 16, C::kKeys / 16);
        if (groups > 0) {
            float scores[Tiles][C::kKeys / 8][4];
            CLIP_UNROLL
            for (int t = 0; t < Tiles; ++t)
                CLIP_UNROLL
            for (int n = 0; n < C::kKeys / 8; ++n)
                CLIP_UNROLL
            for (int e = 0; e < 4; ++e)
                scores[t][n][e] = n / 2 < groups ? 0.0F : kMinusInfinity;
            const auto add_products = [&](const typename P::A(&a)[Tiles], int g, int s) {
                typename P::B keys;
                P::load_b(keys, k_tile(step % 2) + (g * 16 * C::kStride + s * 16), C::kStride);
                CLIP_UNROLL
                for (int t = 0; t < Tiles; ++t)
                    P::multiply(scores[t][2 * g], scores[t][2 * g + 1], a[t], keys);
            };
            if constexpr (C::kHoldsQueries) {
                CLIP_UNROLL
                for (int g = 0; g < C::kKeys / 16; ++g)
                    if (g < groups) {
                        CLIP_UNROLL
                        for (int s = 0; s < kSteps; ++s)
                            if (Width == 64 || s * 16 < p.width)
                                add_products(queries[s], g, s);
                    }
            } else {
                CLIP_UNROLL
                for (int s = 0; s < kSteps; ++s)
                    if (Width == 64 || s * 16 < p.width) {
                        load_queries(queries[0], s);
                        CLIP_UNROLL
                        for (int g = 0; g < C::kKeys / 16; ++g)
                            if (g < groups)
                                add_products(queries[0], g, s);
                    }
            }
            if (key0 + groups * 16 > all_see) { // a mask, or the end of the sequence
                CLIP_UNROLL
                for (int t = 0; t < Tiles; ++t)
                    CLIP_UNROLL
                for (int n = 0; n < C::kKeys / 8; ++n)
                    CLIP_UNROLL
                for (int e = 0; e < 4; ++e) {
                    const int row = first_row + t * 16 + e / 2 * 8 + lane() / 4;
                    const int key = key0 + n * 8 + lane() % 4 * 2 + e % 2;
                    if (key >= tile.keys || (p.causal && key >= row + past))
                        scores[t][n][e] = kMinusInfinity;
                }
            }
            state.weigh(scores, p.scale_log2);
            CLIP_UNROLL
            for (int g = 0; g < C::kKeys / 16; ++g) {
                if (g < groups) {
                    typename P::A weights[Tiles];
                    CLIP_UNROLL
                    for (int t = 0; t < Tiles; ++t)
                        P::from_sums(weights[t], scores[t][2 * g], scores[t][2 * g + 1]);
                    CLIP_UNROLL
                    for (int n = 0; n < kSteps; ++n) {
                        if (Width > 64 && n * 16 >= p.width)
                            continue;
                        typename P::B values;
                        P::load_b_transposed(
                            values, v_tile(step % 2) + (g * 16 * C::kStride + n * 16), C::kStride);
                        CLIP_UNROLL
                        for (int t = 0; t < Tiles; ++t)
                            P::multiply(state.y[t][2 * n], state.y[t][2 * n + 1], weights[t],
                                        values);
                    }
                }
            }
        }
        if (++step == steps)
            break;
        copy_async_wait<0>();
        block_barrier();
    }
    if (warp_needs > 0) {
        state.finish();
        write_rows<T, C>(p, tile, head, first_row, own, state);
    }
}

LayerOutput layer_output(const MutView& y) {
    LayerOutput output;
    if (y.dtype == DType::f16)
        output.f16 = y.as<Half>();
    else if (y.dtype == DType::bf16)
        output.bf16 = y.as<BFloat16>();
    else
        output.f32 = y.f32();
    return output;
}

bool starts_at_16_bytes(const void* data) {
    return reinterpret_cast<std::uintptr_t>(data) % 16 == 0;
}

template <typename T, int Width, int Tiles, typename From>
void launch_tiles(Context& context, const AttentionParameters<From>& parameters,
                  const AttentionPlan& plan) {
    using C = AttentionConfig<T, Width, Tiles>;
    const auto blocks =
        static_cast<unsigned>(plan.tiles.size()) * static_cast<unsigned>(parameters.heads);
    const int buffers = plan.most_others > C::kKeys ? 2 : 1;
    context.launch("attention", attention_tile_kernel<T, From, Width, Tiles>,
                   {.grid = {blocks},
                    .block = {kAttentionThreads},
                    .shared_bytes = static_cast<std::size_t>(C::shared_bytes(buffers))},
                   parameters);
}

template <typename T, int Each>
void launch_rows(Context& context, const AttentionRowsParameters<T>& parameters) {
    constexpr int kWarps = kAttentionThreads / kWarpSize;
    const auto blocks =
        static_cast<unsigned>((parameters.count * parameters.heads + kWarps - 1) / kWarps);
    const auto pieces =
        static_cast<unsigned>((parameters.width + kRowLanes * Each - 1) / (kRowLanes * Each));
    context.launch("attention of rows", attention_row_kernel<T, Each>,
                   {.grid = {blocks, pieces}, .block = {kAttentionThreads}}, parameters);
}

template <typename T>
void launch_attention(Context& context, const AttentionArgs& args) {
    constexpr int kAligned = 16 / sizeof(T);
    // Float32 is what training has between layers, whatever its products run in.
    const DType compute = args.dtype == DType::f32 ? context.options().compute : args.dtype;
    std::int64_t longest = 0;
    for (std::size_t n = 1; n < args.q_offsets.size(); ++n)
        longest = std::max(longest, args.q_offsets[n] - args.q_offsets[n - 1]);
    const bool hopper = takes_attention_hopper(context, args);
    const bool tall =
        sizeof(T) == 2 && args.head_width <= 64 && longest >= kLongSequence && !hopper;

    AttentionPlanOptions options;
    options.causal = args.causal;
    options.tile = args.head_width > 128 ? 0 : tall ? 128 : 64;
    options.single_rows = true;
    const AttentionPlan plan = plan_attention(args.q_offsets, args.k_offsets, options);

    AttentionParameters<T> tiles;
    tiles.q = static_cast<const T*>(args.q);
    tiles.k = static_cast<const T*>(args.k);
    tiles.v = static_cast<const T*>(args.v);
    tiles.q_stride = args.q_stride;
    tiles.kv_stride = args.kv_stride;
    tiles.heads = args.heads;
    tiles.width = args.head_width;
    tiles.causal = args.causal;
    tiles.aligned = starts_at_16_bytes(args.q) && starts_at_16_bytes(args.k) &&
                    starts_at_16_bytes(args.v) && args.q_stride % kAligned == 0 &&
                    args.kv_stride % kAligned == 0 && args.head_width % 8 == 0;
    tiles.y_aligned = starts_at_16_bytes(args.y.data) && args.head_width % 8 == 0;
    tiles.scale = args.scale;
    // Never 0: a hidden key's score is -infinity, and must stay so.
    tiles.scale_log2 = std::max(args.scale * kLog2E, std::numeric_limits<float>::min());
    tiles.y = layer_output(args.y);
    tiles.log_sum_exp = args.log_sum_exp.f32();

    if (hopper) {
        launch_attention_hopper(context, args, plan);
    } else if (!plan.tiles.empty()) {
        tiles.tiles = context.on_device(std::span<const AttentionTile>(plan.tiles));
        visit_layer_type(compute, [&]<typename Compute>() {
            constexpr bool kRounds = std::is_same_v<T, float>;
            if constexpr (sizeof(T) == 2 && std::is_same_v<T, Compute>) {
                if (tall)
                    return launch_tiles<Compute, 64, 2>(context, tiles, plan);
            }
            if constexpr (kRounds || std::is_same_v<T, Compute>) {
                if (args.head_width <= 64)
                    launch_tiles<Compute, 64, 1>(context, tiles, plan);
                else
                    launch_tiles<Compute, 128, 1>(context, tiles, plan);
            }
        });
    }
    if (!plan.rows.empty()) {
        const AttentionRowsParameters<T> rows = {
            context.on_device(std::span<const AttentionRow>(plan.rows)),
            tiles.q,
            tiles.k,
            tiles.v,
            tiles.q_stride,
            tiles.kv_stride,
            static_cast<std::int64_t>(plan.rows.size()),
            tiles.heads,
            tiles.width,
            tiles.aligned,
            tiles.y_aligned,
            tiles.scale,
            tiles.scale_log2,
            tiles.y,
            tiles.log_sum_exp};
        if (args.head_width <= 64)
            launch_rows<T, 8>(context, rows);
        else if (args.head_width <= 128)
            launch_rows<T, 16>(context, rows);
        else
            launch_rows<T, 32>(context, rows);
    }
}

} // namespace

void CudaBackend::attention(const AttentionArgs& args) {
    visit_layer_type(args.dtype, [&]<typename T>() { launch_attention<T>(context_, args); });
}

} // namespace clip::cuda
