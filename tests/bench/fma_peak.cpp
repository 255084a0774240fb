// SPDX-License-Identifier: MIT
#include "fma_peak.hpp"

#include <cstddef>
#include <ctime>

namespace clip::bench {

namespace {

#if defined(__AVX512F__)
constexpr std::size_t kLanes = 16;
#elif defined(__AVX__)
constexpr std::size_t kLanes = 8;
#else
constexpr std::size_t kLanes = 4;
#endif
constexpr int kChains = 12; // hides a latency of 4 on two units, leaves registers free
typedef float Vec __attribute__((vector_size(kLanes * sizeof(float))));

float spin(long steps, float a, float b) {
    Vec sums[kChains];
    for (int i = 0; i < kChains; ++i)
        sums[i] = Vec{} + static_cast<float>(i);
    Vec x = Vec{} + a, y = Vec{} + b;
    for (long step = 0; step < steps; ++step) {
#pragma GCC unroll 12
        for (int i = 0; i < kChains; ++i)
            sums[i] = sums[i] * x + y;
    }
    float total = 0;
    for (int i = 0; i < kChains; ++i)
        total += sums[i][0];
    return total;
}

} // namespace

double cpu_seconds() {
    timespec now{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

double fma_peak() {
    constexpr long kSteps = 4'000'000;
    double best = 0;
    volatile float sink = 0;
    for (int run = 0; run < 5; ++run) {
        const double start = cpu_seconds();
        sink = sink + spin(kSteps, 0.999f, 1e-3f);
        const double seconds = cpu_seconds() - start;
        const double rate = 2.0 * kLanes * kChains * static_cast<double>(kSteps) / seconds / 1e9;
        best = rate > best ? rate : best;
    }
    return best;
}

} // namespace clip::bench
