// SPDX-License-Identifier: MIT
// Ops that move, convert and add up elements, with little or no arithmetic of their own.
#include <algorithm>
#include <vector>

#include "backend/ref/channels_last.hpp"
#include "backend/ref/gather_rows.hpp"
#include "backend/ref/preprocess.hpp"
#include "backend/ref/ref_backend.hpp"
#include "backend/ref/similarity_top_k.hpp"
#include "backend/ref/sum_of_squares.hpp"

namespace clip {

namespace {
constexpr std::size_t kElementsOfPart = std::size_t{1} << 16;
} // namespace

void RefBackend::scatter_add_rows(const ScatterAddRowsArgs& args) {
    ref::scatter_add_rows(args.y.f32(), args.x.f32(), args.rows.data(), args.x.shape[0],
                          args.x.shape[1]);
}

void RefBackend::channels_last(const ChannelsLastArgs& args) {
    const std::int64_t channels = args.x.shape[1], places = args.x.shape[2] * args.x.shape[3];
    for_each(args.x.shape[0], [&](std::int64_t n) {
        const std::int64_t offset = n * channels * places;
        ref::channels_last(args.y.f32() + offset, args.x.f32() + offset, channels, places);
    });
}

void RefBackend::convert(const ConvertArgs& args) {
    const auto count = static_cast<std::size_t>(args.x.numel());
    pool_.parallel_for(count, kElementsOfPart, [&](std::size_t begin, std::size_t end) {
        std::vector<float> part(end - begin);
        const auto first = static_cast<std::int64_t>(begin);
        const Shape shape{static_cast<std::int64_t>(end - begin)};
        convert_to_f32(part.data(), part_of(args.x, first, shape).data, args.x.dtype, part.size());
        convert_from_f32(part_of(args.y, first, shape).data, args.y.dtype, part.data(),
                         part.size());
    });
}

void RefBackend::preprocess(const PreprocessArgs& args) {
    const std::int64_t each = args.y.numel() / args.y.shape[0];
    pool_.parallel_for(args.pictures.size(), 1, [&](std::size_t begin, std::size_t end) {
        for (const SourcePicture& picture : args.pictures.subspan(begin, end - begin))
            ref::preprocess(args.y.f32() + picture.to * each, picture, args.mean, args.std);
    });
}

void RefBackend::similarity_top_k(const SimilarityTopKArgs& args) {
    ref::similarity_top_k(*this, args);
}

void RefBackend::add(const AddArgs& args) {
    const float* from = args.x.f32();
    float* to = args.y.f32();
    pool_.parallel_for(static_cast<std::size_t>(args.y.numel()), kElementsOfPart,
                       [&](std::size_t begin, std::size_t end) {
                           for (std::size_t i = begin; i < end; ++i)
                               to[i] += from[i];
                       });
}

void RefBackend::blend(const BlendArgs& args) {
    const float* from = args.x.f32();
    float* to = args.y.f32();
    pool_.parallel_for(static_cast<std::size_t>(args.y.numel()), kElementsOfPart,
                       [&](std::size_t begin, std::size_t end) {
                           for (std::size_t i = begin; i < end; ++i)
                               to[i] += args.amount * (from[i] - to[i]);
                       });
}

void RefBackend::transpose(const TransposeArgs& args) {
    const std::int64_t rows = args.x.shape[0], columns = args.x.shape[1];
    for_each(columns, [&](std::int64_t c) {
        const float* from = args.x.f32() + c;
        float* to = args.y.f32() + c * rows;
        for (std::int64_t r = 0; r < rows; ++r)
            to[r] = args.add ? to[r] + from[r * columns] : from[r * columns];
    });
}

void RefBackend::row_dots(const RowDotsArgs& args) {
    const std::int64_t width = args.x.shape[1];
    for_each(args.x.shape[0], [&](std::int64_t r) {
        const float* x = args.x.f32() + r * width;
        const float* y = args.y.f32() + r * width;
        double sum = 0;
        for (std::int64_t i = 0; i < width; ++i)
            sum += static_cast<double>(x[i]) * y[i];
        args.dots[static_cast<std::size_t>(r)] = sum;
    });
}

double RefBackend::sum_of_squares(const SumOfSquaresArgs& args) {
    struct Part {
        const float* grad;
        std::int64_t count;
    };
    std::vector<Part> parts;
    for (const AdamWParameter& parameter : args.parameters)
        for (std::int64_t first = 0; first < parameter.count; first += kSumPiece)
            parts.push_back({parameter.grad + first, std::min(kSumPiece, parameter.count - first)});
    std::vector<double> sums(parts.size());
    for_each(static_cast<std::int64_t>(parts.size()), [&](std::int64_t i) {
        const auto at = static_cast<std::size_t>(i);
        sums[at] = ref::sum_of_squares(parts[at].grad, parts[at].count);
    });
    double total = 0;
    for (const double sum : sums)
        total += sum;
    return total;
}

} // namespace clip
