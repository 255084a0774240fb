// SPDX-License-Identifier: MIT
// What every op asks of its tensors, so that each check and message is written once. Backends trust
// what has passed here; it must not know any op.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "backend/backend.hpp"

namespace clip::ops {

/// Checks the arguments of one call of an op, then that no output overlaps anything.
///
/// Every method throws on the first fault; the message names the op and the tensor.
/// Errors: invalid_argument (null or misaligned pointer, overlap), shape_mismatch, dtype_mismatch,
///         device_mismatch.
class ArgumentCheck {
  public:
    ArgumentCheck(std::string_view op, const Backend& backend)
        : op_(op), backend_(backend), device_(backend.device()) {}

    /// The tensor must have this many axes; asked before its extents are used.
    void rank(std::string_view name, const ConstView& view, std::size_t axes) const;
    /// A float32 input of exactly this shape.
    void input(std::string_view name, const ConstView& view, const Shape& shape);
    /// Between layers: float32, or the 16 bits that the backend takes().
    void layer_input(std::string_view name, const ConstView& view, const Shape& shape);
    void optional_layer_input(std::string_view name, const ConstView& view, const Shape& shape);
    void layer_output(std::string_view name, const MutView& view, const Shape& shape,
                      std::string_view may_be = {});
    void optional_layer_output(std::string_view name, const MutView& view, const Shape& shape);
    /// What layer_input() asks of an element type that stands without a view.
    void layer_type(std::string_view name, DType dtype) const;
    /// A float32 weight that is prepared: on the backend's device or on the host.
    void weight(std::string_view name, const ConstView& view, const Shape& shape);
    /// The same, or left default-constructed.
    void optional_weight(std::string_view name, const ConstView& view, const Shape& shape);
    /// An input or output of this shape and element type.
    void input_of(DType dtype, std::string_view name, const ConstView& view, const Shape& shape);
    void output_of(DType dtype, std::string_view name, const MutView& view, const Shape& shape);
    /// Rows (C, E) of float32 or float16.
    void rows_to_search(std::string_view name, const ConstView& view);
    /// A float32 input of this shape, or left default-constructed.
    void optional_input(std::string_view name, const ConstView& view, const Shape& shape);
    /// A float32 output of exactly this shape. It may be the same memory as the input called
    /// `may_be`, from the first element to the last.
    void output(std::string_view name, const MutView& view, const Shape& shape,
                std::string_view may_be = {});
    /// The same, or left default-constructed.
    void optional_output(std::string_view name, const MutView& view, const Shape& shape);
    /// Bytes that are read or written without a view, such as a span of indices.
    void memory(std::string_view name, const void* data, std::size_t bytes, std::size_t alignment,
                bool written);
    /// Throws `code` with "<op>: <problem>" unless `good`.
    void require(bool good, ErrorCode code, std::string_view problem) const;
    /// What weights may be kept as: f32, f16, bf16 or i8. Errors: unsupported.
    void storage(DType dtype) const;
    /// Every value must be in [0, limit). Errors: invalid_argument.
    void indices(std::string_view name, std::span<const std::int32_t> values,
                 std::int64_t limit) const;
    void indices(std::string_view name, std::span<const std::int64_t> values,
                 std::int64_t limit) const;
    /// Compares outputs with all other memory; call last. Errors: invalid_argument.
    void overlaps() const;

  private:
    struct Range {
        std::string_view name;
        std::uintptr_t begin, end;
        bool written;
        std::string_view may_be;
    };
    void view(std::string_view name, const ConstView& view, const Shape& shape, bool written,
              std::string_view may_be, DType dtype = DType::f32);
    void on_device(std::string_view name, const ConstView& view) const;

    std::string_view op_;
    const Backend& backend_;
    Device device_;
    std::array<Range, 12> ranges_{};
    std::size_t count_ = 0;
};

} // namespace clip::ops
