// SPDX-License-Identifier: MIT
#include "ops/adamw.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/argument_check.hpp"

namespace clip::ops {

namespace {

constexpr std::int64_t kElementsOfPart = 16384;

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
    struct Part {
        const float* grad;
        std::int64_t count;
    };
    std::vector<Part> parts;
    for (const AdamWParameter& parameter : parameters)
        for (std::int64_t first = 0; first < parameter.count; first += kElementsOfPart)
            parts.push_back(
                {parameter.grad + first, std::min(kElementsOfPart, parameter.count - first)});
    std::vector<double> sums(parts.size());
    backend.pool().parallel_for(parts.size(), 1, [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) {
            double lanes[8] = {}; // several chains, which the compiler may put into registers
            std::int64_t j = 0;
            for (; j + 8 <= parts[i].count; j += 8)
                for (std::int64_t lane = 0; lane < 8; ++lane) {
                    const double g = parts[i].grad[j + lane];
                    lanes[lane] += g * g;
                }
            for (; j < parts[i].count; ++j)
                lanes[0] += static_cast<double>(parts[i].grad[j]) * parts[i].grad[j];
            for (const double lane : lanes)
                sums[i] += lane;
        }
    });
    double total = 0;
    for (const double sum : sums)
        total += sum;
    return std::sqrt(total);
}

} // namespace clip::ops
