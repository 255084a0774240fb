// SPDX-License-Identifier: MIT
#include <algorithm>

#include "backend/cpu/cpu_ops.hpp"

namespace clip::cpu {

namespace {
constexpr std::size_t kRowsOfPart = 64;
}

void exact_dots(Context& context, const ExactDotsArgs& args) {
    const std::int64_t width = args.rows.shape[1];
    const std::int64_t queries = args.queries.empty() ? 0 : args.queries.shape[0];
    const bool half = args.rows.dtype == DType::f16;
    const auto* rows = args.rows.as<std::byte>();
    const std::int64_t row_bytes = width * (half ? 2 : 4);
    const auto some = [&](std::size_t begin, std::size_t end) {
        for (std::size_t r = begin; r < end; ++r) {
            const std::byte* row = rows + static_cast<std::int64_t>(r) * row_bytes;
            double* norm2 = args.norms2.empty() ? nullptr : &args.norms2[r];
            std::int64_t q = 0;
            do {
                const float* pointers[kMostDots];
                const int count = static_cast<int>(std::min<std::int64_t>(kMostDots, queries - q));
                for (int i = 0; i < count; ++i)
                    pointers[i] = args.queries.f32() + (q + i) * width;
                context.kernels.exact_dots(
                    args.dots.data() + static_cast<std::int64_t>(r) * queries + q,
                    q == 0 ? norm2 : nullptr, row, half, pointers, count, width);
                q += count;
            } while (q < queries);
        }
    };
    const auto count = static_cast<std::size_t>(args.rows.shape[0]);
    if (count <= kRowsOfPart) // also the single pairs of a search
        some(0, count);
    else
        context.pool.parallel_for(count, kRowsOfPart, some);
}

} // namespace clip::cpu
