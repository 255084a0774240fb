// SPDX-License-Identifier: MIT
#include "search/cholesky.hpp"

#include <cmath>

#include <doctest/doctest.h>

#include "base/random.hpp"

using namespace clip;

namespace {

std::vector<double> random_numbers(std::size_t count, std::uint64_t stream) {
    RandomStream random(1, stream);
    std::vector<double> out(count);
    for (double& value : out)
        value = random.next() / 4294967296.0 - 0.5;
    return out;
}

/// A A^T + I.
std::vector<double> positive_matrix(std::size_t n) {
    const std::vector<double> a = random_numbers(n * n, n);
    std::vector<double> out(n * n);
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < n; ++j) {
            out[i * n + j] = i == j ? 1 : 0;
            for (std::size_t k = 0; k < n; ++k)
                out[i * n + j] += a[i * n + k] * a[j * n + k];
        }
    return out;
}

} // namespace

TEST_CASE("cholesky: L^-T L^-1 is the inverse, whatever the size and the threads") {
    for (const std::size_t n : {1, 2, 47, 48, 49, 96, 131}) {
        CAPTURE(n);
        const std::vector<double> matrix = positive_matrix(n);
        ThreadPool one(1), three(3);
        const Cholesky factor(matrix, n, 1e-12, three), same(matrix, n, 1e-12, one);
        const std::size_t count = 11;
        const std::vector<double> rows = random_numbers(count * n, 99);
        std::vector<double> x = rows, y = rows;
        factor.solve(x);
        same.solve(y);
        CHECK(x == y);
        std::vector<double> back = x;
        factor.solve_transposed(x); // M^-1 rows
        double worst = 0;
        for (std::size_t r = 0; r < count; ++r)
            for (std::size_t i = 0; i < n; ++i) {
                double sum = 0;
                for (std::size_t j = 0; j < n; ++j)
                    sum += matrix[i * n + j] * x[r * n + j];
                worst = std::max(worst, std::abs(sum - rows[r * n + i]));
            }
        CHECK(worst < 1e-11);
        // L^T and L^-T undo each other.
        y = back;
        factor.solve_transposed(y);
        factor.multiply_transposed(y);
        worst = 0;
        for (std::size_t i = 0; i < y.size(); ++i)
            worst = std::max(worst, std::abs(y[i] - back[i]));
        CHECK(worst < 1e-11);
    }
}

TEST_CASE("cholesky: a matrix that is not quite definite has a factor nearby") {
    ThreadPool pool(1);
    std::vector<double> rows{1, 1};
    const Cholesky factor({1, 1, 1, 1}, 2, 1e-6, pool);
    factor.solve(rows);
    CHECK(std::isfinite(rows[1]));
    CHECK(rows[0] == 1);
}
