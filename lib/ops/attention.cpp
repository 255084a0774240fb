// SPDX-License-Identifier: MIT
#include "ops/attention.hpp"

#include <algorithm>
#include <iterator>
#include <limits>

#include "base/concat.hpp"
#include "ops/argument_check.hpp"

namespace clip::ops {

namespace {

using Offsets = std::span<const std::int64_t>;

// Rows times elements a row must not overflow a pointer difference.
constexpr std::int64_t kMostElements = std::int64_t{1} << 60;

void check_offsets(const ArgumentCheck& check, std::string_view name, Offsets offsets) {
    check.require(!offsets.empty(), ErrorCode::shape_mismatch, concat(name, " is empty"));
    check.require(offsets[0] == 0, ErrorCode::invalid_argument,
                  concat(name, " does not begin with 0 (got ", offsets[0], ")"));
    for (std::size_t i = 1; i < offsets.size(); ++i)
        if (offsets[i] < offsets[i - 1]) // no message is built for what is right
            fail(ErrorCode::invalid_argument,
                 concat("attention: ", name, "[", i, "] is smaller than the one before (got ",
                        offsets[i], ", want at least ", offsets[i - 1], ")"));
}

// Bytes from the first element of the first row to the last of the last.
std::size_t extent(std::int64_t rows, std::int64_t stride, std::int64_t width, DType dtype) {
    return rows == 0 ? 0
                     : static_cast<std::size_t>((rows - 1) * stride + width) * dtype_size(dtype);
}

void check_stride(const ArgumentCheck& check, std::string_view name, std::int64_t stride,
                  std::int64_t width, std::int64_t rows) {
    check.require(
        stride >= width && stride <= kMostElements / (rows + 1), ErrorCode::invalid_argument,
        concat(name, " does not fit the rows (got ", stride, ", want at least ", width, ")"));
}

/// What attention and its backward pass have in common: queries, keys and values.
template <typename Args>
void check_sequences(ArgumentCheck& check, const Args& args, DType dtype) {
    check.require(args.heads >= 1 && args.head_width >= 1, ErrorCode::invalid_argument,
                  concat("heads and head width must be at least 1 (got ", args.heads, " and ",
                         args.head_width, ")"));
    check.require(args.scale >= 0 && args.scale <= std::numeric_limits<float>::max(),
                  ErrorCode::invalid_argument,
                  concat("scale is not finite and positive (got ", args.scale, ")"));
    check_offsets(check, "q_offsets", args.q_offsets);
    check_offsets(check, "k_offsets", args.k_offsets);
    check.require(args.q_offsets.size() == args.k_offsets.size(), ErrorCode::shape_mismatch,
                  concat("q_offsets and k_offsets count other sequences (got ",
                         args.q_offsets.size(), " and ", args.k_offsets.size(), ")"));
    for (std::size_t i = 1; i < args.q_offsets.size(); ++i) {
        const std::int64_t queries = args.q_offsets[i] - args.q_offsets[i - 1];
        const std::int64_t keys = args.k_offsets[i] - args.k_offsets[i - 1];
        const std::int64_t least = args.causal ? queries : queries > 0 ? 1 : 0;
        if (keys < least)
            fail(ErrorCode::invalid_argument,
                 concat("attention: sequence ", i - 1, " has too few keys (got ", keys,
                        ", want at least ", least, ")"));
    }
    const std::int64_t width = std::int64_t{args.heads} * args.head_width;
    const std::int64_t q_rows = args.q_offsets.back();
    const std::int64_t k_rows = args.k_offsets.back();
    check.require(q_rows < kMostElements && k_rows < kMostElements, ErrorCode::invalid_argument,
                  "offsets are too large");
    check_stride(check, "q_stride", args.q_stride, width, q_rows);
    check_stride(check, "kv_stride", args.kv_stride, width, k_rows);
    const std::size_t alignment = dtype_size(dtype);
    check.memory("q", args.q, extent(q_rows, args.q_stride, width, dtype), alignment, false);
    check.memory("k", args.k, extent(k_rows, args.kv_stride, width, dtype), alignment, false);
    check.memory("v", args.v, extent(k_rows, args.kv_stride, width, dtype), alignment, false);
}

/// Gradients may lie side by side in the rows of one buffer, as q, k and v may; then what counts is
/// the buffer.
void check_gradients(ArgumentCheck& check, const AttentionBackwardArgs& args, std::int64_t width) {
    struct Part {
        const char* name;
        void* data;
        std::int64_t stride;
        std::size_t bytes;
    };
    const std::int64_t q_rows = args.q_offsets.back();
    const std::int64_t k_rows = args.k_offsets.back();
    const std::size_t size = dtype_size(args.dtype);
    const auto part_of_rows = [&](const char* name, void* data, std::int64_t rows,
                                  std::int64_t stride) {
        return Part{name, data, stride, extent(rows, stride, width, args.dtype)};
    };
    const Part parts[] = {part_of_rows("grad_q", args.grad_q, q_rows, args.grad_q_stride),
                          part_of_rows("grad_k", args.grad_k, k_rows, args.grad_kv_stride),
                          part_of_rows("grad_v", args.grad_v, k_rows, args.grad_kv_stride)};
    const auto begin = [](const Part& part) { return reinterpret_cast<std::uintptr_t>(part.data); };
    std::uintptr_t first = 0, last = 0; // of the buffer so far
    for (std::size_t i = 0; i < std::size(parts); ++i) {
        const Part& part = parts[i];
        if (part.bytes == 0)
            continue;
        check.require(part.data != nullptr, ErrorCode::invalid_argument,
                      concat(part.name, " is a null pointer"));
        check.require(begin(part) % size == 0, ErrorCode::invalid_argument,
                      concat(part.name, " is not aligned to ", size, " bytes"));
        for (std::size_t j = 0; j < i; ++j) {
            const Part& other = parts[j];
            if (other.bytes == 0 || begin(part) >= begin(other) + other.bytes ||
                begin(other) >= begin(part) + part.bytes)
                continue;
            const auto stride = static_cast<std::uintptr_t>(part.stride) * size;
            const std::uintptr_t apart = begin(part) > begin(other) ? begin(part) - begin(other)
                                                                    : begin(other) - begin(part);
            const auto row = static_cast<std::uintptr_t>(width) * size;
            check.require(part.stride == other.stride && apart % stride >= row &&
                              apart % stride <= stride - row,
                          ErrorCode::invalid_argument, concat(part.name, " overlaps ", other.name));
        }
        const bool together =
            first < last && begin(part) < last && first < begin(part) + part.bytes;
        if (!together && first < last)
            check.memory("a gradient", reinterpret_cast<const void*>(first), last - first, size,
                         true);
        first = together ? std::min(first, begin(part)) : begin(part);
        last = together ? std::max(last, begin(part) + part.bytes) : begin(part) + part.bytes;
    }
    if (first < last)
        check.memory("a gradient", reinterpret_cast<const void*>(first), last - first, size, true);
}

} // namespace

void attention(Backend& backend, const AttentionArgs& args) {
    ArgumentCheck check("attention", backend);
    check.layer_type("q", args.dtype);
    check_sequences(check, args, args.dtype);
    const std::int64_t width = std::int64_t{args.heads} * args.head_width;
    const std::int64_t q_rows = args.q_offsets.back();
    check.layer_output("y", args.y, {q_rows, width});
    check.optional_output("log_sum_exp", args.log_sum_exp, {q_rows, args.heads});
    check.overlaps();
    if (q_rows > 0)
        backend.attention(args);
}

void attention_backward(Backend& backend, const AttentionBackwardArgs& args) {
    ArgumentCheck check("attention backward", backend);
    check.layer_type("q", args.dtype);
    check_sequences(check, args, args.dtype);
    const std::int64_t width = std::int64_t{args.heads} * args.head_width;
    const std::int64_t q_rows = args.q_offsets.back();
    const std::int64_t k_rows = args.k_offsets.back();
    check_stride(check, "grad_q_stride", args.grad_q_stride, width, q_rows);
    check_stride(check, "grad_kv_stride", args.grad_kv_stride, width, k_rows);
    check.input_of(args.dtype, "y", args.y, {q_rows, width});
    check.input("log_sum_exp", args.log_sum_exp, {q_rows, args.heads});
    check.input_of(args.dtype, "grad_y", args.grad_y, {q_rows, width});
    check_gradients(check, args, width);
    check.overlaps();
    if (k_rows > 0)
        backend.attention_backward(args);
}

} // namespace clip::ops
