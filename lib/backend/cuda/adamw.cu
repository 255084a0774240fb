// SPDX-License-Identifier: MIT
// One step of AdamW on all parameters in one launch; and the sum of the squares of all gradients.
//
// The factors of a step are made on the host, in double. Products and sums are rounded one by one
// and never joined to fused ones, and the root and the quotients are IEEE's, so that parameters
// have the bits that every other backend gives them.
//
// Cost. Memory bound. AdamW reads 16 and writes 12 bytes an element, the sum reads 4. On 2.0 TB/s
// (A100) or 3.3 TB/s (H100): ViT-B/32 (151 M parameters) 4.2 GB, 2.1 or 1.3 ms, the sum 0.3 or 0.2
// ms; ViT-L/14 (428 M) 12 GB, 6.0 or 3.6 ms, the sum 0.9 or 0.5 ms. Sums are in double: half of
// float32's rate on these GPUs, and idle on the others' 1/64 for 2 ms with ViT-B/32.
//
// Source: Loshchilov & Hutter 2019, algorithm 2; backend/ref/adamw.hpp for the order of roundings.
#include "backend/cuda/cuda_backend.hpp"
#include "backend/cuda/parameter_table.hpp"
#include "backend/cuda/warp_reduce.hpp"
#include "backend/ref/adamw.hpp"

namespace clip::cuda {

namespace {

constexpr int kThreads = 256;
constexpr int kStep = kThreads * kQuad;
/// Elements of a block: four quads a thread, so that finding them costs little beside them.
constexpr std::int64_t kPiece = 4 * kStep;

using Factors = ref::AdamWFactors<float>;

/// ref::adamw(), for one element.
CLIP_DEVICE void step_element(float& weight, float grad, float& mean, float& square, float keep,
                              const Factors& by) {
    const float g = multiply_rounded(grad, by.grad_scale);
    mean = add_rounded(multiply_rounded(by.beta1, mean), multiply_rounded(by.one_minus_1, g));
    square = add_rounded(multiply_rounded(by.beta2, square),
                         multiply_rounded(multiply_rounded(by.one_minus_2, g), g));
    const float divisor = add_rounded(sqrt(square) / by.root_correction, by.eps);
    weight = add_rounded(multiply_rounded(weight, keep),
                         -multiply_rounded(by.step_size, mean / divisor));
}

template <bool kAligned>
CLIP_DEVICE void step_quad(const TableEntry& entry, std::int64_t first, float keep,
                           const Factors& by) {
    const std::int64_t count = entry.count;
    Quad weight = load_quad<kAligned>(Global<const float>(entry.weight), first, count);
    const Quad grad = load_quad<kAligned>(Global<const float>(entry.grad), first, count);
    Quad mean = load_quad<kAligned>(Global<const float>(entry.mean), first, count);
    Quad square = load_quad<kAligned>(Global<const float>(entry.square), first, count);
    for (int e = 0; e < kQuad; ++e)
        step_element(weight.at[e], grad.at[e], mean.at[e], square.at[e], keep, by);
    store_quad<kAligned>(Global<float>(entry.weight), first, count, weight);
    store_quad<kAligned>(Global<float>(entry.mean), first, count, mean);
    store_quad<kAligned>(Global<float>(entry.square), first, count, square);
}

// Grid: a block a piece. Thread t has the quads t, t + kThreads, ... of it; the last quad of a
// parameter may be part of one. No shared memory.
CLIP_KERNEL(kThreads, 4)
void adamw_kernel(ParameterTable table, Factors by, float keep_without_decay) {
    const std::int64_t piece = block_x();
    const TableEntry entry = entry_of(table, piece);
    const float keep = entry.decays != 0 ? by.keep : keep_without_decay;
    const std::int64_t begin = (piece - entry.first_piece) * kPiece;
    const std::int64_t end = min(begin + kPiece, entry.count);
    for (std::int64_t first = begin + thread_x() * kQuad; first < end; first += kStep)
        if (entry.aligned != 0 && first + kQuad <= end)
            step_quad<true>(entry, first, keep, by);
        else
            step_quad<false>(entry, first, keep, by);
}

// Grid: a block a piece of kSumPiece elements. Shared memory: a double a thread. Sums: a thread's
// elements in order, then a tree over threads.
CLIP_KERNEL(kThreads, 4)
void sum_of_squares_kernel(Global<double> sums, ParameterTable table) {
    const std::int64_t piece = block_x();
    const TableEntry entry = entry_of(table, piece);
    const Global<const float> grad(entry.grad);
    const std::int64_t begin = (piece - entry.first_piece) * kSumPiece;
    const std::int64_t end = min(begin + kSumPiece, entry.count);
    double sum = 0;
    for (std::int64_t first = begin + thread_x() * kQuad; first < end; first += kStep) {
        const Quad quad = entry.aligned != 0 && first + kQuad <= end
                              ? load_quad<true>(grad, first, end)
                              : load_quad<false>(grad, first, end);
        for (int e = 0; e < kQuad; ++e) {
            const double value = quad.at[e];
            sum += value * value;
        }
    }
    sum = block_sum_f64<kThreads>(sum, shared_memory<double>(0));
    if (thread_x() == 0)
        sums[piece] = sum;
}

} // namespace

void CudaBackend::adamw(const AdamWArgs& args) {
    const auto factors = [&](double decay) {
        return ref::adamw_factors<float>(args.learning_rate, args.beta1, args.beta2, args.eps,
                                         decay, static_cast<double>(args.grad_scale), args.step);
    };
    const ParameterTable table = parameter_table(context_, args.parameters, kPiece);
    context_.launch("adamw", adamw_kernel,
                    {.grid = {static_cast<unsigned>(table.pieces)}, .block = {kThreads}}, table,
                    factors(args.weight_decay), factors(0).keep);
}

double CudaBackend::sum_of_squares(const SumOfSquaresArgs& args) {
    const ParameterTable table = parameter_table(context_, args.parameters, kSumPiece);
    if (table.pieces == 0)
        return 0;
    Workspace::Scope scope(context_.workspace());
    double* sums = scope.take<double>(table.pieces);
    context_.launch("sum_of_squares", sum_of_squares_kernel,
                    {.grid = {static_cast<unsigned>(table.pieces)},
                     .block = {kThreads},
                     .shared_bytes = kThreads * sizeof(double)},
                    sums, table);
    std::vector<double> pieces(static_cast<std::size_t>(table.pieces));
    context_.transfer().download(pieces.data(), sums, pieces.size() * sizeof(double));
    double total = 0;
    for (const double piece : pieces)
        total += piece;
    return total;
}

} // namespace clip::cuda
