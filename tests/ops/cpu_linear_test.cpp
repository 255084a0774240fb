// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <limits>

#include "ops/cpu_cases.hpp"

using namespace clip;
using namespace clip::test;

namespace {

struct Problem {
    std::int64_t rows, in, out;
    std::vector<float> x, w, bias, residual;

    Problem(std::int64_t m, std::int64_t k, std::int64_t n, float scale = 1)
        : rows(m), in(k), out(n), x(spread(m * k, 1, scale)), w(spread(n * k, 2, scale)),
          bias(spread(n, 3)), residual(spread(m * n, 4)) {}

    /// What a packed weight is worth, and what its row is multiplied by at the end.
    std::vector<float> stored(DType storage, std::vector<float>& scale) const {
        std::vector<float> values = w;
        scale.assign(static_cast<std::size_t>(out), 1.0f);
        for (std::int64_t n = 0; n < out; ++n) {
            float* row = values.data() + n * in;
            float most = 0;
            for (std::int64_t k = 0; k < in; ++k)
                most = std::max(most, std::fabs(row[k]));
            if (storage == DType::i8)
                scale[static_cast<std::size_t>(n)] = most / 127.0f;
            for (std::int64_t k = 0; k < in; ++k) {
                if (storage == DType::bf16)
                    row[k] = static_cast<float>(BFloat16(row[k]));
                if (storage == DType::f16)
                    row[k] = static_cast<float>(Half(row[k]));
                if (storage == DType::i8)
                    row[k] = std::nearbyintf(row[k] * (127.0f / most));
            }
        }
        return values;
    }

    /// The bits that every instruction set must give: a chain of fused multiply-adds from 0, then
    /// scale, bias and residual.
    std::vector<float> exact(DType storage = DType::f32) const {
        std::vector<float> scale;
        const std::vector<float> values = stored(storage, scale);
        std::vector<float> y(static_cast<std::size_t>(rows * out));
        for (std::int64_t m = 0; m < rows; ++m)
            for (std::int64_t n = 0; n < out; ++n) {
                float sum = 0;
                for (std::int64_t k = 0; k < in; ++k)
                    sum = std::fma(x[static_cast<std::size_t>(m * in + k)],
                                   values[static_cast<std::size_t>(n * in + k)], sum);
                if (storage == DType::i8)
                    sum *= scale[static_cast<std::size_t>(n)];
                const auto at = static_cast<std::size_t>(m * out + n);
                y[at] = (sum + bias[static_cast<std::size_t>(n)]) + residual[at];
            }
        return y;
    }

    /// Runs on unaligned memory; y is the residual's memory where `in_place`.
    std::vector<float> run(Backend& backend, DType storage = DType::f32,
                           bool in_place = false) const {
        Unaligned weights(w), biases(bias), inputs(x), added(residual);
        Unaligned result(static_cast<std::size_t>(rows * out));
        const auto prepared =
            backend.prepare_linear({weights.view({out, in}), biases.view({out}), storage});
        LinearArgs args;
        args.x = inputs.view({rows, in});
        args.weights = prepared.get();
        args.residual = added.view({rows, out});
        args.y = in_place ? added.out({rows, out}) : result.out({rows, out});
        backend.linear(args);
        CHECK(inputs.intact());
        CHECK(same_bits(inputs.copy(), x));
        CHECK(added.intact());
        CHECK(result.intact());
        return in_place ? added.copy() : result.copy();
    }
};

} // namespace

TEST_CASE("cpu linear: every number of rows gives the bits of one multiply-add chain") {
    std::vector<std::int64_t> counts;
    for (std::int64_t m = 1; m <= 40; ++m)
        counts.push_back(m);
    counts.insert(counts.end(), {50, 77, 200, 777});
    for (const std::int64_t m : counts) {
        const Problem problem(m, 67, 83);
        const std::vector<float> want = problem.exact();
        for (const auto& run : cpu_runs()) {
            INFO(run->name << ", rows " << m);
            CHECK(same_bits(problem.run(*run->backend), want));
        }
    }
}

