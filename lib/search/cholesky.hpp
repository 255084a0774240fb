// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/thread_pool.hpp"

namespace clip {

/// The factor L of a symmetric positive definite matrix M = L L^T.
///
/// Numerics: double; the same bits whatever the threads. A pivot that rounding made smaller than
/// `floor` is taken for `floor`: L is then that of a matrix nearby, which is good enough for what
/// this is for, choosing variables in which a function bends alike in all directions.
class Cholesky {
  public:
    /// `matrix` (n, n), of which the lower triangle is read; `floor` is positive.
    Cholesky(std::vector<double> matrix, std::size_t n, double floor, ThreadPool& pool);

    std::size_t size() const { return n_; }

    /// Replaces each row r of `rows` (R, n) by L^-1 r.
    void solve(std::span<double> rows) const;
    /// ... by L^-T r.
    void solve_transposed(std::span<double> rows) const;
    /// ... by L^T r.
    void multiply_transposed(std::span<double> rows) const;

  private:
    template <typename Body>
    void for_each_bundle(std::span<double> rows, const Body& body) const;

    std::size_t n_;
    ThreadPool& pool_;
    std::vector<double> lower_; // (n, n), above the diagonal undefined
};

} // namespace clip
