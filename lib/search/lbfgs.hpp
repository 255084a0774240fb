// SPDX-License-Identifier: MIT
// Minimising a smooth function of many variables, by liblbfgs where the build has it.
#pragma once

#include <atomic>
#include <functional>
#include <span>
#include <vector>

namespace clip {

/// Whether minimize() is in this build.
bool has_lbfgs();

struct MinimizeOptions {
    int max_iterations = 1000;
    /// Ends where the value fell by no more than this share over three iterations.
    double decrease_share = 1e-7;
    /// Where no step leads down any further, because the rest is rounding: whether that is a
    /// minimum is told by the squared length of the gradient, at most this share of the value. Made
    /// for variables in which second derivatives are about 1.
    double gradient_share = 1e-6;
    const std::atomic<bool>* stop = nullptr; ///< ends with Error `interrupted`
};

struct Minimum {
    double value = 0;
    int iterations = 0;
    int evaluations = 0;
    bool converged = false; ///< false: max_iterations came first, or no step led down any further
};

/// Returns the value at x (n) and writes the gradient (n).
using Objective = std::function<double(std::span<const double> x, std::span<double> gradient)>;

/// Finds a minimum from `x` on, which it replaces. L-BFGS with ten corrections and the line search
/// of More and Thuente. Deterministic where `objective` is.
/// Errors: unsupported (not in this build), out_of_memory, invalid_argument (too many variables),
/// interrupted, and what `objective` throws.
/// Source: Liu and Nocedal, On the limited memory BFGS method for large scale optimization (1989).
Minimum minimize(std::vector<double>& x, const Objective& objective,
                 const MinimizeOptions& options = {});

} // namespace clip
