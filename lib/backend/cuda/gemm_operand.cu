// SPDX-License-Identifier: MIT
// Copies of operands that cannot be multiplied where they lie: of another type, or with rows that
// do not begin at multiples of 16 bytes (patches of 14 pixels in 16 bits; odd widths in tests).
//
// Cost. Memory bound: 6 bytes an element from float32 to 16 bits. Dense and aligned rows go by
// convert.cu; the kernel here reads element by element, which caches make up for.
#include "backend/cuda/gemm_operand.hpp"

#include "backend/cuda/convert.hpp"
#include "backend/cuda/dtype_switch.hpp"

namespace clip::cuda {

namespace {

constexpr int kThreads = 256;

// Grid: a thread an element of the copy's rows, padding included. No shared memory.
template <typename To, typename From>
CLIP_KERNEL(kThreads, 8)
void align_rows_kernel(Global<To> to,           // (rows, pitch); what is behind `width` is 0
                       Global<const From> from, // (rows, width)
                       std::int64_t rows, std::int64_t width, std::int64_t pitch) {
    const std::int64_t index = std::int64_t{block_x()} * kThreads + thread_x();
    if (index >= rows * pitch)
        return;
    const std::int64_t row = index / pitch, column = index % pitch;
    float value = 0;
    if (column < width) {
        const From element = from[row * width + column];
        value = to_float(element);
    }
    to[index] = from_float<To>(value);
}

bool is_aligned(const void* at, std::int64_t width, DType type) {
    return reinterpret_cast<std::uintptr_t>(at) % kChunkBytes == 0 &&
           width == aligned_pitch(width, type);
}

} // namespace

void align_rows(Context& context, void* to, DType to_type, const void* from, DType from_type,
                std::int64_t rows, std::int64_t width) {
    const std::int64_t pitch = aligned_pitch(width, to_type);
    if (pitch == width)
        return convert_elements(context, to, to_type, from, from_type, rows * width);
    const LaunchShape shape{{static_cast<unsigned>((rows * pitch + kThreads - 1) / kThreads)},
                            {kThreads}};
    visit_layer_type(to_type, [&]<typename To>() {
        visit_layer_type(from_type, [&]<typename From>() {
            context.launch("align_rows", align_rows_kernel<To, From>, shape, static_cast<To*>(to),
                           static_cast<const From*>(from), rows, width, pitch);
        });
    });
}

AlignedMatrix align_matrix(Context& context, Workspace::Scope& scope, const void* from,
                           DType from_type, std::int64_t rows, std::int64_t width, DType to_type) {
    if (from_type == to_type && is_aligned(from, width, from_type))
        return {from, rows, width, width};
    const std::int64_t pitch = aligned_pitch(width, to_type);
    void* copy =
        scope.take<std::byte>(rows * pitch * static_cast<std::int64_t>(dtype_size(to_type)));
    align_rows(context, copy, to_type, from, from_type, rows, width);
    return {copy, rows, width, pitch};
}

} // namespace clip::cuda
