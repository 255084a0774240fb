// SPDX-License-Identifier: MIT
// Variants, element types and alignments of layer norm that the case tables of tests/ops do not
// have.
#include "ops/layer_norm.hpp"

#include <limits>

#include "backend/ref/layer_norm.hpp"
#include "cuda/device_call.hpp"

using namespace clip;
using namespace clip::test;

namespace {

// Tails of a quad, of a warp's step and of each size of the warp's variant; 1024 is its last.
constexpr std::int64_t kWidths[] = {1,   31,   33,   64,   512,  516, 640,
                                    768, 1000, 1024, 1025, 1028, 5000};
constexpr float kEps = 1e-5F;

template <typename T>
std::vector<std::vector<T>> forward(const std::vector<T>& x, const std::vector<T>& gamma,
                                    const std::vector<T>& beta, std::int64_t rows) {
    const auto count = static_cast<std::size_t>(rows);
    std::vector<T> y(x.size()), mean(count), rstd(count);
    ref::layer_norm<T>(y.data(), mean.data(), rstd.data(), x.data(), gamma.data(), beta.data(),
                       T(kEps), rows, static_cast<std::int64_t>(gamma.size()));
    return {y, mean, rstd};
}

struct Problem {
    std::int64_t rows, width;
    std::vector<float> x, gamma, beta;

    Problem(std::int64_t number, std::int64_t columns)
        : rows(number), width(columns), x(values(rows * width, 1)), gamma(values(width, 2)),
          beta(values(width, 3)) {}
    /// y, mean and rstd of rows [first, first + count).
    Results run(EmulatedDevice& device, DType dtype, std::int64_t offset, std::int64_t first,
                std::int64_t count) const {
        DeviceCall call(device);
        LayerNormArgs args;
        args.x = call.in({x.begin() + first * width, x.begin() + (first + count) * width},
                         {count, width}, DType::f32, offset);
        args.gamma = call.in(gamma, {width}, DType::f32, offset);
        args.beta = call.in(beta, {width});
        args.y = call.out({count, width}, dtype, offset);
        args.mean = call.out({count});
        args.rstd = call.out({count});
        ops::layer_norm(device.backend(), args);
        return call.results();
    }
};

struct Gradients {
    std::int64_t rows, width;
    DType dtype; ///< of grad_y
    std::vector<float> x, gamma, grad_y, residual, mean, rstd;

    Gradients(std::int64_t number, std::int64_t columns, DType type = DType::f32)
        : rows(number), width(columns), dtype(type), x(values(rows * width, 1)),
          gamma(values(width, 2)), grad_y(rounded(values(rows * width, 3), type)),
          residual(values(rows * width, 4)) {
        const auto saved = forward(as<double>(x), as<double>(gamma), as<double>(gamma), rows);
        mean.assign(saved[1].begin(), saved[1].end());
        rstd.assign(saved[2].begin(), saved[2].end());
    }
    template <typename T>
    std::vector<std::vector<T>> solve() const {
        std::vector<T> grad_x(x.size()), grad_gamma(gamma.size(), 1), grad_beta(gamma.size(), 2);
        const auto from = as<T>(x), g = as<T>(grad_y), m = as<T>(mean), r = as<T>(rstd);
        ref::layer_norm_grad_x<T>(grad_x.data(), from.data(), as<T>(gamma).data(), m.data(),
                                  r.data(), g.data(), as<T>(residual).data(), rows, width);
        for (std::int64_t i = 0; i < width; ++i)
            ref::layer_norm_grad_gain<T>(grad_gamma.data(), grad_beta.data(), from.data(), m.data(),
                                         r.data(), g.data(), rows, width, i);
        return {grad_x, grad_gamma, grad_beta};
    }
    Results run(EmulatedDevice& device, std::int64_t offset, bool has_residual = true,
                bool has_gamma = true, bool has_beta = true) const {
        DeviceCall call(device);
        const Shape shape{rows, width};
        LayerNormBackwardArgs args;
        args.x = call.in(x, shape, DType::f32, offset);
        args.gamma = call.in(gamma, {width});
        args.mean = call.in(mean, {rows});
        args.rstd = call.in(rstd, {rows});
        args.grad_y = call.in(grad_y, shape, dtype, offset);
        if (has_residual)
            args.residual = call.in(residual, shape, DType::f32, offset);
        args.grad_x = call.out(shape, DType::f32, offset);
        const std::vector<float> one(gamma.size(), 1), two(gamma.size(), 2);
        const MutView grad_gamma = call.in_out(one, {width}), grad_beta = call.in_out(two, {width});
        if (has_gamma)
            args.grad_gamma = grad_gamma;
        if (has_beta)
            args.grad_beta = grad_beta;
        ops::layer_norm_backward(device.backend(), args);
        return call.results();
    }
};

} // namespace

