// SPDX-License-Identifier: MIT
// Screening: an estimate of every cosine whose error is bounded.
//
// With int8 products: a unit vector u is near its bytes times a step, and the length e of what is
// missing is computed while it is rounded. For a row and a query, by Cauchy and Schwarz,
//     |estimate - cosine| <= e_row (1 + e_query) + e_query.
// With e about 0.009 for 512 values of similar size that leaves few pairs too many. Elsewhere the
// float32 product is used, whose sums of E terms are off by at most E 2^-24.
#include <algorithm>
#include <cmath>
#include <limits>

#include "backend/cpu/cpu_ops.hpp"
#include "backend/cpu/gemm.hpp"

namespace clip::cpu {

namespace {

// Roundings of the comparison itself, and of scores to float32.
constexpr float kSlack = 2e-6f;
constexpr std::int64_t kMostInt8Width = 65536; // so that sums of bytes are exact in float32 lanes
constexpr std::int64_t kRowsAtOnce = 256;      // as bytes they stay in the second-level cache

std::int64_t round_up(std::int64_t x, std::int64_t unit) {
    return (x + unit - 1) / unit * unit;
}

struct Int8Screen final : PreparedScreen {
    using PreparedScreen::PreparedScreen;
    std::int64_t depth = 0;
    Buffer packed;                             // panels of (depth / 4, kInt8Panel, 4)
    std::vector<float> per_step, slope, error; // (queries, padded to whole panels)
    const std::uint8_t* panel(std::int64_t index) const {
        return reinterpret_cast<const std::uint8_t*>(packed.data()) + index * depth * kInt8Panel;
    }
};

struct FloatScreen final : PreparedScreen {
    using PreparedScreen::PreparedScreen;
    PackedPanels panels;
};

std::unique_ptr<PreparedScreen> prepare_int8(Context& context, const ConstView& queries) {
    const std::int64_t count = queries.shape[0], width = queries.shape[1];
    auto out = std::make_unique<Int8Screen>(count, width);
    out->depth = round_up(width, kInt8Depth);
    const std::int64_t panels = round_up(count, kInt8Panel) / kInt8Panel;
    const auto padded = static_cast<std::size_t>(panels * kInt8Panel);
    out->per_step.resize(padded);
    out->slope.resize(padded);
    out->error.resize(padded);
    out->packed = Buffer(static_cast<std::size_t>(panels * kInt8Panel * out->depth));
    auto* packed = reinterpret_cast<std::uint8_t*>(out->packed.data());
    std::fill_n(packed, panels * kInt8Panel * out->depth, std::uint8_t{128});
    context.pool.parallel_for(
        static_cast<std::size_t>(count), 64, [&](std::size_t begin, std::size_t end) {
            std::vector<std::int8_t> bytes(static_cast<std::size_t>(out->depth + kLanes));
            for (std::size_t q = begin; q < end; ++q) {
                const auto at = static_cast<std::int64_t>(q);
                const QuantizedRow row = context.kernels.quantize_row(
                    bytes.data(), queries.f32() + at * width, false, 1.0f, width, out->depth);
                out->per_step[q] = row.step > 0 ? 1.0f / row.step : 0.0f;
                out->error[q] = row.error;
                out->slope[q] = out->per_step[q] * (1.0f + row.error);
                std::uint8_t* to =
                    packed + at / kInt8Panel * kInt8Panel * out->depth + at % kInt8Panel * 4;
                for (std::int64_t k = 0; k < out->depth; ++k)
                    to[k / 4 * 4 * kInt8Panel + k % 4] =
                        static_cast<std::uint8_t>(bytes[static_cast<std::size_t>(k)] + 128);
            }
        });
    return out;
}

/// Rows of one block as bytes.
struct Int8Rows {
    std::int8_t* bytes;
    std::vector<std::int32_t> sums;
    std::vector<float> step, error;
};

void screen_int8(Context& context, const Int8Table& int8, const ScreenArgs& args,
                 const Int8Screen& queries) {
    const std::int64_t width = queries.width(), depth = queries.depth;
    const bool half = args.rows.dtype == DType::f16;
    const std::int64_t row_bytes = width * (half ? 2 : 4);
    const auto panels = static_cast<std::int64_t>(queries.slope.size()) / kInt8Panel;
    // Limits in units of each query's step.
    std::vector<float> limits(queries.slope.size(), std::numeric_limits<float>::infinity());
    for (std::size_t q = 0; q < args.limits.size(); ++q)
        limits[q] = queries.per_step[q] * (args.limits[q] - queries.error[q] - kSlack);
    ScratchPool::Lease scratch(context.scratch);
    Int8Rows block;
    const std::int64_t rows_padded = round_up(kRowsAtOnce, kInt8MostRows);
    block.bytes = reinterpret_cast<std::int8_t*>(
        scratch->floats(ThreadScratch::rows, (rows_padded * depth + kLanes + 3) / 4));
    block.sums.resize(kRowsAtOnce);
    block.step.resize(kRowsAtOnce);
    block.error.resize(kRowsAtOnce);
    int8.begin();
    for (std::int64_t first = 0; first < args.rows.shape[0]; first += kRowsAtOnce) {
        const std::int64_t count = std::min(kRowsAtOnce, args.rows.shape[0] - first);
        for (std::int64_t r = 0; r < count; ++r) {
            const QuantizedRow row = context.kernels.quantize_row(
                block.bytes + r * depth, args.rows.as<std::byte>() + (first + r) * row_bytes, half,
                args.inverse_norms[static_cast<std::size_t>(first + r)], width, depth);
            const auto at = static_cast<std::size_t>(r);
            block.sums[at] = row.sum;
            block.step[at] = row.step;
            block.error[at] = row.error;
        }
        std::fill(block.bytes + count * depth, block.bytes + round_up(count, kInt8MostRows) * depth,
                  std::int8_t{0});
        for (std::int64_t panel = 0; panel < panels; ++panel) {
            for (std::int64_t r = 0; r < count; r += int8.rows) {
                std::uint32_t found[kInt8MostRows];
                const Int8Task task = {
                    .depth = depth,
                    .rows = block.bytes + r * depth,
                    .count = static_cast<int>(std::min<std::int64_t>(int8.rows, count - r)),
                    .sums = block.sums.data() + r,
                    .scale = block.step.data() + r,
                    .error = block.error.data() + r,
                    .panel = queries.panel(panel),
                    .slope = queries.slope.data() + panel * kInt8Panel,
                    .limit = limits.data() + panel * kInt8Panel,
                    .found = found};
                int8.run(task);
                for (int i = 0; i < task.count; ++i)
                    for (std::uint32_t bits = found[i]; bits != 0; bits &= bits - 1)
                        args.pairs->push_back(
                            {static_cast<std::int32_t>(first + r + i),
                             static_cast<std::int32_t>(panel * kInt8Panel + __builtin_ctz(bits))});
            }
        }
    }
    int8.end();
}

void screen_float(Context& context, const ScreenArgs& args, const FloatScreen& queries) {
    const std::int64_t width = queries.width(), columns = queries.queries();
    const float margin = kSlack + static_cast<float>(width) * 0x1.02p-24f;
    std::vector<float> limits(args.limits.begin(), args.limits.end());
    for (float& limit : limits)
        limit -= margin;
    const bool half = args.rows.dtype == DType::f16;
    // Estimates stay in the second-level cache until they are compared.
    constexpr std::int64_t kMostEstimates = std::int64_t{1} << 18;
    const std::int64_t rows_at_once =
        std::clamp<std::int64_t>(kMostEstimates / columns, 8, kRowsAtOnce);
    std::vector<float> widened(half ? static_cast<std::size_t>(rows_at_once * width) : 0);
    std::vector<float> estimates(static_cast<std::size_t>(rows_at_once * columns));
    std::vector<std::int32_t> found(static_cast<std::size_t>(columns));
    for (std::int64_t first = 0; first < args.rows.shape[0]; first += rows_at_once) {
        const std::int64_t count = std::min(rows_at_once, args.rows.shape[0] - first);
        const float* rows = args.rows.f32() + first * width;
        if (half) {
            context.kernels.widen_halves(
                widened.data(), args.rows.as<std::uint16_t>() + first * width, count * width);
            rows = widened.data();
        }
        run_gemm(context, count, DenseRows(rows, width), queries.panels,
                 {.y = estimates.data(), .y_step = columns});
        for (std::int64_t r = 0; r < count; ++r) {
            const std::int64_t hits = context.kernels.scan_estimates(
                found.data(), estimates.data() + r * columns,
                args.inverse_norms[static_cast<std::size_t>(first + r)], limits.data(), columns);
            for (std::int64_t i = 0; i < hits; ++i)
                args.pairs->push_back(
                    {static_cast<std::int32_t>(first + r), found[static_cast<std::size_t>(i)]});
        }
    }
}

} // namespace

std::unique_ptr<PreparedScreen> prepare_screen(Context& context, const Int8Table* int8,
                                               const ConstView& queries) {
    if (int8 != nullptr && queries.shape[1] <= kMostInt8Width)
        return prepare_int8(context, queries);
    auto out = std::make_unique<FloatScreen>(queries.shape[0], queries.shape[1]);
    out->panels.pack(context, queries.shape[0], queries.shape[1], Storage::f32, nullptr,
                     queries.f32());
    return out;
}

void screen(Context& context, const Int8Table* int8, const ScreenArgs& args) {
    if (const auto* bytes = dynamic_cast<const Int8Screen*>(args.queries);
        bytes != nullptr && int8 != nullptr)
        return screen_int8(context, *int8, args, *bytes);
    const auto* floats = dynamic_cast<const FloatScreen*>(args.queries);
    expect(floats != nullptr, "cpu backend: queries were prepared by another backend");
    screen_float(context, args, *floats);
}

} // namespace clip::cpu
