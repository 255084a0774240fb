// SPDX-License-Identifier: MIT
#include "search/cholesky.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace clip {

namespace {

constexpr std::size_t kPanel = 48; // columns that are eliminated at once
constexpr std::size_t kBundle = 8; // right-hand sides that share one pass over L
constexpr std::size_t kRowsOfTask = 16;

} // namespace

Cholesky::Cholesky(std::vector<double> matrix, std::size_t n, double floor, ThreadPool& pool)
    : n_(n), pool_(pool), lower_(std::move(matrix)) {
    double* a = lower_.data();
    std::vector<double> panel; // (columns, n): the panel, turned, so that updates run along rows
    for (std::size_t first = 0; first < n; first += kPanel) {
        const std::size_t last = std::min(first + kPanel, n);
        // The square on the diagonal.
        for (std::size_t j = first; j < last; ++j) {
            for (std::size_t k = first; k < j; ++k) {
                double sum = a[j * n + k];
                for (std::size_t m = first; m < k; ++m)
                    sum -= a[j * n + m] * a[k * n + m];
                a[j * n + k] = sum / a[k * n + k];
            }
            double pivot = a[j * n + j];
            for (std::size_t k = first; k < j; ++k)
                pivot -= a[j * n + k] * a[j * n + k];
            a[j * n + j] = std::sqrt(pivot > floor ? pivot : floor);
        }
        if (last == n)
            break;
        // What lies below it, row by row; then what is to the right of that.
        panel.resize((last - first) * n);
        pool.parallel_for(n - last, kRowsOfTask, [&](std::size_t begin, std::size_t end) {
            for (std::size_t i = last + begin; i < last + end; ++i)
                for (std::size_t k = first; k < last; ++k) {
                    double sum = a[i * n + k];
                    for (std::size_t m = first; m < k; ++m)
                        sum -= a[i * n + m] * a[k * n + m];
                    a[i * n + k] = sum / a[k * n + k];
                    panel[(k - first) * n + i] = a[i * n + k];
                }
        });
        pool.parallel_for(n - last, kRowsOfTask, [&](std::size_t begin, std::size_t end) {
            for (std::size_t i = last + begin; i < last + end; ++i)
                for (std::size_t m = first; m < last; ++m) {
                    const double factor = a[i * n + m];
                    const double* column = panel.data() + (m - first) * n;
                    for (std::size_t k = last; k <= i; ++k)
                        a[i * n + k] -= factor * column[k];
                }
        });
    }
}

/// Calls `body` with bundles of rows, turned to (n, kBundle): the innermost loop then runs over
/// rows, each of which keeps its own order of operations.
template <typename Body>
void Cholesky::for_each_bundle(std::span<double> rows, const Body& body) const {
    const std::size_t count = rows.size() / n_;
    pool_.parallel_for((count + kBundle - 1) / kBundle, 1, [&](std::size_t begin, std::size_t end) {
        std::vector<double> bundle(n_ * kBundle);
        for (std::size_t b = begin; b < end; ++b) {
            const std::size_t first = b * kBundle, held = std::min(kBundle, count - first);
            std::fill(bundle.begin(), bundle.end(), 0.0);
            for (std::size_t r = 0; r < held; ++r)
                for (std::size_t j = 0; j < n_; ++j)
                    bundle[j * kBundle + r] = rows[(first + r) * n_ + j];
            body(bundle.data());
            for (std::size_t r = 0; r < held; ++r)
                for (std::size_t j = 0; j < n_; ++j)
                    rows[(first + r) * n_ + j] = bundle[j * kBundle + r];
        }
    });
}

void Cholesky::solve(std::span<double> rows) const {
    for_each_bundle(rows, [&](double* x) {
        for (std::size_t j = 0; j < n_; ++j) {
            const double* l = lower_.data() + j * n_;
            double sum[kBundle];
            std::copy_n(x + j * kBundle, kBundle, sum);
            for (std::size_t k = 0; k < j; ++k)
                for (std::size_t r = 0; r < kBundle; ++r)
                    sum[r] -= l[k] * x[k * kBundle + r];
            for (std::size_t r = 0; r < kBundle; ++r)
                x[j * kBundle + r] = sum[r] / l[j];
        }
    });
}

void Cholesky::solve_transposed(std::span<double> rows) const {
    for_each_bundle(rows, [&](double* x) {
        for (std::size_t j = n_; j-- > 0;) {
            const double* l = lower_.data() + j * n_;
            double value[kBundle];
            for (std::size_t r = 0; r < kBundle; ++r)
                value[r] = x[j * kBundle + r] /= l[j];
            for (std::size_t k = 0; k < j; ++k)
                for (std::size_t r = 0; r < kBundle; ++r)
                    x[k * kBundle + r] -= l[k] * value[r];
        }
    });
}

void Cholesky::multiply_transposed(std::span<double> rows) const {
    for_each_bundle(rows, [&](double* x) {
        for (std::size_t j = 0; j < n_; ++j) {
            const double* l = lower_.data() + j * n_;
            double value[kBundle];
            std::copy_n(x + j * kBundle, kBundle, value);
            // Rows before j of the product are begun; row j's own part is what was in its place.
            for (std::size_t r = 0; r < kBundle; ++r)
                x[j * kBundle + r] = l[j] * value[r];
            for (std::size_t k = 0; k < j; ++k)
                for (std::size_t r = 0; r < kBundle; ++r)
                    x[k * kBundle + r] += l[k] * value[r];
        }
    });
}

} // namespace clip
