// SPDX-License-Identifier: MIT
// What becomes of the sums of a product (gemm_core.hpp): 4 columns of a row at a time, and what is
// read and written with them goes by vectors where addresses and pitch allow.
//
// Element types are looked up while the kernel runs. The branch is the same for all threads, and
// what it costs disappears beside the memory that is read and written; each combination compiled on
// its own would be some hundred kernels.
#pragma once

#include <cstdint>

#include "backend/cuda/activation_math.hpp"
#include "backend/cuda/device_api.hpp"
#include "base/dtype.hpp"

namespace clip::cuda {

/// Rows of float32, f16 or bf16, `pitch` elements apart; null: there is none.
struct AnyMatrix {
    void* at = nullptr;
    DType dtype = DType::f32;
    std::int64_t pitch = 0;
    bool vectors = false; ///< 4 elements at a multiple of 4 are one aligned access

    AnyMatrix() = default;
    /// Host side. `data` is not written where the kernel only reads.
    AnyMatrix(const void* data, DType type, std::int64_t row_pitch)
        : at(const_cast<void*>(data)), dtype(type), pitch(row_pitch),
          vectors(row_pitch % 4 == 0 &&
                  reinterpret_cast<std::uintptr_t>(data) % (4 * dtype_size(type)) == 0) {}
};

template <typename T>
CLIP_DEVICE Vec<float, 4> read_four(Global<const T> from, bool vector, int count) {
    Vec<float, 4> values{};
    if (vector && count == 4) {
        const Vec<T, 4> all = load<4>(from);
        for (int i = 0; i < 4; ++i)
            values.at[i] = to_float(all.at[i]);
        return values;
    }
    for (int i = 0; i < 4; ++i)
        if (i < count) {
            const T value = from[i];
            values.at[i] = to_float(value);
        }
    return values;
}

template <typename T>
CLIP_DEVICE void write_four(Global<T> to, const Vec<float, 4>& values, bool vector, int count) {
    if (vector && count == 4) {
        Vec<T, 4> all;
        for (int i = 0; i < 4; ++i)
            all.at[i] = from_float<T>(values.at[i]);
        store(to, all);
        return;
    }
    for (int i = 0; i < 4; ++i)
        if (i < count)
            to[i] = from_float<T>(values.at[i]);
}

/// Elements (row, column .. column + count - 1), and zeros behind them.
CLIP_DEVICE Vec<float, 4> read_four(const AnyMatrix& x, std::int64_t row, std::int64_t column,
                                    int count) {
    const std::int64_t at = row * x.pitch + column;
    if (x.dtype == DType::f16)
        return read_four(Global<const Half>(static_cast<const Half*>(x.at)) + at, x.vectors, count);
    if (x.dtype == DType::bf16)
        return read_four(Global<const BFloat16>(static_cast<const BFloat16*>(x.at)) + at, x.vectors,
                         count);
    return read_four(Global<const float>(static_cast<const float*>(x.at)) + at, x.vectors, count);
}

CLIP_DEVICE void write_four(const AnyMatrix& y, std::int64_t row, std::int64_t column,
                            const Vec<float, 4>& values, int count) {
    const std::int64_t at = row * y.pitch + column;
    if (y.dtype == DType::f16)
        write_four(Global<Half>(static_cast<Half*>(y.at)) + at, values, y.vectors, count);
    else if (y.dtype == DType::bf16)
        write_four(Global<BFloat16>(static_cast<BFloat16*>(y.at)) + at, values, y.vectors, count);
    else
        write_four(Global<float>(static_cast<float*>(y.at)) + at, values, y.vectors, count);
}

/// y = activation(sums + bias) + residual, or with the residual inside:
/// y = activation(sums + bias + residual).
struct ForwardEpilogue {
    AnyMatrix y;
    AnyMatrix pre_activation; ///< sums + bias, or null
    AnyMatrix bias;           ///< one row, or null
    AnyMatrix residual;       ///< or null; may be y
    Activation activation = Activation::none;
    bool residual_inside = false;

    /// Whether y is nothing but the sums.
    bool is_plain() const {
        return bias.at == nullptr && residual.at == nullptr && pre_activation.at == nullptr &&
               activation == Activation::none;
    }

    CLIP_DEVICE void operator()(int, std::int64_t row, std::int64_t column, Vec<float, 4> values,
                                int count) const {
        if (bias.at != nullptr)
            add(values, read_four(bias, 0, column, count));
        if (pre_activation.at != nullptr)
            write_four(pre_activation, row, column, values, count);
        Vec<float, 4> other{};
        if (residual.at != nullptr)
            other = read_four(residual, row, column, count);
        if (residual_inside)
            add(values, other);
        // Approximations are for results that are rounded to 16 bits.
        for (int i = 0; i < 4; ++i)
            values.at[i] = y.dtype == DType::f32 ? activate(activation, values.at[i])
                                                 : activate_fast(activation, values.at[i]);
        if (residual.at != nullptr && !residual_inside)
            add(values, other);
        write_four(y, row, column, values, count);
    }

    CLIP_DEVICE static void add(Vec<float, 4>& values, const Vec<float, 4>& more) {
        for (int i = 0; i < 4; ++i)
            values.at[i] += more.at[i];
    }
};

/// grad_x = sums * activation'(pre_activation)
struct GradXEpilogue {
    AnyMatrix grad_x;
    AnyMatrix pre_activation; ///< or null
    Activation activation = Activation::none;

    CLIP_DEVICE void operator()(int, std::int64_t row, std::int64_t column, Vec<float, 4> values,
                                int count) const {
        if (pre_activation.at != nullptr) {
            const Vec<float, 4> x = read_four(pre_activation, row, column, count);
            for (int i = 0; i < 4; ++i)
                values.at[i] *= activation_slope(activation, x.at[i]);
        }
        write_four(grad_x, row, column, values, count);
    }
};

/// grad += sums; with more slices than one, partial[slice] = sums, for add_slices.
struct GradWeightEpilogue {
    AnyMatrix grad;
    AnyMatrix partial; ///< (slices, rows, columns) f32, or null
    std::int64_t rows_of_slice = 0;

    CLIP_DEVICE void operator()(int slice, std::int64_t row, std::int64_t column,
                                Vec<float, 4> values, int count) const {
        if (partial.at != nullptr) {
            write_four(partial, slice * rows_of_slice + row, column, values, count);
            return;
        }
        ForwardEpilogue::add(values, read_four(grad, row, column, count));
        write_four(grad, row, column, values, count);
    }
};

} // namespace clip::cuda
