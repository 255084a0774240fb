// SPDX-License-Identifier: MIT
// Rows of matrices, without copying them.
#pragma once

#include <cstdint>

#include "tensor/tensor.hpp"

namespace clip::trainer {

/// Rows [first, first + count) of a matrix.
template <typename View>
View rows_from(View view, std::int64_t first, std::int64_t count) {
    view.data = view.f32() + first * view.shape[1];
    view.shape = Shape{count, view.shape[1]};
    return view;
}

/// The same of a tensor's elements, taken as rows of `width`.
inline MutView rows_of(Tensor& tensor, std::int64_t first, std::int64_t count, std::int64_t width) {
    return part_of(tensor.view(), first * width, Shape{count, width});
}

/// Elements [first, first + count) of a tensor.
inline MutView vector_of(Tensor& tensor, std::int64_t first, std::int64_t count) {
    return part_of(tensor.view(), first, Shape{count});
}

} // namespace clip::trainer