TEST_CASE("cpu linear: extents that do not fill a panel, a vector or a prefetch step") {
    for (const std::int64_t in : {1, 2, 7, 16, 31, 33, 768, 1000})
        for (const std::int64_t out : {1, 15, 16, 17, 31, 32, 33, 64, 65, 96}) {
            const Problem problem(5 + in % 13, in, out);
            const std::vector<float> want = problem.exact();
            for (const auto& run : cpu_runs()) {
                INFO(run->name << ", in " << in << ", out " << out);
                CHECK(same_bits(problem.run(*run->backend), want));
            }
        }
}

TEST_CASE("cpu linear: y may be the residual's memory") {
    const Problem problem(100, 48, 70);
    const std::vector<float> want = problem.exact();
    for (const auto& run : cpu_runs()) {
        INFO(run->name);
        CHECK(same_bits(problem.run(*run->backend, DType::f32, true), want));
    }
}

TEST_CASE("cpu linear: weights kept as bf16, f16 and i8 are rounded once and then exact") {
    for (const DType storage : {DType::bf16, DType::f16, DType::i8})
        for (const std::int64_t m : {1, 5, 14, 15, 50}) {
            const Problem problem(m, 75, 43);
            const std::vector<float> want = problem.exact(storage);
            for (const auto& run : cpu_runs()) {
                INFO(run->name << ", " << dtype_name(storage) << ", rows " << m);
                CHECK(same_bits(problem.run(*run->backend, storage), want));
            }
        }
}

TEST_CASE("cpu linear: a row of zero weights kept as i8 gives the bias") {
    Problem problem(3, 20, 5);
    std::fill(problem.w.begin(), problem.w.end(), 0.0f);
    std::fill(problem.residual.begin(), problem.residual.end(), 0.0f);
    for (const auto& run : cpu_runs()) {
        INFO(run->name);
        const std::vector<float> y = problem.run(*run->backend, DType::i8);
        for (std::size_t i = 0; i < y.size(); ++i)
            CHECK(y[i] == problem.bias[i % 5]);
    }
}

TEST_CASE("cpu linear: fused multiply-adds are exact where sums cancel, overflow and underflow") {
    for (const float scale : {1e-22f, 1e-19f, 1e15f, 1e19f}) {
        Problem problem(6, 40, 20, scale);
        // Half of each sum cancels all but the last bits of the other half.
        for (std::int64_t m = 0; m < problem.rows; ++m)
            for (std::int64_t k = 0; k < problem.in / 2; ++k)
                problem.x[static_cast<std::size_t>(m * problem.in + k + problem.in / 2)] =
                    -std::nextafter(problem.x[static_cast<std::size_t>(m * problem.in + k)], 0.0f);
        for (std::int64_t n = 0; n < problem.out; ++n)
            for (std::int64_t k = 0; k < problem.in / 2; ++k)
                problem.w[static_cast<std::size_t>(n * problem.in + k + problem.in / 2)] =
                    problem.w[static_cast<std::size_t>(n * problem.in + k)];
        std::fill(problem.bias.begin(), problem.bias.end(), 0.0f);
        std::fill(problem.residual.begin(), problem.residual.end(), 0.0f);
        const std::vector<float> want = problem.exact();
        for (const auto& run : cpu_runs()) {
            INFO(run->name << ", scale " << scale);
            const std::vector<float> got = problem.run(*run->backend);
            bool same = true; // any NaN is as good as any other
            for (std::size_t i = 0; i < want.size(); ++i)
                same = same && (std::isnan(want[i]) ? std::isnan(got[i])
                                                    : std::memcmp(&want[i], &got[i], 4) == 0);
            CHECK(same);
        }
    }
}

