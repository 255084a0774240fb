// SPDX-License-Identifier: MIT
// Gradients of attention: with p = exp(scale q k^T - log_sum_exp) and delta = grad_y . y,
//
//   g = p (grad_y v^T - delta),  grad_q = scale g k,  grad_k = scale g^T q,  grad_v = p^T grad_y
//
// Three kernels, none of which adds to what another block wrote, so that the bits are the same in
// every run:
//   delta      a warp a (query, head); for float32 by tensor cores, exactly as grad_y v^T is made,
//              so that a query that sees one key (y = v) gives 0 and not what rounding leaves
//   by queries a block has 64 queries of a sequence and head and goes through its keys: grad_q
//   by keys    a block has 64 keys and goes through the queries that see them: grad_k, grad_v
// The weights are made twice, which costs 7 products where 5 would do, and no atomic addition.
//
// Variants: tiles for heads up to 64 and up to 128 wide. What has 16 bits in memory is multiplied
// so; of float32 products run in CudaOptions::compute (f32 by three of TF32, f16 or bf16 rounded as
// tiles are loaded). Wider heads go by a warp a row (attention_backward_rows.hpp), in float32
// whatever is asked for.
//
// Cost: reads q, k, v twice, grad_y three times, y once, writes three gradients: 26 K bytes a token
// and head in 16 bits, 52 K in float32; 14 K FLOP a query, key and head, half of it under a causal
// mask. A layer at batch 256, by memory or, for L/14 in float32, by products; not measured:
//                                      16 bits, A100    H100   float32, A100   H100
//   ViT-B/32   0.26 GB,   7 GFLOP            0.16 ms 0.08 ms         0.4 ms  0.2 ms
//   ViT-L/14   1.8 GB,  242 GFLOP             1.3 ms  0.7 ms           9 ms    5 ms
//
// Source: Dao et al. 2022 (arXiv:2205.14135) appendix B.4; Dao 2023 (arXiv:2307.08691) alg. 2.
#include <algorithm>

#include "backend/cuda/attention_backward_rows.hpp"
#include "backend/cuda/attention_delta.hpp"
#include "backend/cuda/attention_fragments.hpp"
#include "backend/cuda/attention_plan.hpp"
#include "backend/cuda/attention_tiles.hpp"
#include "backend/cuda/cuda_backend.hpp"
#include "backend/cuda/dtype_switch.hpp"

