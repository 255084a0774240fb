// SPDX-License-Identifier: MIT
#include "ops/argument_check.hpp"

#include "base/concat.hpp"

namespace clip::ops {

namespace {

bool absent(const ConstView& view) {
    return view.data == nullptr && view.numel() == 0;
}

template <typename T>
void check_indices(std::string_view op, std::string_view name, std::span<const T> values,
                   std::int64_t limit) {
    for (std::size_t i = 0; i < values.size(); ++i)
        if (values[i] < 0 || values[i] >= limit)
            fail(ErrorCode::invalid_argument,
                 concat(op, ": ", name, "[", i, "] is out of range (got ", values[i],
                        ", want 0 to ", limit - 1, ")"));
}

} // namespace

void ArgumentCheck::require(bool good, ErrorCode code, std::string_view problem) const {
    if (!good)
        fail(code, concat(op_, ": ", problem));
}

void ArgumentCheck::rank(std::string_view name, const ConstView& view, std::size_t axes) const {
    if (view.shape.rank() != axes)
        fail(ErrorCode::shape_mismatch, concat(op_, ": ", name, " has another number of axes (got ",
                                               view.shape.to_string(), ", want ", axes, " axes)"));
}

void ArgumentCheck::memory(std::string_view name, const void* data, std::size_t bytes,
                           std::size_t alignment, bool written) {
    if (bytes == 0)
        return;
    const auto begin = reinterpret_cast<std::uintptr_t>(data);
    if (data == nullptr)
        fail(ErrorCode::invalid_argument, concat(op_, ": ", name, " is a null pointer"));
    if (begin % alignment != 0)
        fail(ErrorCode::invalid_argument,
             concat(op_, ": ", name, " is not aligned to ", alignment, " bytes"));
    expect(count_ < ranges_.size(), "argument check: an op has too many tensors");
    ranges_[count_++] = {name, begin, begin + bytes, written, {}};
}

void ArgumentCheck::on_device(std::string_view name, const ConstView& view) const {
    if (view.device != device_)
        fail(ErrorCode::device_mismatch,
             concat(op_, ": ", name, " is on another device (got ", view.device.to_string(),
                    ", want ", device_.to_string(), ")"));
}

void ArgumentCheck::rows_to_search(std::string_view name, const ConstView& view) {
    rank(name, view, 2);
    if (view.dtype != DType::f32 && view.dtype != DType::f16)
        fail(ErrorCode::dtype_mismatch, concat(op_, ": ", name, " has another element type (got ",
                                               dtype_name(view.dtype), ", want f32 or f16)"));
    on_device(name, view);
    memory(name, view.data, view.bytes(), dtype_size(view.dtype), false);
}

void ArgumentCheck::view(std::string_view name, const ConstView& view, const Shape& shape,
                         bool written, std::string_view may_be, DType dtype) {
    if (view.shape != shape)
        fail(ErrorCode::shape_mismatch,
             concat(op_, ": ", name, " has another shape (got ", view.shape.to_string(), ", want ",
                    shape.to_string(), ")"));
    if (view.dtype != dtype)
        fail(ErrorCode::dtype_mismatch,
             concat(op_, ": ", name, " has another element type (got ", dtype_name(view.dtype),
                    ", want ", dtype_name(dtype), ")"));
    on_device(name, view);
    const std::size_t before = count_;
    memory(name, view.data, view.bytes(), dtype_size(dtype), written);
    if (count_ > before)
        ranges_[before].may_be = may_be;
}

void ArgumentCheck::input(std::string_view name, const ConstView& in, const Shape& shape) {
    view(name, in, shape, false, {});
}

void ArgumentCheck::optional_input(std::string_view name, const ConstView& in, const Shape& shape) {
    if (!absent(in))
        view(name, in, shape, false, {});
}

void ArgumentCheck::output(std::string_view name, const MutView& out, const Shape& shape,
                           std::string_view may_be) {
    view(name, out, shape, true, may_be);
}

void ArgumentCheck::optional_output(std::string_view name, const MutView& out, const Shape& shape) {
    if (!absent(out))
        view(name, out, shape, true, {});
}

void ArgumentCheck::layer_type(std::string_view name, DType dtype) const {
    if (!backend_.takes(dtype))
        fail(ErrorCode::dtype_mismatch,
             concat(op_, ": ", name, " has another element type (got ", dtype_name(dtype),
                    ", want ", backend_.takes(DType::f16) ? "f32, f16 or bf16)" : "f32)"));
}

void ArgumentCheck::layer_input(std::string_view name, const ConstView& in, const Shape& shape) {
    layer_type(name, in.dtype);
    view(name, in, shape, false, {}, in.dtype);
}

void ArgumentCheck::optional_layer_input(std::string_view name, const ConstView& in,
                                         const Shape& shape) {
    if (!absent(in))
        layer_input(name, in, shape);
}

void ArgumentCheck::layer_output(std::string_view name, const MutView& out, const Shape& shape,
                                 std::string_view may_be) {
    layer_type(name, out.dtype);
    view(name, out, shape, true, may_be, out.dtype);
}

void ArgumentCheck::optional_layer_output(std::string_view name, const MutView& out,
                                          const Shape& shape) {
    if (!absent(out))
        layer_output(name, out, shape);
}

void ArgumentCheck::weight(std::string_view name, const ConstView& in, const Shape& shape) {
    ConstView here = in;
    if (in.device.is_cpu())
        here.device = device_;
    view(name, here, shape, false, {});
}

void ArgumentCheck::optional_weight(std::string_view name, const ConstView& in,
                                    const Shape& shape) {
    if (!absent(in))
        weight(name, in, shape);
}

void ArgumentCheck::input_of(DType dtype, std::string_view name, const ConstView& in,
                             const Shape& shape) {
    view(name, in, shape, false, {}, dtype);
}

void ArgumentCheck::output_of(DType dtype, std::string_view name, const MutView& out,
                              const Shape& shape) {
    view(name, out, shape, true, {}, dtype);
}

void ArgumentCheck::storage(DType dtype) const {
    if (dtype != DType::f32 && dtype != DType::f16 && dtype != DType::bf16 && dtype != DType::i8)
        fail(ErrorCode::unsupported, concat(op_, ": weights cannot be stored so (got ",
                                            dtype_name(dtype), ", want f32, f16, bf16 or i8)"));
}

void ArgumentCheck::indices(std::string_view name, std::span<const std::int32_t> values,
                            std::int64_t limit) const {
    check_indices(op_, name, values, limit);
}

void ArgumentCheck::indices(std::string_view name, std::span<const std::int64_t> values,
                            std::int64_t limit) const {
    check_indices(op_, name, values, limit);
}

void ArgumentCheck::overlaps() const {
    for (std::size_t i = 0; i < count_; ++i) {
        const Range& out = ranges_[i];
        if (!out.written)
            continue;
        for (std::size_t j = 0; j < count_; ++j) {
            const Range& other = ranges_[j];
            if (i == j || out.end <= other.begin || other.end <= out.begin)
                continue;
            if (other.name == out.may_be && out.begin == other.begin && out.end == other.end)
                continue;
            fail(ErrorCode::invalid_argument,
                 concat(op_, ": ", out.name, " overlaps ", other.name));
        }
    }
}

} // namespace clip::ops