TEST_CASE(
    "cpu linear: activations come between bias and residual, and what goes into them is saved") {
    const std::int64_t rows = 37, in = 20, out = 41;
    const std::vector<float> x = spread(rows * in, 1, 2), w = spread(out * in, 2),
                             bias = spread(out, 3);
    const std::vector<float> added = spread(rows * out, 4);
    for (const Activation activation :
         {Activation::relu, Activation::quick_gelu, Activation::gelu}) {
        std::vector<float> first;
        for (const auto& run : cpu_runs()) {
            INFO(run->name);
            Unaligned xs(x), ws(w), bs(bias), rs(added);
            Unaligned y(added.size()), saved(added.size());
            const auto prepared =
                run->backend->prepare_linear({ws.view({out, in}), bs.view({out}), DType::f32});
            LinearArgs args;
            args.x = xs.view({rows, in});
            args.weights = prepared.get();
            args.activation = activation;
            args.residual = rs.view({rows, out});
            args.y = y.out({rows, out});
            args.pre_activation = saved.out({rows, out});
            run->backend->linear(args);
            CHECK(y.intact());
            CHECK(saved.intact());
            const std::vector<float> got = y.copy(), before = saved.copy();
            for (std::size_t i = 0; i < got.size(); ++i) {
                const double v = before[i];
                const double want = activation == Activation::relu ? std::max(v, 0.0)
                                    : activation == Activation::quick_gelu
                                        ? v / (1 + std::exp(-1.702 * v))
                                        : v * 0.5 * std::erfc(-v / std::sqrt(2.0));
                // Five roundings of the function and one of the sum.
                CHECK(std::fabs(got[i] - (want + added[i])) <=
                      6e-7 * std::fabs(v) + 6.0e-8 * std::fabs(want + added[i]) + 1e-37);
            }
            if (first.empty())
                first = got;
            CHECK(same_bits(got, first));
        }
    }
}

TEST_CASE("cpu linear: activations of special values") {
    const float infinity = std::numeric_limits<float>::infinity();
    const std::vector<float> x = {0.0f,   -0.0f,    1e-38f,
                                  200.0f, -200.0f,  1e30f,
                                  -1e30f, infinity, std::numeric_limits<float>::quiet_NaN()};
    const auto count = static_cast<std::int64_t>(x.size());
    for (const auto& run : cpu_runs())
        for (const Activation activation :
             {Activation::relu, Activation::quick_gelu, Activation::gelu}) {
            INFO(run->name << ", activation " << static_cast<int>(activation));
            const std::vector<float> one = {1.0f};
            Unaligned xs(x), ws(one), y(x.size());
            const auto prepared = run->backend->prepare_linear({ws.view({1, 1}), {}, DType::f32});
            LinearArgs args;
            args.x = xs.view({count, 1});
            args.weights = prepared.get();
            args.activation = activation;
            args.y = y.out({count, 1});
            run->backend->linear(args);
            const std::vector<float> got = y.copy();
            CHECK(got[0] == 0.0f);
            CHECK(got[1] == 0.0f);
            CHECK(std::fabs(got[2]) <= 1e-38f);
            CHECK(got[3] == 200.0f);
            CHECK(std::fabs(got[4]) <= 1e-37f);
            CHECK(got[5] == 1e30f);
            CHECK(got[6] == 0.0f);
            CHECK(got[7] == infinity);
            CHECK(std::isnan(got[8]));
        }
}

TEST_CASE("cpu backend: names what runs and refuses an instruction set that is not there") {
    ThreadPool pool(1);
    for (const Isa isa : usable_isas()) {
        const auto backend = make_cpu_backend(pool, nullptr, isa);
        CHECK(backend->name() == "cpu");
        CHECK(backend->implementation("linear") == isa_name(isa));
    }
    CHECK(usable_isas().front() == Isa::portable);
    CHECK(make_cpu_backend(pool, nullptr)->implementation("attention") == cpu_isa_name());
    std::vector<Isa> absent = {Isa::neon, Isa::avx2, Isa::avx512};
    for (const Isa isa : usable_isas())
        std::erase(absent, isa);
    for (const Isa isa : absent) {
        ErrorCode code = ErrorCode::internal;
        try {
            make_cpu_backend(pool, nullptr, isa);
        } catch (const Error& error) {
            code = error.code();
        }
        CHECK(code == ErrorCode::unsupported);
    }
}
