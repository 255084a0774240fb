// SPDX-License-Identifier: MIT
// Element types of tensors, and the two 16-bit floats that C++20 does not have.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.hpp"

namespace clip {

enum class DType : std::uint8_t { f32, f16, bf16, f64, i64, i32, i16, i8, u8, boolean };

/// Bytes of one element.
constexpr std::size_t dtype_size(DType dtype) {
    switch (dtype) {
    case DType::f64:
    case DType::i64:
        return 8;
    case DType::f32:
    case DType::i32:
        return 4;
    case DType::f16:
    case DType::bf16:
    case DType::i16:
        return 2;
    case DType::i8:
    case DType::u8:
    case DType::boolean:
        return 1;
    }
    return 0;
}

/// The name used in messages: "f32", "bf16", ...
std::string_view dtype_name(DType dtype);

constexpr bool is_floating(DType dtype) {
    return dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16 ||
           dtype == DType::f64;
}

/// IEEE 754 binary16, stored as bits.
struct Half {
    std::uint16_t bits = 0;
    Half() = default;
    explicit Half(float value);
    explicit operator float() const;
};

/// The upper half of a float32, stored as bits.
struct BFloat16 {
    std::uint16_t bits = 0;
    BFloat16() = default;
    explicit BFloat16(float value);
    explicit operator float() const;
};

/// Converts `count` floating-point elements of `dtype` to float32.
/// Errors: dtype_mismatch (an integer dtype).
void convert_to_f32(float* to, const void* from, DType dtype, std::size_t count);

/// Rounds `count` float32 values to the nearest, ties to even, of a floating `dtype`.
/// Errors: dtype_mismatch (an integer dtype).
void convert_from_f32(void* to, DType dtype, const float* from, std::size_t count);

/// Calls `body.template operator()<T>()` with the C++ type of a floating dtype.
template <typename Body>
decltype(auto) visit_floating(DType dtype, Body&& body) {
    switch (dtype) {
    case DType::f32:
        return body.template operator()<float>();
    case DType::f16:
        return body.template operator()<Half>();
    case DType::bf16:
        return body.template operator()<BFloat16>();
    case DType::f64:
        return body.template operator()<double>();
    default:
        fail(ErrorCode::dtype_mismatch, "visit dtype: not a floating-point type");
    }
}

} // namespace clip
