// SPDX-License-Identifier: MIT
// Similarities: matmul on blocks of kRowBlock rows by kCandidates candidates, both filled up with
// zeros, so that a score depends neither on the other rows nor on the other candidates.
#include <algorithm>

#include "backend/onednn/backend_impl.hpp"

namespace clip::onednn {

namespace {

// A multiple of every gemm kernel's step (8, 16, 24 and 48), for the same reason as kRowBlock.
constexpr std::int64_t kCandidates = 48;

// `count` rows from `from`, filled up with zeros to `block` rows in `buffer` where they are fewer.
const float* whole_block(const float* from, std::int64_t count, std::int64_t block,
                         std::int64_t width, Workspace& work, std::size_t slot) {
    if (count == block)
        return from;
    float* padded = work.floats(slot, block * width);
    std::copy_n(from, count * width, padded);
    std::fill_n(padded + count * width, (block - count) * width, 0.0f);
    return padded;
}

} // namespace

void OneDnnBackend::similarity(const SimilarityArgs& args) {
    const std::int64_t rows = args.a.shape[0];
    const std::int64_t candidates = args.b.shape[0];
    const std::int64_t width = args.a.shape[1];
    const std::int64_t row_blocks = (rows + kRowBlock - 1) / kRowBlock;
    const std::int64_t panels = (candidates + kCandidates - 1) / kCandidates;
    translate_errors("similarity", [&] {
        const auto kernel = context_.kernel("similarity", {width}, [&] {
            return make_kernel<dnnl::matmul>(
                matmul_desc(context_.engine(), dense({kRowBlock, width}),
                            {{width, kCandidates}, dnnl::memory::data_type::f32, Dims{1, width}},
                            nullptr, dense({kRowBlock, kCandidates}), attributes()));
        });
        context_.for_each(row_blocks * panels, [&](Workspace& work, std::int64_t item) {
            const std::int64_t row = item / panels * kRowBlock;
            const std::int64_t candidate = item % panels * kCandidates;
            const std::int64_t row_count = std::min(kRowBlock, rows - row);
            const std::int64_t count = std::min(kCandidates, candidates - candidate);
            const float* a =
                whole_block(args.a.f32() + row * width, row_count, kRowBlock, width, work, 0);
            const float* b =
                whole_block(args.b.f32() + candidate * width, count, kCandidates, width, work, 1);
            float* sums = work.floats(2, kRowBlock * kCandidates);
            work.run(*kernel, {{DNNL_ARG_SRC, {kernel->src, a}},
                               {DNNL_ARG_WEIGHTS, {kernel->weights, b}},
                               {DNNL_ARG_DST, {kernel->dst, sums}}});
            for (std::int64_t r = 0; r < row_count; ++r)
                for (std::int64_t c = 0; c < count; ++c)
                    args.y.f32()[(row + r) * candidates + candidate + c] =
                        args.scale * sums[r * kCandidates + c];
        });
    });
}

} // namespace clip::onednn
