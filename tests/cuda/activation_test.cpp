// SPDX-License-Identifier: MIT
// Activations with special values and at any alignment; conversions between all types between
// layers.
#include "ops/activation.hpp"

#include <limits>

#include "backend/cuda/activation_math.hpp"
#include "backend/ref/activation.hpp"
#include "cuda/device_call.hpp"
#include "ops/convert.hpp"

using namespace clip;
using namespace clip::test;

namespace {

constexpr Activation kActivations[] = {Activation::none, Activation::relu, Activation::quick_gelu,
                                       Activation::gelu};
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

/// What is none, and numbers beside which others would not be seen.
constexpr float kSpecial[] = {kInfinity, -kInfinity, kNaN, -0.0F, 1e-30F, -1e30F, 1e30F};

/// Special points, then numbers from far below to far above 0.
std::vector<float> points() {
    std::vector<float> x(std::begin(kSpecial), std::end(kSpecial));
    for (int i = -1000; i <= 1000; ++i)
        x.push_back(static_cast<float>(i) * 0.1F);
    return x;
}

template <typename T>
std::vector<T> without_special(const std::vector<T>& from) {
    return {from.begin() + std::size(kSpecial), from.end()};
}

} // namespace

TEST_CASE("cuda activation: formulas and special values are the reference's, at any alignment") {
    EmulatedDevice device;
    const auto x = points();
    const auto grad_y = values(static_cast<std::int64_t>(x.size()), 1);
    for (const Activation activation : kActivations)
        for (const std::int64_t offset : {0, 1}) {
            const Shape shape{1, static_cast<std::int64_t>(x.size())};
            const auto solve = [&]<typename T>(T) {
                std::vector<std::vector<T>> out(2);
                for (std::size_t i = 0; i < x.size(); ++i) {
                    out[0].push_back(ref::activate(activation, T(x[i])));
                    out[1].push_back(T(grad_y[i]) * ref::activation_slope(activation, T(x[i])));
                }
                return out;
            };
            const auto oracle = solve(double{});
            const auto naive = solve(float{});
            DeviceCall call(device);
            const ConstView from = call.in(x, shape, DType::f32, offset);
            const ConstView grad = call.in(grad_y, shape, DType::f32, offset);
            const MutView y = call.out(shape), grad_x = call.out(shape);
            ops::activation(device.backend(), {.x = from, .activation = activation, .y = y});
            ops::activation_backward(
                device.backend(),
                {.x = from, .grad_y = grad, .activation = activation, .grad_x = grad_x});
            const Results got = call.results();
            for (std::size_t o = 0; o < 2; ++o) {
                for (std::size_t i = 0; i < std::size(kSpecial); ++i)
                    check_close(concat(activation_name(activation), " of ", x[i], ", output ", o),
                                {got[o][i]}, {oracle[o][i]}, {naive[o][i]});
                check_close(concat(activation_name(activation), ", output ", o),
                            without_special(got[o]), without_special(oracle[o]),
                            without_special(naive[o]));
            }
        }
}

TEST_CASE("cuda activation: the fast forms are as exact as 16 bits can show") {
    for (const Activation activation : kActivations)
        for (const float x : points()) {
            const double want = ref::activate(activation, static_cast<double>(x));
            for (const float got :
                 {cuda::activate_fast(activation, x), cuda::activate_for<Half>(activation, x)}) {
                INFO(activation_name(activation), " of ", x);
                if (want != want)
                    CHECK(got != got);
                else if (std::abs(want) > 1e38)
                    CHECK(static_cast<double>(got) ==
                          static_cast<double>(static_cast<float>(want)));
                else
                    CHECK(std::abs(static_cast<double>(got) - want) <=
                          1e-5 * std::abs(want) + 1e-7);
            }
        }
}

TEST_CASE("cuda convert: between all types, to the nearest, at any alignment") {
    EmulatedDevice device;
    std::vector<float> x = points();
    for (const float special : {65504.0F, 65519.0F, 65520.0F, 6e-8F, 3e-8F, 1.00048828125F,
                                1.00146484375F, 1.00390625F, 1.01171875F, 3.4e38F})
        x.push_back(special);
    while (x.size() % 4 != 0)
        x.push_back(1);
    const Shape shape{static_cast<std::int64_t>(x.size())};
    for (const DType from : kLayerTypes)
        for (const DType to : kLayerTypes)
            for (const std::int64_t offset : {0, 1}) {
                const auto start = rounded(x, from);
                DeviceCall call(device);
                const ConstView in = call.in(start, shape, from, offset);
                const MutView out = call.out(shape, to);
                ops::convert(device.backend(), {.x = in, .y = out});
                check_same_bits(concat(dtype_name(from), " to ", dtype_name(to), " + ", offset),
                                call.results()[0], rounded(start, to));
            }
}
