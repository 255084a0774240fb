// SPDX-License-Identifier: MIT
// Operands of products of whole matrices: converted and aligned where they are not yet, and the
// kind of product that an element type asks for.
#pragma once

#include <cstdint>

#include "backend/cuda/context.hpp"
#include "backend/cuda/gemm_math.hpp"
#include "backend/cuda/prepared.hpp"
#include "backend/cuda/tile_loader.hpp"
#include "base/concat.hpp"
#include "base/error.hpp"

namespace clip::cuda {

/// Rows that all begin at multiples of 16 bytes.
struct AlignedMatrix : PitchedRows {
    /// For row-major operands that are read along rows (k contiguous) or across them.
    template <typename T, bool KContiguous>
    MatrixLoader<T, KContiguous> loader() const {
        return {Global<const T>(static_cast<const T*>(at)), rows, width, pitch};
    }
};

/// `from` (rows, width), dense, as an operand of type `to_type`: itself where it is one already,
/// otherwise a copy in `scope`. Types are f32, f16 or bf16.
AlignedMatrix align_matrix(Context& context, Workspace::Scope& scope, const void* from,
                           DType from_type, std::int64_t rows, std::int64_t width, DType to_type);

/// Copies (rows, width), dense, to rows that are aligned_pitch() apart.
void align_rows(Context& context, void* to, DType to_type, const void* from, DType from_type,
                std::int64_t rows, std::int64_t width);

/// Calls body.operator()<Math>() with the product for factors of this type, as the options say.
template <typename Body>
void visit_math(const CudaOptions& options, DType factors, const Body& body) {
    switch (factors) {
    case DType::f16:
        return body.template operator()<Math16<Half>>();
    case DType::bf16:
        return body.template operator()<Math16<BFloat16>>();
    case DType::f32:
        return options.tf32 ? body.template operator()<MathTf32>()
                            : body.template operator()<MathTf32x3>();
    default:
        fail(ErrorCode::internal, concat("cuda: no product of ", dtype_name(factors)));
    }
}

} // namespace clip::cuda