TEST_CASE("cuda layer norm: every width and type, and the same bits at any alignment") {
    EmulatedDevice device;
    for (const std::int64_t width : kWidths)
        for (const DType dtype : kLayerTypes) {
            const Problem problem(6, width);
            const auto oracle = forward(as<double>(problem.x), as<double>(problem.gamma),
                                        as<double>(problem.beta), problem.rows);
            const auto naive = forward(problem.x, problem.gamma, problem.beta, problem.rows);
            const Results got = problem.run(device, dtype, 0, 0, problem.rows);
            const Results odd = problem.run(device, dtype, 1, 0, problem.rows);
            for (std::size_t o = 0; o < 3; ++o) {
                const std::string name =
                    concat("layer norm ", width, ", ", dtype_name(dtype), ", output ", o);
                check_close(name, got[o], oracle[o], naive[o], o == 0 ? dtype : DType::f32);
                check_same_bits(concat(name, ", unaligned"), odd[o], got[o]);
            }
        }
}

TEST_CASE("cuda layer norm: a row has its bits in any company") {
    EmulatedDevice device;
    for (const std::int64_t width : {33, 768, 1028}) {
        const Problem problem(130, width);
        const Results all = problem.run(device, DType::f16, 0, 0, problem.rows);
        for (const std::int64_t first : {0, 3, 64, 129}) {
            const Results part = problem.run(device, DType::f16, 0, first, 1);
            check_same_bits(concat("row ", first, " of ", width), part[0],
                            {all[0].begin() + first * width, all[0].begin() + (first + 1) * width});
        }
    }
}

TEST_CASE("cuda layer norm: NaN and infinity spoil their row and no other") {
    EmulatedDevice device;
    for (const std::int64_t width : {64, 1028}) {
        Problem problem(3, width);
        problem.x[static_cast<std::size_t>(width) + 7] = std::numeric_limits<float>::infinity();
        problem.x[static_cast<std::size_t>(2 * width) + 9] =
            std::numeric_limits<float>::quiet_NaN();
        check_close(concat("layer norm ", width), problem.run(device, DType::f32, 0, 0, 3)[0],
                    forward(as<double>(problem.x), as<double>(problem.gamma),
                            as<double>(problem.beta), 3)[0],
                    forward(problem.x, problem.gamma, problem.beta, 3)[0]);
    }
}

TEST_CASE("cuda layer norm backward: every width and type, and the same bits at any alignment") {
    EmulatedDevice device;
    for (const std::int64_t width : kWidths)
        for (const DType dtype : kLayerTypes) {
            const Gradients problem(5, width, dtype);
            const auto oracle = problem.solve<double>();
            const auto naive = problem.solve<float>();
            const Results got = problem.run(device, 0), odd = problem.run(device, 1);
            for (std::size_t o = 0; o < 3; ++o) {
                const std::string name = concat("layer norm backward ", width, ", grad_y ",
                                                dtype_name(dtype), ", output ", o);
                check_close(name, got[o], oracle[o], naive[o]);
                check_same_bits(concat(name, ", unaligned"), odd[o], got[o]);
            }
        }
}

TEST_CASE("cuda layer norm backward: many slices of rows, and gradients left out") {
    EmulatedDevice device;
    const Gradients problem(2000, 20);
    const auto oracle = problem.solve<double>();
    const auto naive = problem.solve<float>();
    const Results got = problem.run(device, 0);
    for (std::size_t o = 0; o < 3; ++o)
        check_close(concat("layer norm backward of 2000 rows, output ", o), got[o], oracle[o],
                    naive[o]);
    const std::vector<float> one(20, 1), two(20, 2);
    const Results beta_only = problem.run(device, 0, true, false, true);
    check_same_bits("gamma left out", beta_only[1], one);
    check_same_bits("beta alone", beta_only[2], got[2]);
    const Results gamma_only = problem.run(device, 0, true, true, false);
    check_same_bits("gamma alone", gamma_only[1], got[1]);
    check_same_bits("beta left out", gamma_only[2], two);
    // Without its residual, grad_x is what it was less the residual.
    const Results bare = problem.run(device, 0, false);
    std::vector<float> sum(bare[0].size());
    for (std::size_t i = 0; i < sum.size(); ++i)
        sum[i] = bare[0][i] + problem.residual[i];
    check_same_bits("the residual is added last", sum, got[0]);
}
