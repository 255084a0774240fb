// SPDX-License-Identifier: MIT
// Logistic regression on features: the classifier of the paper's linear probe.
//
// Minimises  sum over rows of loss(W x + b, classes)  +  lambda / 2 |W|^2.
// For rows of one class each, the loss is the cross-entropy of the softmax (multinomial); for rows
// of any number of classes, the sum over classes of the cross-entropy of the sigmoid (one against
// the rest). Of two classes, one weight vector is penalised, the difference between the two (the
// binomial model). The bias is not penalised. scikit-learn's LogisticRegression minimises the same
// with C = 1 / lambda.
// Source: Radford et al. 2021, appendix A.3.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "backend/backend.hpp"

namespace clip {

/// The classes of each row, one row after the other.
struct RowClasses {
    std::size_t classes = 0;            ///< C
    bool several = false;               ///< whether a row may have another number of them than one
    std::vector<std::size_t> starts{0}; ///< (N + 1), into `members`
    std::vector<std::uint32_t> members;

    std::size_t rows() const { return starts.size() - 1; }
    template <typename Range>
    void add(const Range& row) {
        members.insert(members.end(), row.begin(), row.end());
        starts.push_back(members.size());
    }
    std::span<const std::uint32_t> of(std::size_t row) const {
        return {members.data() + starts[row], starts[row + 1] - starts[row]};
    }
};

/// W x + b.
struct LinearClassifier {
    std::vector<double> weights; ///< (C, D)
    std::vector<double> bias;    ///< (C)
};

struct FitResult {
    LinearClassifier classifier;
    double objective = 0; ///< what was minimised, at its minimum
    int iterations = 0;
    bool converged = false;
};

/// A training set, prepared for fits with several lambdas.
class LogisticRegression {
  public:
    /// Fits the rows `rows` of `features` (N, D), float32 and finite, and of `classes`; at least
    /// one row and two classes. Memory: 8 bytes a feature of these rows, in blocks for products in
    /// both directions, and 8 D^2 bytes. Nothing of the arguments is kept but `backend`. Errors:
    /// invalid_argument (sizes that do not fit each other), out_of_memory.
    LogisticRegression(Backend& backend, ConstView features, const RowClasses& classes,
                       std::span<const std::uint32_t> rows);
    ~LogisticRegression();
    LogisticRegression(const LogisticRegression&) = delete;
    LogisticRegression& operator=(const LogisticRegression&) = delete;

    struct Options {
        int max_iterations = 1000;
        const LinearClassifier* start = nullptr; ///< where to begin; null: at zero
        const std::atomic<bool>* stop = nullptr;
    };
    /// Errors: invalid_argument (lambda is not positive and finite), and those of minimize().
    ///
    /// Numerics: products in float32, in blocks of rows whose results are summed in double; losses
    /// in double. Deterministic: the same bits whatever the threads. Features are centred and
    /// scaled inside, which moves no minimum but is found in far fewer iterations.
    FitResult fit(double lambda, const Options& options) const;
    FitResult fit(double lambda) const { return fit(lambda, Options{}); }

    /// The function that fit() minimises, at any classifier.
    double objective(double lambda, const LinearClassifier& classifier) const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

/// Computes W x + b in float32.
class LinearScorer {
  public:
    LinearScorer(Backend& backend, const LinearClassifier& classifier);
    /// `features` (N, D); `scores` (N, C).
    void score(ConstView features, MutView scores) const;

  private:
    Backend& backend_;
    std::unique_ptr<PreparedLinear> prepared_;
};

} // namespace clip
