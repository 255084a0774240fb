// SPDX-License-Identifier: MIT
#include "ops/linear.hpp"

#include "ops/argument_check.hpp"

namespace clip::ops {

std::unique_ptr<PreparedLinear> prepare_linear(Backend& backend, const LinearWeights& weights) {
    ArgumentCheck check("prepare linear", backend);
    check.rank("weight", weights.weight, 2);
    const std::int64_t out = weights.weight.shape[0];
    check.require(weights.weight.numel() > 0, ErrorCode::shape_mismatch, "weight has no elements");
    check.weight("weight", weights.weight, weights.weight.shape);
    check.optional_weight("bias", weights.bias, {out});
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
    check.layer_input("x", args.x, {rows, args.weights->in_features()});
    check.optional_input("residual", args.residual, shape);
    check.layer_output("y", args.y, shape, "residual");
    check.optional_layer_output("pre_activation", args.pre_activation, shape);
    check.overlaps();
    if (rows > 0)
        backend.linear(args);
}

void update_linear(Backend& backend, PreparedLinear& prepared, const LinearWeights& weights) {
    ArgumentCheck check("update linear", backend);
    const std::int64_t out = prepared.out_features();
    check.weight("weight", weights.weight, {out, prepared.in_features()});
    check.optional_weight("bias", weights.bias, {out});
    check.storage(weights.storage);
    backend.update_linear(prepared, weights);
}

void linear_backward(Backend& backend, const LinearBackwardArgs& args) {
    ArgumentCheck check("linear backward", backend);
    check.rank("grad_y", args.grad_y, 2);
    const std::int64_t rows = args.grad_y.shape[0];
    const std::int64_t out = args.grad_y.shape[1];
    check.layer_input("grad_y", args.grad_y, {rows, out});
    if (args.grad_x.data != nullptr) {
        check.rank("grad_x", args.grad_x, 2);
        const std::int64_t in = args.grad_x.shape[1];
        check.input("weight", args.weight, {out, in});
        check.layer_output("grad_x", args.grad_x, {rows, in});
        if (args.activation != Activation::none)
            check.layer_input("pre_activation", args.pre_activation, {rows, in});
    }
    if (args.grad_weight.data != nullptr) {
        check.rank("grad_weight", args.grad_weight, 2);
        const std::int64_t in = args.grad_weight.shape[1];
        check.layer_input("x", args.x, {rows, in});
        check.output("grad_weight", args.grad_weight, {out, in});
    }
    check.optional_output("grad_bias", args.grad_bias, {out});
    check.overlaps();
    if (rows > 0)
        backend.linear_backward(args);
}

} // namespace clip::ops
