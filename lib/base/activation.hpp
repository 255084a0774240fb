// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string_view>

namespace clip {

/// Point-wise functions that a linear layer or a convolution applies to its result.
enum class Activation : std::uint8_t {
    none,
    relu,
    quick_gelu, ///< x * sigmoid(1.702 x); Hendrycks & Gimpel 2016, section 2
    gelu,       ///< x * Phi(x) with the error function, not its tanh approximation
};

/// "quick_gelu" and so on, as configurations spell them.
constexpr std::string_view activation_name(Activation activation) {
    switch (activation) {
    case Activation::none:
        return "none";
    case Activation::relu:
        return "relu";
    case Activation::quick_gelu:
        return "quick_gelu";
    case Activation::gelu:
        return "gelu";
    }
    return "none";
}

} // namespace clip