namespace clip::cuda {

namespace {

/// What a tile kernel is compiled for: T is what products run in.
template <typename T, int Width, bool ByKeys>
struct BackwardConfig {
    static constexpr bool kHalf = sizeof(T) == 2;
    static constexpr int kRows = kAttentionThreads / 2; ///< 16 a warp
    static constexpr int kOthers = kHalf         ? 64
                                   : Width == 64 ? 32
                                                 : 16; ///< of the other side, a step
    /// Of these, what a warp multiplies at once: as many as registers hold on every architecture.
    static constexpr int kGroup = kOthers < 32 || (ByKeys && !kHalf) ? 16 : 32;
    static constexpr int kStride = Width + Products<T>::kPadding;
    static constexpr int kRowBytes = kRows * kStride * static_cast<int>(sizeof(T));
    static constexpr int kOtherBytes = kOthers * kStride * static_cast<int>(sizeof(T));
    static constexpr int kBlocks = kHalf && Width == 64 && !ByKeys ? 3 : 2; ///< on an SM
    /// Both matrices of the rows, both of the others, log_sum_exp and delta of the others.
    static constexpr int kSharedBytes =
        2 * kRowBytes + 2 * kOtherBytes + 2 * kOthers * static_cast<int>(sizeof(float));
};

/// Writes the warp's rows of a gradient, times `factor`.
template <int Width, typename To>
CLIP_DEVICE void write_gradient(Global<To> to, // column 0 of the head in the warp's first row
                                std::int64_t stride, int width, bool aligned, int rows,
                                float factor, const float (&sums)[Width / 8][4]) {
    CLIP_UNROLL
    for (int r = 0; r < 2; ++r) {
        const int row = r * 8 + lane() / 4;
        if (row >= rows)
            continue;
        CLIP_UNROLL
        for (int n = 0; n < Width / 8; ++n) {
            const int column = n * 8 + lane() % 4 * 2;
            const Global<To> at = to + (row * stride + column);
            const float low = sums[n][2 * r] * factor, high = sums[n][2 * r + 1] * factor;
            if (aligned && column + 1 < width) {
                store(at, Vec<To, 2>{from_float<To>(low), from_float<To>(high)});
            } else {
                if (column < width)
                    at[0] = from_float<To>(low);
                if (column + 1 < width)
                    at[1] = from_float<To>(high);
            }
        }
    }
}

/// One block a (tile of 64 rows, head), heads the faster; a warp has 16 rows and their gradients to
/// itself. By keys rows are keys, and scores (key, query); by queries they are (query, key).
///
/// Grid: x tiles * heads. Shared: kSharedBytes. Any alignment. Sums in float32; the bits depend on
/// the sequence only.
template <typename T, typename From, int Width, bool ByKeys>
static CLIP_KERNEL(
    kAttentionThreads,
    (BackwardConfig<T, Width, ByKeys>::
         kBlocks)) void attention_backward_tile_kernel(BackwardSides<From> p,
                                                       Global<const AttentionTile> tiles) {
    using C = BackwardConfig<T, Width, ByKeys>;
    using P = Products<T>;
    constexpr int kSteps = Width / 16;
    const AttentionTile tile = tiles[block_x() / p.heads];
    const int head = block_x() % p.heads;
    const std::int64_t column = std::int64_t{head} * p.width;
    const std::int64_t row0 = ByKeys ? tile.k_row : tile.q_row;
    const std::int64_t other0 = ByKeys ? tile.q_row : tile.k_row;
    const int rows = ByKeys ? tile.keys : tile.queries;
    const int others = ByKeys ? tile.queries : tile.keys;
    const auto head_rows = [&](Global<const From> at, std::int64_t first, std::int64_t stride) {
        return HeadRows<From>{at + (first * stride + column), stride, p.width, p.aligned};
    };
    const HeadRows<From> other_first = head_rows(p.other_first, other0, p.other_first_stride);
    const HeadRows<From> other_second = head_rows(p.other_second, other0, p.other_second_stride);

    // Key i is seen by query j where i <= j + past.
    const int past = tile.keys - tile.queries;
    const int first_row = tile.first + warp() * 16;
    const int last_row = min(first_row + 16, rows) - 1;
    const int tile_end = min(tile.first + C::kRows, rows);
    // The others [begin, end) that any row of the tile needs, and those that the warp needs.
    int begin = 0, end = others, warp_begin = 0, warp_end = last_row < first_row ? 0 : others;
    // All rows of the warp need [all_begin, all_end).
    int all_begin = 0, all_end = others;
    if (p.causal && ByKeys) {
        begin = max(0, tile.first - past);
        warp_begin = max(0, first_row - past);
        all_begin = max(0, last_row - past);
    } else if (p.causal) {
        end = min(others, tile_end + past);
        warp_end = last_row < first_row ? 0 : min(others, last_row + 1 + past);
        all_end = min(others, first_row + 1 + past);
    }
    if (last_row - first_row < 15) // rows that are not there have weight 0
        all_end = 0;

    const Shared<T> own_first = shared_memory<T>(0), own_second = shared_memory<T>(C::kRowBytes);
    const Shared<T> step_first = shared_memory<T>(2 * C::kRowBytes);
    const Shared<T> step_second = shared_memory<T>(2 * C::kRowBytes + C::kOtherBytes);
    const Shared<float> step_log = shared_memory<float>(2 * C::kRowBytes + 2 * C::kOtherBytes);
    const Shared<float> step_delta = step_log + C::kOthers;
    load_tile<C::kRows, Width, C::kStride>(own_first, head_rows(p.first, row0, p.first_stride),
                                           tile.first, rows);
    load_tile<C::kRows, Width, C::kStride>(own_second, head_rows(p.second, row0, p.second_stride),
                                           tile.first, rows);
    const Shared<T> warp_first = own_first + warp() * 16 * C::kStride;
    const Shared<T> warp_second = own_second + warp() * 16 * C::kStride;

    // By queries: of rows group and group + 8.
    float log_sum_exp[2] = {0, 0}, delta[2] = {0, 0};
    if constexpr (!ByKeys) {
        CLIP_UNROLL
        for (int r = 0; r < 2; ++r) {
            const int row = first_row + r * 8 + lane() / 4;
            if (row < rows) {
                const std::int64_t at = (row0 + row) * p.heads + head;
                const float log = p.log_sum_exp[at];
                log_sum_exp[r] = log;
                delta[r] = p.delta[at];
            }
        }
    }

    float grad_first[Width / 8][4];
    float grad_second[ByKeys ? Width / 8 : 1][4];
    CLIP_UNROLL
    for (int n = 0; n < Width / 8; ++n)
        CLIP_UNROLL
    for (int e = 0; e < 4; ++e) {
        grad_first[n][e] = 0;
        if constexpr (ByKeys)
            grad_second[n][e] = 0;
    }

    for (int step = begin / C::kOthers * C::kOthers; step < end; step += C::kOthers) {
        load_tile<C::kOthers, Width, C::kStride>(step_first, other_first, step, others);
        load_tile<C::kOthers, Width, C::kStride>(step_second, other_second, step, others);
        if constexpr (ByKeys) {
            if (thread_x() < C::kOthers) {
                const int query = step + thread_x();
                float log = 0, of_delta = 0;
                if (query < others) {
                    const std::int64_t at = (other0 + query) * p.heads + head;
                    log = p.log_sum_exp[at];
                    of_delta = p.delta[at];
                }
                step_log[thread_x()] = log;
                step_delta[thread_x()] = of_delta;
            }
        }
        copy_async_commit();
        copy_async_wait<0>();
        block_barrier();
        for (int group = 0; group < C::kOthers; group += C::kGroup) {
            const int from = step + group; // the first of the group's others
            if (from >= warp_end || from + C::kGroup <= warp_begin)
                continue;
            // Scores and the gradients by the weights; then weights and the gradients by scores.
            float scores[C::kGroup / 8][4], grads[C::kGroup / 8][4];
            CLIP_UNROLL
            for (int n = 0; n < C::kGroup / 8; ++n)
                CLIP_UNROLL
            for (int e = 0; e < 4; ++e)
                scores[n][e] = grads[n][e] = 0;
            const auto add_products = [&](int s) {
                typename P::A a;
                P::load_a(a, warp_first + s * 16, C::kStride);
                CLIP_UNROLL
                for (int n = 0; n < C::kGroup / 16; ++n) {
                    typename P::B b;
                    P::load_b(b, step_first + ((group + n * 16) * C::kStride + s * 16), C::kStride);
                    P::multiply(scores[2 * n], scores[2 * n + 1], a, b);
                }
                P::load_a(a, warp_second + s * 16, C::kStride);
                CLIP_UNROLL
                for (int n = 0; n < C::kGroup / 16; ++n) {
                    typename P::B b;
                    P::load_b(b, step_second + ((group + n * 16) * C::kStride + s * 16),
                              C::kStride);
                    P::multiply(grads[2 * n], grads[2 * n + 1], a, b);
                }
            };
            if constexpr (C::kHalf && Width == 64) {
                CLIP_UNROLL
                for (int s = 0; s < kSteps; ++s)
                    add_products(s);
            } else { // not unrolled: the registers would not do
                for (int s = 0; s * 16 < p.width; ++s)
                    add_products(s);
            }
            const bool whole = from >= all_begin && from + C::kGroup <= all_end;
            CLIP_UNROLL
            for (int n = 0; n < C::kGroup / 8; ++n)
                CLIP_UNROLL
            for (int e = 0; e < 4; ++e) {
                const int in_group = n * 8 + lane() % 4 * 2 + e % 2;
                const int row = first_row + e / 2 * 8 + lane() / 4, other = from + in_group;
                float log = log_sum_exp[e / 2], of_delta = delta[e / 2];
                if constexpr (ByKeys) {
                    log = step_log[group + in_group];
                    of_delta = step_delta[group + in_group];
                }
                const float weight = exp2_fast(fma(scores[n][e], p.scale, -log) * kLog2E);
                const bool seen =
                    whole || (row < rows && other < others &&
                              (!p.causal || (ByKeys ? row <= other + past : other <= row + past)));
                scores[n][e] = seen ? weight : 0.0F;
                grads[n][e] = seen ? weight * (grads[n][e] - of_delta) : 0.0F;
            }
            CLIP_UNROLL
            for (int n = 0; n < C::kGroup / 16; ++n) {
                typename P::A weights, by_scores;
                P::from_sums(by_scores, grads[2 * n], grads[2 * n + 1]);
                if constexpr (ByKeys)
                    P::from_sums(weights, scores[2 * n], scores[2 * n + 1]);
                CLIP_UNROLL
                for (int s = 0; s < kSteps; ++s) {
                    if (Width > 64 && s * 16 >= p.width)
                        continue;
                    const int at = (group + n * 16) * C::kStride + s * 16;
                    typename P::B b;
                    P::load_b_transposed(b, step_first + at, C::kStride);
                    P::multiply(grad_first[2 * s], grad_first[2 * s + 1], by_scores, b);
                    if constexpr (ByKeys) {
                        P::load_b_transposed(b, step_second + at, C::kStride);
                        P::multiply(grad_second[2 * s], grad_second[2 * s + 1], weights, b);
                    }
                }
            }
        }
        block_barrier(); // before the next step's rows come
    }
    const std::int64_t to = (row0 + first_row) * p.grad_stride + column;
    const int own_rows = min(16, rows - first_row);
    write_gradient<Width>(p.grad_first + to, p.grad_stride, p.width, p.grad_aligned, own_rows,
                          p.scale, grad_first);
    if constexpr (ByKeys)
        write_gradient<Width>(p.grad_second + to, p.grad_stride, p.width, p.grad_aligned, own_rows,
                              1.0F, grad_second);
}

unsigned blocks_for_warps(std::int64_t warps) {
    constexpr int kWarps = kAttentionThreads / kWarpSize;
    return static_cast<unsigned>((warps + kWarps - 1) / kWarps);
}

/// Gradients of one side: its tiles, or its rows where heads are wide.
template <typename T, typename From, bool ByKeys>
void launch_side(Context& context, const BackwardSides<From>& sides, const AttentionPlan& plan) {
    const char* name = ByKeys ? "attention backward by keys" : "attention backward by queries";
    if (!plan.rows.empty()) {
        const auto count = static_cast<std::int64_t>(plan.rows.size());
        const auto pieces =
            static_cast<unsigned>((sides.width + kBackwardColumns - 1) / kBackwardColumns);
        context.launch(
            name, attention_backward_row_kernel<From, ByKeys>,
            {.grid = {blocks_for_warps(count * sides.heads), pieces}, .block = {kAttentionThreads}},
            sides, context.on_device(std::span<const AttentionRow>(plan.rows)), count);
    }
    if (plan.tiles.empty())
        return;
    const Global<const AttentionTile> tiles =
        context.on_device(std::span<const AttentionTile>(plan.tiles));
    const auto blocks =
        static_cast<unsigned>(plan.tiles.size()) * static_cast<unsigned>(sides.heads);
    const auto launch_tiles = [&]<int Width>() {
        using C = BackwardConfig<T, Width, ByKeys>;
        context.launch(name, attention_backward_tile_kernel<T, From, Width, ByKeys>,
                       {.grid = {blocks},
                        .block = {kAttentionThreads},
                        .shared_bytes = static_cast<std::size_t>(C::kSharedBytes)},
                       sides, tiles);
    };
    if (sides.width <= 64)
        launch_tiles.template operator()<64>();
    else
        launch_tiles.template operator()<128>();
}

bool multiple_of(const void* data, unsigned bytes) {
    return reinterpret_cast<std::uintptr_t>(data) % bytes == 0;
}

template <typename T, typename From>
void launch_delta(Context& context, float* delta, const AttentionBackwardArgs& args) {
    const std::int64_t pairs = args.q_offsets.back() * args.heads;
    const From* grad_y = args.grad_y.as<From>();
    const From* y = args.y.as<From>();
    const int width = args.head_width;
    [[maybe_unused]] const auto launch_tiles = [&]<int Width>() {
        using C = DeltaConfig<Width>;
        const bool aligned = multiple_of(grad_y, 16) && multiple_of(y, 16) && width % 8 == 0;
        context.launch("attention delta", attention_delta_tile_kernel<Width>,
                       {.grid = {static_cast<unsigned>((pairs + C::kRows - 1) / C::kRows)},
                        .block = {kAttentionThreads},
                        .shared_bytes = static_cast<std::size_t>(2 * C::kRowBytes)},
                       delta, grad_y, y, pairs, width, aligned);
    };
    const auto launch_warps = [&]<typename Rounded>() {
        context.launch("attention delta", attention_delta_kernel<Rounded, From>,
                       {.grid = {blocks_for_warps(pairs)}, .block = {kAttentionThreads}}, delta,
                       grad_y, y, pairs, width);
    };
    if constexpr (sizeof(T) == 2) {
        if (width > 128) // there everything is float32
            launch_warps.template operator()<float>();
        else
            launch_warps.template operator()<T>();
    } else {
        if (width > 128)
            launch_warps.template operator()<float>();
        else if (width > 64)
            launch_tiles.template operator()<128>();
        else
            launch_tiles.template operator()<64>();
    }
}

/// T is what products run in, From what lies in memory: float32, or T.
template <typename T, typename From>
void launch_attention_backward(Context& context, const AttentionBackwardArgs& args) {
    constexpr std::int64_t kAligned = 16 / sizeof(From);
    constexpr unsigned kPair = 2 * sizeof(From);
    const std::int64_t pairs = args.q_offsets.back() * args.heads;
    const std::int64_t width = std::int64_t{args.heads} * args.head_width;
    Workspace::Scope scope(context.workspace());
    float* delta = scope.take<float>(pairs);
    launch_delta<T, From>(context, delta, args);

    BackwardSides<From> by_queries{};
    by_queries.first = static_cast<const From*>(args.q);
    by_queries.second = args.grad_y.as<From>();
    by_queries.first_stride = args.q_stride;
    by_queries.second_stride = width;
    by_queries.other_first = static_cast<const From*>(args.k);
    by_queries.other_second = static_cast<const From*>(args.v);
    by_queries.other_first_stride = by_queries.other_second_stride = args.kv_stride;
    by_queries.grad_first = static_cast<From*>(args.grad_q);
    by_queries.grad_stride = args.grad_q_stride;
    by_queries.log_sum_exp = args.log_sum_exp.f32();
    by_queries.delta = delta;
    by_queries.heads = args.heads;
    by_queries.width = args.head_width;
    by_queries.causal = args.causal;
    by_queries.aligned = multiple_of(args.q, 16) && multiple_of(args.k, 16) &&
                         multiple_of(args.v, 16) && multiple_of(args.grad_y.data, 16) &&
                         args.q_stride % kAligned == 0 && args.kv_stride % kAligned == 0 &&
                         args.head_width % 8 == 0;
    by_queries.grad_aligned =
        multiple_of(args.grad_q, kPair) && args.grad_q_stride % 2 == 0 && args.head_width % 2 == 0;
    by_queries.scale = args.scale;

    BackwardSides<From> by_keys = by_queries;
    std::swap(by_keys.first, by_keys.other_first);
    std::swap(by_keys.second, by_keys.other_second);
    std::swap(by_keys.first_stride, by_keys.other_first_stride);
    std::swap(by_keys.second_stride, by_keys.other_second_stride);
    by_keys.grad_first = static_cast<From*>(args.grad_k);
    by_keys.grad_second = static_cast<From*>(args.grad_v);
    by_keys.grad_stride = args.grad_kv_stride;
    by_keys.grad_aligned = multiple_of(args.grad_k, kPair) && multiple_of(args.grad_v, kPair) &&
                           args.grad_kv_stride % 2 == 0 && args.head_width % 2 == 0;

    AttentionPlanOptions options;
    options.causal = args.causal;
    options.tile = args.head_width > 128 ? 0 : BackwardConfig<T, 64, false>::kRows;
    launch_side<T, From, false>(context, by_queries,
                                plan_attention(args.q_offsets, args.k_offsets, options));
    options.side = AttentionSide::keys;
    launch_side<T, From, true>(context, by_keys,
                               plan_attention(args.q_offsets, args.k_offsets, options));
}

} // namespace

void CudaBackend::attention_backward(const AttentionBackwardArgs& args) {
    if (args.dtype == DType::f16)
        launch_attention_backward<Half, Half>(context_, args);
    else if (args.dtype == DType::bf16)
        launch_attention_backward<BFloat16, BFloat16>(context_, args);
    else
        visit_layer_type(context_.options().compute, [&]<typename T>() {
            launch_attention_backward<T, float>(context_, args);
        });
}

} // namespace clip::cuda
