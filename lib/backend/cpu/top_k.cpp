// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "backend/cpu/cpu_ops.hpp"

namespace clip::cpu {

namespace {

/// Whether place a comes before place b: larger first, NaN last, equal ones in order.
struct Before {
    const float* x;
    bool operator()(std::int64_t a, std::int64_t b) const {
        if (x[a] > x[b])
            return true;
        if (x[a] < x[b])
            return false;
        const bool a_nan = std::isnan(x[a]), b_nan = std::isnan(x[b]);
        return a_nan != b_nan ? b_nan : a < b;
    }
};

/// The first `best.size()` places of [begin, end) in order.
void select(const float* x, std::int64_t begin, std::int64_t end, std::vector<std::int64_t>& best,
            std::size_t k) {
    const Before before{x};
    best.clear();
    if (k == 0)
        return;
    for (std::int64_t i = begin; i < end; ++i) {
        if (best.size() < k) {
            best.push_back(i);
            if (best.size() == k)
                std::make_heap(best.begin(), best.end(),
                               before); // the last of the best is in front
        } else if (before(i, best.front())) {
            std::pop_heap(best.begin(), best.end(), before);
            best.back() = i;
            std::push_heap(best.begin(), best.end(), before);
        }
    }
    std::sort(best.begin(), best.end(), before);
}

} // namespace

void top_k(Context& context, const TopKArgs& args) {
    const std::int64_t width = args.x.shape.back();
    const std::int64_t rows = width == 0 ? 0 : args.x.numel() / width;
    const auto k = static_cast<std::size_t>(args.k);
    constexpr std::int64_t kElementsOfPart = 32768;
    const std::int64_t grain =
        std::max<std::int64_t>(1, kElementsOfPart / std::max<std::int64_t>(1, width));
    context.pool.parallel_for(static_cast<std::size_t>(rows), static_cast<std::size_t>(grain),
                              [&](std::size_t begin, std::size_t end) {
                                  std::vector<std::int64_t> best;
                                  best.reserve(k);
                                  for (std::size_t row = begin; row < end; ++row) {
                                      const float* x =
                                          args.x.f32() + static_cast<std::int64_t>(row) * width;
                                      select(x, 0, width, best, k);
                                      for (std::size_t i = 0; i < best.size(); ++i) {
                                          args.values.f32()[row * k + i] = x[best[i]];
                                          args.indices[row * k + i] = best[i];
                                      }
                                  }
                              });
}

} // namespace clip::cpu
