// SPDX-License-Identifier: MIT
#include "search/logistic_regression.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "ops/linear.hpp"
#include "search/cholesky.hpp"
#include "search/exact_math.hpp"
#include "search/lbfgs.hpp"

namespace clip {

namespace {

// Rows of one product: their sums are float32 inside and double across.
constexpr std::size_t kBlockRows = 2048;
constexpr std::size_t kRowsOfTask = 32; // rows whose losses one task computes

std::int64_t as_size(std::size_t size) {
    return static_cast<std::int64_t>(size);
}

/// The loss of one row; its scores are replaced by the loss's derivatives. `scores` (C).
double softmax_loss(std::span<float> scores, std::uint32_t truth, std::span<double> scratch) {
    const double most = *std::max_element(scores.begin(), scores.end());
    double sum = 0;
    for (std::size_t c = 0; c < scores.size(); ++c)
        scratch[c] = exact_exp(static_cast<double>(scores[c]) - most);
    for (std::size_t c = 0; c < scores.size(); ++c)
        sum += scratch[c];
    const double loss = exact_log(sum) + most - static_cast<double>(scores[truth]);
    for (std::size_t c = 0; c < scores.size(); ++c)
        scores[c] = static_cast<float>(scratch[c] / sum);
    // Not p - 1: for a row that is almost right nothing of it would be left in float32.
    double others = 0;
    for (std::size_t c = 0; c < scores.size(); ++c)
        others += c == truth ? 0 : scratch[c];
    scores[truth] = static_cast<float>(-others / sum);
    return loss;
}

/// The loss of one row that is of none of the classes; scores become derivatives.
double sigmoid_loss(std::span<float> scores) {
    double loss = 0;
    for (float& score : scores) {
        // The class is taken to be absent: ln(1 + e^z), and its derivative.
        const double z = score, e = exact_exp(-std::abs(z));
        loss += std::max(z, 0.0) + exact_log(1 + e);
        score = static_cast<float>(z > 0 ? 1 / (1 + e) : e / (1 + e));
    }
    return loss;
}

} // namespace

struct LogisticRegression::State {
    struct Block {
        std::vector<float> rows;                    // (B, D): centred features
        std::unique_ptr<PreparedLinear> transposed; // in B, out D
        std::size_t first = 0, count = 0;           // which rows
    };

    Backend& backend;
    RowClasses truth;
    std::size_t dim;
    std::vector<double> mean;     // (D)
    std::vector<double> products; // (D, D): sums over rows of centred features' products
    std::vector<Block> blocks;

    State(Backend& where, RowClasses classes, std::size_t width)
        : backend(where), truth(std::move(classes)), dim(width) {}

