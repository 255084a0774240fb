// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>

#include "backend/op_args.hpp"

namespace clip::ref {

/// A point-wise function of one value; see Activation for the formulas.
template <typename T>
T activate(Activation activation, T x) {
    switch (activation) {
    case Activation::none:
        return x;
    case Activation::relu:
        return x < T(0) ? T(0) : x; // a NaN stays one
    case Activation::quick_gelu:
        return x / (T(1) + std::exp(T(-1.702) * x));
    case Activation::gelu:
        return T(0.5) * x * (T(1) + std::erf(x * T(0.70710678118654752440)));
    }
    return x;
}

/// The derivative of activate().
template <typename T>
T activation_slope(Activation activation, T x) {
    switch (activation) {
    case Activation::none:
        return T(1);
    case Activation::relu:
        return x > T(0) ? T(1) : x != x ? x : T(0);
    case Activation::quick_gelu: {
        const T gate = T(1) / (T(1) + std::exp(T(-1.702) * x));
        return gate + T(1.702) * x * gate * (T(1) - gate);
    }
    case Activation::gelu: {
        const T normal = T(0.5) * (T(1) + std::erf(x * T(0.70710678118654752440)));
        return normal + x * T(0.39894228040143267794) * std::exp(T(-0.5) * x * x);
    }
    }
    return T(1);
}

} // namespace clip::ref
