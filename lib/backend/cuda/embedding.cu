// SPDX-License-Identifier: MIT
// y[r] = table[ids[r]] + positions[places[r]], and its gradients, which are sums over rows of equal
// id or place (scatter_rows.cu).
//
// Variants. A table may have any floating type and begin at any byte, as in a file. Rows that begin
// at multiples of four elements are read in quads, others byte by byte: no model that is known has
// such.
//
// Cost. Memory bound: a row of the table (16-bit: 2 bytes an element), one of positions (from L2)
// and 4 bytes written an element. 256 texts of 20 tokens of 512 elements: 16 MB, 8 us on A100.
#include <bit>
#include <type_traits>

#include "backend/cuda/cuda_backend.hpp"
#include "backend/cuda/row_grid.hpp"
#include "backend/cuda/scatter_rows.hpp"

namespace clip::cuda {

namespace {

struct EmbeddingRows {
    Global<float> y;                   // (rows, width)
    Global<const std::uint8_t> table;  // (V, width) of the kernel's T
    Global<const float> positions;     // (T, width)
    Global<const std::int32_t> ids;    // (rows)
    Global<const std::int32_t> places; // (rows)
    std::int64_t rows, width;
};

/// The T whose bytes lie there, lowest first.
template <typename T>
CLIP_DEVICE float from_bytes(Global<const std::uint8_t> at) {
    std::uint64_t bits = 0;
    for (unsigned b = 0; b < sizeof(T); ++b) {
        const std::uint64_t byte = at[b];
        bits |= byte << (8 * b);
    }
    if constexpr (std::is_same_v<T, double>) {
        return static_cast<float>(std::bit_cast<double>(bits));
    } else if constexpr (std::is_same_v<T, float>) {
        return float_of(static_cast<std::uint32_t>(bits));
    } else {
        T value;
        value.bits = static_cast<std::uint16_t>(bits);
        return to_float(value);
    }
}

template <typename T, bool kAligned>
CLIP_DEVICE Quad load_table(Global<const std::uint8_t> row, std::int64_t first,
                            std::int64_t width) {
    if constexpr (kAligned) {
        return load_quad<true>(Global<const T>(reinterpret_cast<const T*>(row.at)), first, width);
    } else {
        Quad quad{};
        for (int e = 0; e < kQuad; ++e)
            if (first + e < width)
                quad.at[e] = from_bytes<T>(row + (first + e) * std::int64_t{sizeof(T)});
        return quad;
    }
}

// Grid: a warp a row, see row_grid.hpp. Lane l has the quads l, l + 32, ... No shared memory.
template <typename T, bool kAligned>
CLIP_KERNEL(kWarpRowThreads, 8)
void embedding_kernel(EmbeddingRows args) {
    const std::int64_t row = std::int64_t{block_x()} * kWarpRows + warp();
    if (row >= args.rows)
        return;
    const std::int64_t id = args.ids[row], place = args.places[row];
    const Global<const std::uint8_t> token = args.table + id * args.width * std::int64_t{sizeof(T)};
    const Global<const float> position = args.positions + place * args.width;
    for (std::int64_t first = first_of_lane(0); first < args.width; first += kWarpRowStep) {
        Quad sum = load_table<T, kAligned>(token, first, args.width);
        const Quad other = load_quad<kAligned>(position, first, args.width);
        for (int e = 0; e < kQuad; ++e)
            sum.at[e] += other.at[e];
        store_quad<kAligned>(args.y + row * args.width, first, args.width, sum);
    }
}

template <typename T>
void launch_embedding(Context& context, const EmbeddingRows& rows, bool aligned) {
    if constexpr (!std::is_same_v<T, double>) // no access moves four of them
        if (aligned) {
            context.launch("embedding", embedding_kernel<T, true>, warp_rows(rows.rows), rows);
            return;
        }
    static_cast<void>(aligned);
    context.launch("embedding_bytes", embedding_kernel<T, false>, warp_rows(rows.rows), rows);
}

} // namespace

void CudaBackend::embedding(const EmbeddingArgs& args) {
    const EmbeddingRows rows{args.y.f32(),
                             static_cast<const std::uint8_t*>(args.table.data),
                             args.positions.f32(),
                             context_.on_device(args.ids),
                             context_.on_device(args.places),
                             args.y.shape[0],
                             args.y.shape[1]};
    visit_floating(args.table.dtype, [&]<typename T>() {
        const bool aligned = fits_quads(rows.width, args.y.f32(), args.positions.f32(),
                                        static_cast<const T*>(args.table.data));
        launch_embedding<T>(context_, rows, aligned);
    });
}

void CudaBackend::embedding_backward(const EmbeddingBackwardArgs& args) {
    const std::int64_t width = args.grad_y.shape[1];
    if (!args.grad_table.empty())
        scatter_rows(context_, args.grad_table.f32(), args.grad_y.f32(), args.ids,
                     args.grad_table.shape[0], width, ScatterOrder::strands);
    if (!args.grad_positions.empty())
        scatter_rows(context_, args.grad_positions.f32(), args.grad_y.f32(), args.places,
                     args.grad_positions.shape[0], width, ScatterOrder::strands);
}

} // namespace clip::cuda