    /// What each weight vector is penalised with. Of two classes they end up opposite, each half of
    /// the difference that lambda is meant for: lambda / 2 |u|^2 is lambda (|u/2|^2 + |-u/2|^2).
    double penalty(double lambda) const {
        return truth.classes == 2 && !truth.several ? 2 * lambda : lambda;
    }
    void measure(const float* x, std::span<const std::uint32_t> rows);
    Cholesky curvature(double bend, double penalty) const;
    void prepare_blocks(const float* x, std::span<const std::uint32_t> rows);
    double losses(const Block& block, std::span<float> scores) const;
    double sum_of_losses(std::span<const double> weights, std::span<const double> bias,
                         std::span<double> grad_weights, std::span<double> grad_bias) const;
};

void LogisticRegression::State::measure(const float* x, std::span<const std::uint32_t> rows) {
    mean.assign(dim, 0.0);
    constexpr std::size_t kFeaturesOfTask = 64;
    backend.pool().parallel_for(dim, kFeaturesOfTask, [&](std::size_t begin, std::size_t end) {
        for (const std::size_t row : rows)
            for (std::size_t d = begin; d < end; ++d)
                mean[d] += x[row * dim + d];
        for (std::size_t d = begin; d < end; ++d)
            mean[d] /= static_cast<double>(truth.rows());
    });
}

void LogisticRegression::State::prepare_blocks(const float* x,
                                               std::span<const std::uint32_t> rows) {
    std::vector<float> transposed, product(dim * dim);
    products.assign(dim * dim, 0.0);
    for (std::size_t first = 0; first < truth.rows(); first += kBlockRows) {
        Block& block = blocks.emplace_back();
        block.first = first;
        block.count = std::min(kBlockRows, truth.rows() - first);
        block.rows.resize(block.count * dim);
        transposed.resize(block.count * dim);
        backend.pool().parallel_for(
            block.count, kRowsOfTask, [&](std::size_t begin, std::size_t end) {
                for (std::size_t i = begin; i < end; ++i)
                    for (std::size_t d = 0; d < dim; ++d) {
                        const auto value =
                            static_cast<float>(x[rows[first + i] * dim + d] - mean[d]);
                        block.rows[i * dim + d] = value;
                        transposed[d * block.count + i] = value;
                    }
            });
        const Shape shape{as_size(dim), as_size(block.count)};
        block.transposed = ops::prepare_linear(backend, {.weight = {transposed.data(), shape}});
        ops::linear(backend, {.x = {transposed.data(), shape},
                              .weights = block.transposed.get(),
                              .y = {product.data(), Shape{as_size(dim), as_size(dim)}}});
        for (std::size_t k = 0; k < products.size(); ++k)
            products[k] += product[k];
    }
}

/// The second derivatives of a class's weights, where each row bends the loss by `bend`.
Cholesky LogisticRegression::State::curvature(double bend, double penalty) const {
    // Products are sums in float32: what is smaller than this share of the largest is noise.
    constexpr double kNoise = 1e-6;
    std::vector<double> matrix(products.size());
    double largest = 0;
    for (std::size_t d = 0; d < dim; ++d)
        largest = std::max(largest, products[d * dim + d]);
    const double ridge = penalty + kNoise * bend * largest;
    for (std::size_t k = 0; k < products.size(); ++k)
        matrix[k] = bend * products[k];
    for (std::size_t d = 0; d < dim; ++d)
        matrix[d * dim + d] += ridge;
    return {std::move(matrix), dim, ridge, backend.pool()};
}

/// The sum of the block's losses; `scores` (B, C) become their derivatives.
double LogisticRegression::State::losses(const Block& block, std::span<float> scores) const {
    std::vector<double> each(block.count);
    backend.pool().parallel_for(block.count, kRowsOfTask, [&](std::size_t begin, std::size_t end) {
        std::vector<double> scratch(truth.classes);
        for (std::size_t i = begin; i < end; ++i) {
            const std::span<float> row = scores.subspan(i * truth.classes, truth.classes);
            const std::span<const std::uint32_t> classes = truth.of(block.first + i);
            if (!truth.several) {
                each[i] = softmax_loss(row, classes.front(), scratch);
                continue;
            }
            std::vector<double> margins;
            for (const std::uint32_t c : classes)
                margins.push_back(row[c]);
            each[i] = sigmoid_loss(row);
            for (std::size_t k = 0; k < classes.size(); ++k) {
                // It is present: ln(1 + e^z) - z, whose derivative is that of -z, negated.
                const double e = exact_exp(-std::abs(margins[k]));
                each[i] -= margins[k];
                row[classes[k]] = static_cast<float>(margins[k] > 0 ? -e / (1 + e) : -1 / (1 + e));
            }
        }
    });
    double sum = 0;
    for (const double loss : each)
        sum += loss;
    return sum;
}

/// The unpenalised part of the objective for centred features, and its gradient.
double LogisticRegression::State::sum_of_losses(std::span<const double> weights,
                                                std::span<const double> bias,
                                                std::span<double> grad_weights,
                                                std::span<double> grad_bias) const {
    const std::size_t classes = truth.classes;
    const std::vector<float> narrow(weights.begin(), weights.end());
    const std::vector<float> narrow_bias(bias.begin(), bias.end());
    const auto prepared = ops::prepare_linear(
        backend, {.weight = {narrow.data(), Shape{as_size(classes), as_size(dim)}},
                  .bias = {narrow_bias.data(), Shape{as_size(classes)}}});
    std::fill(grad_weights.begin(), grad_weights.end(), 0.0);
    std::fill(grad_bias.begin(), grad_bias.end(), 0.0);
    std::vector<float> scores, turned, product(classes * dim);
    double sum = 0;
    for (const Block& block : blocks) {
        const auto rows = as_size(block.count);
        scores.resize(block.count * classes);
        turned.resize(scores.size());
        ops::linear(backend, {.x = {block.rows.data(), Shape{rows, as_size(dim)}},
                              .weights = prepared.get(),
                              .y = {scores.data(), Shape{rows, as_size(classes)}}});
        sum += losses(block, scores);
        backend.pool().parallel_for(classes, 1, [&](std::size_t begin, std::size_t end) {
            for (std::size_t c = begin; c < end; ++c)
                for (std::size_t i = 0; i < block.count; ++i) {
                    turned[c * block.count + i] = scores[i * classes + c];
                    grad_bias[c] += scores[i * classes + c];
                }
        });
        ops::linear(backend, {.x = {turned.data(), Shape{as_size(classes), rows}},
                              .weights = block.transposed.get(),
                              .y = {product.data(), Shape{as_size(classes), as_size(dim)}}});
        backend.pool().parallel_for(classes, 1, [&](std::size_t begin, std::size_t end) {
            for (std::size_t k = begin * dim; k < end * dim; ++k)
                grad_weights[k] += product[k];
        });
    }
    return sum;
}

LogisticRegression::LogisticRegression(Backend& backend, ConstView features,
                                       const RowClasses& classes,
                                       std::span<const std::uint32_t> rows) {
    if (features.shape.rank() != 2 || features.shape[1] < 1 || rows.empty() ||
        static_cast<std::size_t>(features.shape[0]) != classes.rows() ||
        *std::max_element(rows.begin(), rows.end()) >= classes.rows())
        fail(ErrorCode::invalid_argument,
             "fit a classifier: no features, or no class for some row");
    if (classes.classes < 2)
        fail(ErrorCode::invalid_argument,
             concat("fit a classifier: ", classes.classes, " classes (want at least 2)"));
    RowClasses chosen{.classes = classes.classes, .several = classes.several};
    for (const std::size_t row : rows)
        chosen.add(classes.of(row));
    state_ = std::make_unique<State>(backend, std::move(chosen),
                                     static_cast<std::size_t>(features.shape[1]));
    const auto* x = static_cast<const float*>(features.data);
    state_->measure(x, rows);
    state_->prepare_blocks(x, rows);
}

LogisticRegression::~LogisticRegression() = default;

double LogisticRegression::objective(double lambda, const LinearClassifier& classifier) const {
    const State& state = *state_;
    std::vector<double> bias = classifier.bias;
    for (std::size_t c = 0; c < state.truth.classes; ++c)
        for (std::size_t d = 0; d < state.dim; ++d)
            bias[c] += classifier.weights[c * state.dim + d] * state.mean[d];
    std::vector<double> grad_weights(classifier.weights.size()), grad_bias(bias.size());
    double squares = 0;
    for (const double w : classifier.weights)
        squares += w * w;
    return state.sum_of_losses(classifier.weights, bias, grad_weights, grad_bias) +
           state.penalty(lambda) / 2 * squares;
}

FitResult LogisticRegression::fit(double lambda, const Options& options) const {
    if (!(lambda > 0) || !std::isfinite(lambda))
        fail(ErrorCode::invalid_argument,
             concat("fit a classifier: lambda is ", lambda, " (want a positive number)"));
    const State& state = *state_;
    const std::size_t classes = state.truth.classes, dim = state.dim;
    const double penalty = state.penalty(lambda);
    const std::size_t size = classes * dim;
    // Where nothing is known of a row, its loss bends by p (1 - p) along each score.
    const double p = state.truth.several ? 0.5 : 1.0 / static_cast<double>(classes);
    const double bend = p * (1 - p);
    // Variables in which all second derivatives are about 1: of a class's weights, L^T w, where
    // L L^T is what they are there.
    const Cholesky factor = state.curvature(bend, penalty);
    const double bias_scale = 1 / std::sqrt(bend * static_cast<double>(state.truth.rows()));

    // x: (C, D) scaled weights, then (C) scaled biases.
    std::vector<double> x(size + classes, 0.0);
    if (options.start != nullptr)
        for (std::size_t c = 0; c < classes; ++c) {
            double bias = options.start->bias[c];
            for (std::size_t d = 0; d < dim; ++d) {
                const double weight = options.start->weights[c * dim + d];
                bias += weight * state.mean[d];
                x[c * dim + d] = weight;
            }
            x[size + c] = bias / bias_scale;
        }
    factor.multiply_transposed(std::span(x).first(size));
    std::vector<double> weights(size), bias(classes);
    const auto unscale = [&](std::span<const double> variables) {
        std::copy_n(variables.begin(), size, weights.begin());
        factor.solve_transposed(weights);
        for (std::size_t c = 0; c < classes; ++c)
            bias[c] = variables[size + c] * bias_scale;
    };
    const Objective objective = [&](std::span<const double> variables, std::span<double> gradient) {
        unscale(variables);
        const double value = state.sum_of_losses(weights, bias, gradient.first(size),
                                                 gradient.subspan(size, classes));
        double squares = 0;
        for (std::size_t k = 0; k < size; ++k) {
            squares += weights[k] * weights[k];
            gradient[k] += penalty * weights[k];
        }
        factor.solve(gradient.first(size));
        for (std::size_t c = 0; c < classes; ++c)
            gradient[size + c] *= bias_scale;
        return value + penalty / 2 * squares;
    };
    const Minimum minimum =
        minimize(x, objective, {.max_iterations = options.max_iterations, .stop = options.stop});
    unscale(x);
    for (std::size_t c = 0; c < classes; ++c)
        for (std::size_t d = 0; d < dim; ++d)
            bias[c] -= weights[c * dim + d] * state.mean[d];
    return {.classifier = {std::move(weights), std::move(bias)},
            .objective = minimum.value,
            .iterations = minimum.iterations,
            .converged = minimum.converged};
}

LinearScorer::LinearScorer(Backend& backend, const LinearClassifier& classifier)
    : backend_(backend) {
    const std::vector<float> weights(classifier.weights.begin(), classifier.weights.end());
    const std::vector<float> bias(classifier.bias.begin(), classifier.bias.end());
    const Shape shape{as_size(bias.size()), as_size(weights.size() / bias.size())};
    prepared_ = ops::prepare_linear(
        backend, {.weight = {weights.data(), shape}, .bias = {bias.data(), Shape{shape[0]}}});
}

void LinearScorer::score(ConstView features, MutView scores) const {
    ops::linear(backend_, {.x = features, .weights = prepared_.get(), .y = scores});
}

} // namespace clip
