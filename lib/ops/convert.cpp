// SPDX-License-Identifier: MIT
#include "ops/convert.hpp"

#include "ops/argument_check.hpp"

namespace clip::ops {

void convert(Backend& backend, const ConvertArgs& args) {
    ArgumentCheck check("convert", backend);
    for (const DType dtype : {args.x.dtype, args.y.dtype})
        check.require(dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16,
                      ErrorCode::dtype_mismatch, "a type is neither f32 nor f16 nor bf16");
    check.input_of(args.x.dtype, "x", args.x, args.x.shape);
    check.output_of(args.y.dtype, "y", args.y, args.x.shape);
    check.overlaps();
    if (args.x.numel() > 0)
        backend.convert(args);
}

} // namespace clip::ops
