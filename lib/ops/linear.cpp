// SPDX-License-Identifier: MIT
#include "ops/linear.hpp"

#include "ops/argument_check.hpp"

namespace clip::ops {

std::unique_ptr<PreparedLinear> prepare_linear(Backend& backend, const LinearWeights& weights) {
    ArgumentCheck check("prepare linear", backend);
    check.rank("weight", weights.weight, 2);
    const std::int64_t out = weights.weight.shape[0];
    check.require(weights.weight.numel() > 0, ErrorCode::shape_mismatch, "weight has no elements");
    check.input("weight", weights.weight, weights.weight.shape);
    check.optional_input("bias", weights.bias, {out});
    check.storage(weights.storage);
    return backend.prepare_linear(weights);
}

void linear(Backend& backend, const LinearArgs& args) {
    ArgumentCheck check("linear", backend);
    check.require(args.weights != nullptr, ErrorCode::invalid_argument,
                  "weights is a null pointer");
    check.rank("x", args.x, 2);
    const std::int64_t rows = args.x.shape[0];
    const Shape shape{rows, args.weights->out_features()};
    check.input("x", args.x, {rows, args.weights->in_features()});
    check.optional_input("residual", args.residual, shape);
    check.output("y", args.y, shape, "residual");
    check.optional_output("pre_activation", args.pre_activation, shape);
    check.overlaps();
    if (rows > 0)
        backend.linear(args);
}

} // namespace clip::ops
