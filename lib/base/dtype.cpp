// SPDX-License-Identifier: MIT
#include "base/dtype.hpp"

#include <cmath>
#include <cstring>

namespace clip {

std::string_view dtype_name(DType dtype) {
    switch (dtype) {
    case DType::f32:
        return "f32";
    case DType::f16:
        return "f16";
    case DType::bf16:
        return "bf16";
    case DType::f64:
        return "f64";
    case DType::i64:
        return "i64";
    case DType::i32:
        return "i32";
    case DType::i16:
        return "i16";
    case DType::i8:
        return "i8";
    case DType::u8:
        return "u8";
    case DType::boolean:
        return "boolean";
    }
    return "unknown";
}

Half::Half(float value) {
    const auto f = std::bit_cast<std::uint32_t>(value);
    const auto sign = static_cast<std::uint16_t>((f >> 16) & 0x8000u);
    const std::uint32_t magnitude = f & 0x7fffffffu;
    if (magnitude >= 0x7f800000u) { // infinity stays, a NaN stays one (quiet, payload's top bits)
        const bool nan = magnitude > 0x7f800000u;
        bits = static_cast<std::uint16_t>(sign | 0x7c00u |
                                          (nan ? 0x0200u | ((magnitude >> 13) & 0x3ffu) : 0u));
    } else if (magnitude >= 0x477ff000u) { // 65520 and above round to infinity
        bits = static_cast<std::uint16_t>(sign | 0x7c00u);
    } else if (magnitude < 0x38800000u) { // below 2^-14: subnormal, in units of 2^-24
        const float scaled = std::bit_cast<float>(magnitude) * 16777216.0f;
        bits =
            static_cast<std::uint16_t>(sign | static_cast<std::uint16_t>(std::nearbyintf(scaled)));
    } else {
        const std::uint32_t rounded = magnitude + 0x0fffu + ((magnitude >> 13) & 1u);
        bits = static_cast<std::uint16_t>(sign | ((rounded - 0x38000000u) >> 13));
    }
}

Half::operator float() const {
    const std::uint32_t sign = (bits & 0x8000u) << 16;
    const std::uint32_t exponent = (bits >> 10) & 0x1fu;
    const std::uint32_t fraction = bits & 0x3ffu;
    if (exponent == 0) {
        const float value = static_cast<float>(fraction) * 0x1p-24f;
        return std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) | sign);
    }
    if (exponent == 31)
        return std::bit_cast<float>(sign | 0x7f800000u | (fraction << 13));
    return std::bit_cast<float>(sign | ((exponent + 112u) << 23) | (fraction << 13));
}

BFloat16::BFloat16(float value) {
    const auto f = std::bit_cast<std::uint32_t>(value);
    if ((f & 0x7fffffffu) > 0x7f800000u) // a NaN must not round to infinity
        bits = static_cast<std::uint16_t>((f >> 16) | 0x0040u);
    else
        bits = static_cast<std::uint16_t>((f + 0x7fffu + ((f >> 16) & 1u)) >> 16);
}

BFloat16::operator float() const {
    return std::bit_cast<float>(std::uint32_t{bits} << 16);
}

namespace {
template <typename T>
T load(const void* from, std::size_t i) { // tensors in files need not be aligned
    T value;
    std::memcpy(&value, static_cast<const char*>(from) + i * sizeof(T), sizeof(T));
    return value;
}
} // namespace

void convert_to_f32(float* to, const void* from, DType dtype, std::size_t count) {
    if (dtype == DType::f32) {
        std::memcpy(to, from, count * sizeof(float));
        return;
    }
    visit_floating(dtype, [&]<typename T>() {
        for (std::size_t i = 0; i < count; ++i)
            to[i] = static_cast<float>(load<T>(from, i));
    });
}

void convert_from_f32(void* to, DType dtype, const float* from, std::size_t count) {
    if (dtype == DType::f32) {
        std::memcpy(to, from, count * sizeof(float));
        return;
    }
    visit_floating(dtype, [&]<typename T>() {
        for (std::size_t i = 0; i < count; ++i) {
            const T value(from[i]);
            std::memcpy(static_cast<char*>(to) + i * sizeof(T), &value, sizeof(T));
        }
    });
}

} // namespace clip
