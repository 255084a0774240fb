// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>

namespace clip::ref {

/// What one step of AdamW multiplies by.
template <typename T>
struct AdamWFactors {
    T keep;                     ///< 1 - learning rate * weight decay; 1 where nothing decays
    T beta1, beta2;             ///< of the running means
    T one_minus_1, one_minus_2; ///< 1 - beta, rounded once
    T step_size;                ///< learning rate / (1 - beta1^step)
    T root_correction;          ///< sqrt(1 - beta2^step)
    T eps, grad_scale;
};

/// The factors, made in double: float32 would lose 1 - beta^step in the first steps.
template <typename T>
AdamWFactors<T> adamw_factors(double learning_rate, double beta1, double beta2, double eps,
                              double decay, double grad_scale, std::int64_t step) {
    const auto steps = static_cast<double>(step);
    return {static_cast<T>(1 - learning_rate * decay),
            static_cast<T>(beta1),
            static_cast<T>(beta2),
            static_cast<T>(1 - beta1),
            static_cast<T>(1 - beta2),
            static_cast<T>(learning_rate / (1 - std::pow(beta1, steps))),
            static_cast<T>(std::sqrt(1 - std::pow(beta2, steps))),
            static_cast<T>(eps),
            static_cast<T>(grad_scale)};
}

/// Updates `count` elements: the decay, the running means, then the step.
template <typename T>
void adamw(T* weight, const T* grad, T* mean, T* square, const AdamWFactors<T>& by,
           std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
        const T g = grad[i] * by.grad_scale;
        mean[i] = by.beta1 * mean[i] + by.one_minus_1 * g;
        square[i] = by.beta2 * square[i] + by.one_minus_2 * g * g;
        const T divisor = std::sqrt(square[i]) / by.root_correction + by.eps;
        weight[i] = weight[i] * by.keep - by.step_size * (mean[i] / divisor);
    }
}

} // namespace clip::ref
