// SPDX-License-Identifier: MIT
#include "search/lbfgs.hpp"

#include <algorithm>
#include <cmath>
#include <deque>
#include <exception>
#include <limits>
#include <memory>
#include <numeric>

#include <lbfgs.h>

#include "base/concat.hpp"
#include "base/error.hpp"

namespace clip {

namespace {

constexpr int kCorrections = 10;
constexpr int kMostTrials = 15;      // evaluations of one line search
constexpr std::size_t kPast = 3;     // iterations over which the decrease is looked at
constexpr std::size_t kPadding = 16; // the SSE build of liblbfgs wants whole blocks
constexpr int kStopConverged = 1, kStopError = 2;

/// What the callbacks of C share. Nothing may be thrown through liblbfgs, which is C.
struct Run {
    const Objective& objective;
    const MinimizeOptions& options;
    std::size_t size;
    std::deque<double> past;
    double gradient_squares = 0;
    Minimum minimum;
    std::exception_ptr error;
};

/// A point that is kept. What liblbfgs reports after a search that failed is not its value.
void take(Run& run, double value, double gradient_squares) {
    run.minimum.value = value;
    run.gradient_squares = gradient_squares;
}

double evaluate(void* instance, const double* x, double* gradient, int n, double /*step*/) {
    Run& run = *static_cast<Run*>(instance);
    std::fill(gradient, gradient + n, 0.0);
    if (run.error)
        return 0;
    ++run.minimum.evaluations;
    try {
        if (run.options.stop != nullptr && run.options.stop->load())
            fail(ErrorCode::interrupted, "fit a classifier: interrupted");
        const double value = run.objective({x, run.size}, {gradient, run.size});
        if (run.minimum.evaluations == 1)
            take(run, value, std::inner_product(gradient, gradient + n, gradient, 0.0));
        return value;
    } catch (...) {
        run.error = std::current_exception();
        return 0; // with a gradient of zeros the line search ends at once
    }
}

int progress(void* instance, const double* /*x*/, const double* /*g*/, double value,
             double /*x_norm*/, double gradient_norm, double /*step*/, int /*n*/, int iteration,
             int /*searches*/) {
    Run& run = *static_cast<Run*>(instance);
    if (run.error)
        return kStopError;
    run.minimum.iterations = iteration;
    take(run, value, gradient_norm * gradient_norm);
    run.past.push_back(value);
    if (run.past.size() > kPast) {
        if (run.past.front() - value <= run.options.decrease_share * std::abs(value))
            return kStopConverged;
        run.past.pop_front();
    }
    return 0;
}

} // namespace

bool has_lbfgs() {
    return true;
}

Minimum minimize(std::vector<double>& x, const Objective& objective,
                 const MinimizeOptions& options) {
    const std::size_t padded = (x.size() + kPadding - 1) / kPadding * kPadding;
    if (x.empty() || padded > static_cast<std::size_t>(std::numeric_limits<int>::max()))
        fail(ErrorCode::invalid_argument,
             concat("fit a classifier: ", x.size(), " weights are not between 1 and 2^31"));
    const auto n = static_cast<int>(padded);
    const std::unique_ptr<double, decltype(&lbfgs_free)> variables(lbfgs_malloc(n), lbfgs_free);
    if (!variables)
        fail(ErrorCode::out_of_memory, "fit a classifier: no memory for the weights");
    std::copy(x.begin(), x.end(), variables.get());
    std::fill(variables.get() + x.size(), variables.get() + padded, 0.0);

    lbfgs_parameter_t parameters;
    lbfgs_parameter_init(&parameters);
    parameters.m = kCorrections;
    parameters.max_linesearch = kMostTrials;
    parameters.max_iterations = options.max_iterations;
    // When to end is decided in progress(), this is for what is at the minimum to begin with.
    parameters.epsilon = 1e-15;

    Run run{objective, options, x.size(), {}, 0, {}, nullptr};
    const int status = lbfgs(n, variables.get(), nullptr, evaluate, progress, &run, &parameters);
    if (run.error)
        std::rethrow_exception(run.error);
    if (status == LBFGSERR_OUTOFMEMORY)
        fail(ErrorCode::out_of_memory, "fit a classifier: no memory for L-BFGS");
    std::copy(variables.get(), variables.get() + x.size(), x.begin());
    const bool no_step = status != LBFGSERR_MAXIMUMITERATION && status < 0;
    run.minimum.converged =
        status >= 0 ||
        (no_step && run.gradient_squares <= options.gradient_share * std::abs(run.minimum.value));
    return run.minimum;
}

} // namespace clip
