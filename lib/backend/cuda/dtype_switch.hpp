// SPDX-License-Identifier: MIT
#pragma once

#include "base/concat.hpp"
#include "base/dtype.hpp"

namespace clip::cuda {

/// Calls body.operator()<T>() with the C++ type of what goes between layers: f32, f16 or bf16.
/// Errors: internal (another type: ops/ lets none through).
template <typename Body>
decltype(auto) visit_layer_type(DType dtype, Body&& body) {
    switch (dtype) {
    case DType::f32:
        return body.template operator()<float>();
    case DType::f16:
        return body.template operator()<Half>();
    case DType::bf16:
        return body.template operator()<BFloat16>();
    default:
        fail(ErrorCode::internal, concat("cuda: no kernel for elements of ", dtype_name(dtype)));
    }
}

} // namespace clip::cuda
