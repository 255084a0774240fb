// SPDX-License-Identifier: MIT
#include "ops/adamw.hpp"

#include <cmath>

#include "ops/argument_check.hpp"

namespace clip::ops {

namespace {

void check_parameters(const ArgumentCheck& check, std::span<const AdamWParameter> parameters) {
    for (const AdamWParameter& parameter : parameters) {
        check.require(parameter.count >= 0, ErrorCode::invalid_argument,
                      "a parameter has a negative number of elements");
        check.require(parameter.count == 0 || parameter.grad != nullptr,
                      ErrorCode::invalid_argument, "a gradient is a null pointer");
    }
}

} // namespace

void adamw(Backend& backend, const AdamWArgs& args) {
    const ArgumentCheck check("adamw", backend);
    check_parameters(check, args.parameters);
    for (const AdamWParameter& parameter : args.parameters)
        check.require(parameter.count == 0 ||
                          (parameter.weight != nullptr && parameter.mean != nullptr &&
                           parameter.square != nullptr),
                      ErrorCode::invalid_argument, "a parameter or its state is a null pointer");
    const auto good_beta = [](double beta) { return beta >= 0 && beta < 1; };
    check.require(args.step >= 1, ErrorCode::invalid_argument, "step is less than 1");
    check.require(good_beta(args.beta1) && good_beta(args.beta2), ErrorCode::invalid_argument,
                  "a beta is not in 0 to 1");
    check.require(args.eps > 0, ErrorCode::invalid_argument, "eps is not positive");
    backend.adamw(args);
}

double grad_norm(Backend& backend, std::span<const AdamWParameter> parameters) {
    check_parameters(ArgumentCheck("grad norm", backend), parameters);
    return std::sqrt(backend.sum_of_squares({.parameters = parameters}));
}

} // namespace clip::ops
