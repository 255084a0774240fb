// SPDX-License-Identifier: MIT
// Cross-entropy of rows of logits with sets of tokens, and its gradient by the logits in their
// place:
//
//   loss = log sum over v of exp(x[v] - m) - mean over tokens t of (x[t] - m),  m = max x
//   x[v] := weight (exp(x[v] - m) / sum - [v is a token] / tokens)
//
// and token_scores, which is -loss of every row with every set.
//
// A block takes a row. Maximum and sum are found in one pass: a thread's sum is held by the largest
// that it has seen, and shrunk where that grows (Milakov & Gimelshein 2018, arXiv:1805.02867). The
// gradient is a second pass. A warp sums up a set: captions have some ten tokens.
//
// Cost. Memory bound: 4 bytes a logit for the loss or scores, 12 with the gradient. Blocks of 1024
// rows of 49,408 logits 607 MB, 0.35 or 0.21 ms (A100, H100), beside products of 155 GFLOP at width
// 512, 0.71 or 0.26 ms in 16 bits.
#include <cmath>

#include "backend/cuda/cuda_backend.hpp"
#include "backend/cuda/row_grid.hpp"
#include "backend/cuda/warp_reduce.hpp"

namespace clip::cuda {

namespace {

constexpr float kMinusInfinity = -__builtin_huge_valf();
// 16 KiB of reads in flight on an SM for each that a thread has; with more blocks nvcc unrolls as
// far as before, and spills.
constexpr int kBlocks = 4;
constexpr std::size_t kSharedBytes = 2 * kBlockRowWarps * sizeof(float);

struct Sets {
    Global<const std::int32_t> ids;
    Global<const std::int64_t> offsets; // (sets + 1) into ids
};

/// exp(x - largest) is in `sum`, a row's or a thread's.
struct Exponentials {
    float largest = kMinusInfinity, sum = 0;
};

/// Of the quads of a row that this thread has. A NaN makes the sum NaN.
template <bool kAligned>
CLIP_DEVICE Exponentials of_thread(Global<const float> row, std::int64_t width) {
    Exponentials all;
    for (std::int64_t first = first_of_thread(); first < width; first += kBlockRowStep) {
        const Quad quad = load_quad<kAligned>(row, first, width);
        float largest = all.largest;
        for (int e = 0; e < kQuad; ++e)
            if (first + e < width)
                largest = max(largest, quad.at[e]);
        if (largest > all.largest) {
            all.sum = all.sum * exp(all.largest - largest);
            all.largest = largest;
        }
        // Where all so far is -infinity, so is its exponent.
        const float origin = largest == kMinusInfinity ? 0.0F : largest;
        for (int e = 0; e < kQuad; ++e)
            if (first + e < width)
                all.sum += exp(quad.at[e] - origin);
    }
    return all;
}

/// Of the block's row, in all threads. Shared memory: a float a warp for the maximum, and for the
/// sum. A row of -infinity alone has NaN as its sum, as one with +infinity has.
template <bool kAligned>
CLIP_DEVICE Exponentials of_row(Global<const float> row, std::int64_t width) {
    const Shared<float> scratch = shared_memory<float>(0);
    const Exponentials own = of_thread<kAligned>(row, width);
    Exponentials all;
    all.largest = block_max<kBlockRowWarps>(own.largest, scratch);
    all.sum = block_sum<kBlockRowWarps>(own.sum * exp(own.largest - all.largest),
                                        scratch + kBlockRowWarps);
    return all;
}

/// log p of a set of tokens, in all lanes of the warp that asks; there is one token at least.
CLIP_DEVICE float log_likelihood(Global<const float> row, const Exponentials& of, const Sets& sets,
                                 std::int64_t begin, std::int64_t end) {
    float sum = 0;
    for (std::int64_t t = begin + lane(); t < end; t += kWarpSize) {
        const std::int32_t token = sets.ids[t];
        const float logit = row[token];
        sum += logit - of.largest;
    }
    return warp_sum(sum) / static_cast<float>(end - begin) - log(of.sum);
}

// Grid: a block a row. Losses are float64 in memory only. The row's tokens are read before a
// barrier behind which the row is overwritten.
template <bool kAligned>
CLIP_KERNEL(kBlockRowThreads, kBlocks)
void token_loss_kernel(Global<double> losses,       // (rows)
                       Global<float> logits,        // (rows, width); becomes their gradient
                       Sets targets,                // rows of them
                       Global<const float> weights, // (rows), or null
                       std::int64_t width) {
    const std::int64_t row = block_x();
    const Global<float> x = logits + row * width;
    const std::int64_t begin = targets.offsets[row], end = targets.offsets[row + 1];
    const Exponentials all = of_row<kAligned>(x, width);
    if (warp() == 0) {
        const float loss = begin == end ? 0.0F : -log_likelihood(x, all, targets, begin, end);
        if (lane() == 0)
            losses[row] = static_cast<double>(loss);
    }
    if (weights == nullptr)
        return;
    const float given = weights[row];
    const float weight = begin == end ? 0.0F : given;
    const float share = weight / all.sum;
    block_barrier(); // warp 0 has read the tokens' logits
    for (std::int64_t first = first_of_thread(); first < width; first += kBlockRowStep) {
        Quad quad = load_quad<kAligned>(Global<const float>(x), first, width);
        for (int e = 0; e < kQuad; ++e)
            quad.at[e] = exp(quad.at[e] - all.largest) * share;
        store_quad<kAligned>(x, first, width, quad);
    }
    block_barrier(); // what is taken off is there
    for (std::int64_t t = begin + thread_x(); t < end; t += kBlockRowThreads) {
        const std::int32_t token = targets.ids[t];
        x[token] -= weight / static_cast<float>(end - begin);
    }
}

// Grid: a block a row, a warp a set of every eight. `of_nothing` is what an empty set has.
template <bool kAligned>
CLIP_KERNEL(kBlockRowThreads, kBlocks)
void token_scores_kernel(Global<float> scores,       // (rows, count)
                         Global<const float> logits, // (rows, width)
                         Sets sets, std::int64_t count, float of_nothing, std::int64_t width) {
    const std::int64_t row = block_x();
    const Global<const float> x = logits + row * width;
    const Exponentials all = of_row<kAligned>(x, width);
    for (std::int64_t c = warp(); c < count; c += kBlockRowWarps) {
        const std::int64_t begin = sets.offsets[c], end = sets.offsets[c + 1];
        const float score = begin == end ? of_nothing : log_likelihood(x, all, sets, begin, end);
        if (lane() == 0)
            scores[row * count + c] = score;
    }
}

Sets on_device(Context& context, const TokenSets& sets) {
    return {sets.ids.empty() ? nullptr : context.on_device(sets.ids),
            context.on_device(sets.offsets)};
}

} // namespace

void CudaBackend::token_loss(const TokenLossArgs& args) {
    const std::int64_t rows = args.logits.shape[0], width = args.logits.shape[1];
    const bool aligned = fits_quads(width, args.logits.f32());
    const float* weights = args.weights.empty() ? nullptr : context_.on_device(args.weights);
    context_.launch("token_loss", aligned ? token_loss_kernel<true> : token_loss_kernel<false>,
                    block_rows(rows, kSharedBytes), args.losses.as<double>(), args.logits.f32(),
                    on_device(context_, args.targets), weights, width);
}

void CudaBackend::token_scores(const TokenScoresArgs& args) {
    const std::int64_t rows = args.logits.shape[0], width = args.logits.shape[1];
    const bool aligned = fits_quads(width, args.logits.f32());
    const auto of_nothing = static_cast<float>(-std::log(static_cast<double>(width)));
    context_.launch("token_scores",
                    aligned ? token_scores_kernel<true> : token_scores_kernel<false>,
                    block_rows(rows, kSharedBytes), args.scores.f32(), args.logits.f32(),
                    on_device(context_, args.sets), args.sets.size(), of_nothing, width);
}

} // namespace clip::cuda
