// SPDX-License-Identifier: MIT
// How fast pairs are screened, with each implementation of this CPU on one thread; and what the
// exact product of one row costs. JSON lines.
//
//   screen_bench [QUERIES] [WIDTH]
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "backend/cpu/cpu_backend.hpp"
#include "ops/exact_dots.hpp"
#include "ops/screen.hpp"

using namespace clip;

namespace {

constexpr std::int64_t kRows = 512; // as search screens them, in the cache

std::vector<float> unit_rows(std::int64_t count, std::int64_t width, unsigned seed) {
    std::mt19937 generator(seed);
    std::normal_distribution<float> normal;
    std::vector<float> out(static_cast<std::size_t>(count * width));
    for (std::int64_t r = 0; r < count; ++r) {
        float* row = out.data() + r * width;
        double sum = 0;
        for (std::int64_t i = 0; i < width; ++i) {
            row[i] = normal(generator);
            sum += static_cast<double>(row[i]) * static_cast<double>(row[i]);
        }
        for (std::int64_t i = 0; i < width; ++i)
            row[i] = static_cast<float>(static_cast<double>(row[i]) / std::sqrt(sum));
    }
    return out;
}

/// The best of several runs, in seconds.
template <typename Body>
double best_time(const Body& body) {
    double best = 1e9;
    for (int run = 0; run < 9; ++run) {
        const auto start = std::chrono::steady_clock::now();
        body();
        const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
        best = std::min(best, time.count());
    }
    return best;
}

} // namespace

int main(int argc, char** argv) {
    const std::int64_t count = argc > 1 ? std::atoll(argv[1]) : 1000;
    const std::int64_t width = argc > 2 ? std::atoll(argv[2]) : 512;
    const std::vector<float> rows = unit_rows(kRows, width, 1),
                             queries = unit_rows(count, width, 2);
    const std::vector<float> ones(kRows, 1.0F), limits(static_cast<std::size_t>(count), 0.19F);
    const ConstView row_view{rows.data(), {kRows, width}, DType::f32, {}};
    const ConstView query_view{queries.data(), {count, width}, DType::f32, {}};
    const auto measure = [&](std::string_view name, Backend& backend) {
        const auto prepared = ops::prepare_screen(backend, query_view);
        std::vector<ScreenPair> pairs;
        const double seconds = best_time([&] {
            pairs.clear();
            ops::screen(backend, {row_view, ones, prepared.get(), limits, &pairs});
        });
        std::vector<double> dots(kRows), norms(kRows);
        const ConstView first{queries.data(), {1, width}, DType::f32, {}};
        const double exact = best_time([&] {
            ops::exact_dots(backend, {row_view, first, dots, norms});
        });
        std::printf("{\"what\":\"screen\",\"kernels\":\"%.*s\",\"queries\":%lld,\"width\":%lld,"
                    "\"gmac_per_second\":%.1f,\"pairs\":%zu,\"exact_ns_per_row\":%.1f}\n",
                    static_cast<int>(name.size()), name.data(), static_cast<long long>(count),
                    static_cast<long long>(width),
                    1e-9 * static_cast<double>(kRows * count * width) / seconds, pairs.size(),
                    exact / kRows * 1e9);
    };
    for (const Isa isa : usable_isas()) {
        ThreadPool pool(1);
        measure(isa_name(isa), *make_cpu_backend(pool, nullptr, isa));
    }
    for (const std::string_view name : usable_int8_names()) {
        ThreadPool pool(1);
        measure(name, *make_cpu_backend(pool, nullptr, std::nullopt, name));
    }
}
