// SPDX-License-Identifier: MIT
// The point-wise functions of base/activation.hpp and their derivatives, for kernels: the epilogues
// of products and convolutions, and activation.cu.
//
// Formulas and what comes of NaN and infinities are those of backend/ref/activation.hpp: quick_gelu
// of -inf is NaN there, since x / (1 + exp(-1.702 x)) is -inf / inf, and so it is here.
//
// `activation` is nearly always the same for a whole launch. Passed as a constant, the switch is
// gone; passed as a kernel's argument, it is a branch that no two threads take differently.
//
// activate_fast() is for results that are rounded to 16 bits: its exponential and its reciprocal
// are the hardware's approximations, a few parts in 10^7 off, a hundredth of what the rounding
// takes. A quick_gelu is then 5 instructions in place of some 25.
#pragma once

#include "backend/cuda/device_api.hpp"
#include "base/activation.hpp"

namespace clip::cuda {

inline constexpr float kQuickGeluSlope = 1.702F;
inline constexpr float kRootHalf = 0.70710678118654752440F;      ///< 1 / sqrt(2)
inline constexpr float kNormalDensity = 0.39894228040143267794F; ///< 1 / sqrt(2 pi)
inline constexpr float kLog2E = 1.4426950408889634074F;

/// max(x, 0), of which a NaN stays one.
CLIP_DEVICE float relu(float x) {
    return x < 0.0F ? 0.0F : x;
}

/// x * Phi(x)
CLIP_DEVICE float gelu(float x) {
    return 0.5F * x * (1.0F + erf(x * kRootHalf));
}

CLIP_DEVICE float activate(Activation activation, float x) {
    switch (activation) {
    case Activation::none:
        return x;
    case Activation::relu:
        return relu(x);
    case Activation::quick_gelu:
        return x / (1.0F + exp(-kQuickGeluSlope * x));
    case Activation::gelu:
        return gelu(x);
    }
    return x;
}

CLIP_DEVICE float activate_fast(Activation activation, float x) {
    if (activation == Activation::quick_gelu)
        return x * reciprocal_fast(1.0F + exp2_fast(-kQuickGeluSlope * kLog2E * x));
    return activate(activation, x);
}

/// The derivative of activate().
CLIP_DEVICE float activation_slope(Activation activation, float x) {
    switch (activation) {
    case Activation::none:
        return 1.0F;
    case Activation::relu:
        return x > 0.0F ? 1.0F : x != x ? x : 0.0F;
    case Activation::quick_gelu: {
        const float gate = 1.0F / (1.0F + exp(-kQuickGeluSlope * x));
        return gate + kQuickGeluSlope * x * gate * (1.0F - gate);
    }
    case Activation::gelu: {
        const float normal = 0.5F * (1.0F + erf(x * kRootHalf));
        return normal + x * kNormalDensity * exp(-0.5F * x * x);
    }
    }
    return 1.0F;
}

/// The activation of `x` as a T holds it.
template <typename T>
CLIP_DEVICE float activate_for(Activation activation, float x) {
    if constexpr (sizeof(T) == 2)
        return activate_fast(activation, x);
    else
        return activate(activation, x);
}

} // namespace clip::cuda
