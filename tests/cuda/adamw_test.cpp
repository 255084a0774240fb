// SPDX-License-Identifier: MIT
// AdamW and the sum of squares over many parameters: bits, launches, alignments. And what adds,
// turns and multiplies matrices, where the tables of tests/ops have aligned ones only.
#include "ops/adamw.hpp"

#include <cmath>

#include "backend/cuda/emulation/emulator.hpp"
#include "backend/ref/adamw.hpp"
#include "cuda/device_call.hpp"
#include "ops/add.hpp"
#include "ops/row_dots.hpp"
#include "ops/transpose.hpp"

using namespace clip;
using namespace clip::test;

namespace {

struct Parameter {
    std::vector<float> weight, grad, mean, square;
    std::int64_t offset;
    bool decays;
};

// One piece, several, tails of a quad, single elements; offsets that take the vectors away.
std::vector<Parameter> some_parameters() {
    std::vector<Parameter> all;
    std::uint64_t seed = 1;
    for (const std::int64_t count : {1, 4096, 4097, 3, 20'000, 16, 8191, 5, 1})
        for (const std::int64_t offset : {0, 1}) {
            Parameter each{values(count, seed),
                           values(count, seed + 1),
                           values(count, seed + 2),
                           values(count, seed + 3),
                           offset,
                           seed % 3 != 0};
            for (float& value : each.square)
                value *= value;
            seed += 4;
            all.push_back(std::move(each));
        }
    return all;
}

std::vector<AdamWParameter> place(DeviceCall& call, const std::vector<Parameter>& all) {
    std::vector<AdamWParameter> placed;
    for (const Parameter& each : all) {
        const auto count = static_cast<std::int64_t>(each.weight.size());
        const auto at = [&](const std::vector<float>& from) {
            return call.in_out(from, {count}, DType::f32, each.offset).f32();
        };
        const auto* grad = call.in(each.grad, {count}, DType::f32, each.offset).f32();
        placed.push_back({.grad = grad, .count = count, .decays = each.decays});
        placed.back().weight = at(each.weight);
        placed.back().mean = at(each.mean);
        placed.back().square = at(each.square);
    }
    placed.push_back({}); // without elements
    return placed;
}

} // namespace

TEST_CASE("cuda adamw: one launch over all parameters, with the reference's bits") {
    EmulatedDevice device;
    std::vector<Parameter> all = some_parameters();
    DeviceCall call(device);
    const auto placed = place(call, all);
    for (std::int64_t step = 1; step <= 3; ++step) {
        AdamWArgs args;
        args.parameters = placed;
        args.learning_rate = 1e-3;
        args.weight_decay = 0.2;
        args.beta2 = 0.98;
        args.eps = 1e-6;
        args.grad_scale = 0.37F;
        args.step = step;
        const std::uint64_t before = cuda::emulation::counters().launches;
        ops::adamw(device.backend(), args);
        CHECK(cuda::emulation::counters().launches == before + 1);
        for (Parameter& each : all)
            ref::adamw(each.weight.data(), each.grad.data(), each.mean.data(), each.square.data(),
                       ref::adamw_factors<float>(args.learning_rate, args.beta1, args.beta2,
                                                 args.eps, each.decays ? args.weight_decay : 0,
                                                 static_cast<double>(args.grad_scale), step),
                       static_cast<std::int64_t>(each.weight.size()));
    }
    const Results got = call.results();
    for (std::size_t i = 0; i < all.size(); ++i) {
        check_same_bits(concat("weight ", i), got[3 * i], all[i].weight);
        check_same_bits(concat("mean ", i), got[3 * i + 1], all[i].mean);
        check_same_bits(concat("square ", i), got[3 * i + 2], all[i].square);
    }
}

TEST_CASE("cuda sum of squares: all parameters, the same bits wherever they lie") {
    EmulatedDevice device;
    std::vector<Parameter> all = some_parameters();
    double want = 0;
    for (const Parameter& each : all)
        for (const float g : each.grad)
            want += static_cast<double>(g) * static_cast<double>(g);
    DeviceCall call(device);
    const double sum = device.backend().sum_of_squares({.parameters = place(call, all)});
    CHECK(std::abs(sum - want) <= 1e-12 * want);
    for (Parameter& each : all)
        each.offset = 1 - each.offset;
    DeviceCall other(device);
    CHECK(device.backend().sum_of_squares({.parameters = place(other, all)}) == sum);
    CHECK(device.backend().sum_of_squares({}) == 0);
    all[3].grad[0] = std::numeric_limits<float>::infinity();
    DeviceCall third(device);
    CHECK(std::isinf(device.backend().sum_of_squares({.parameters = place(third, all)})));
}

TEST_CASE("cuda add, blend, transpose, row dots: any shape and alignment, bit for bit") {
    EmulatedDevice device;
    struct Size {
        std::int64_t rows, columns;
    };
    for (const auto& [rows, columns] :
         {Size{1, 1}, {3, 31}, {32, 33}, {64, 32}, {33, 100}, {5, 1028}})
        for (const std::int64_t offset : {0, 1}) {
            const auto x = values(rows * columns, 1), y = values(rows * columns, 2);
            const Shape shape{rows, columns}, turned_shape{columns, rows};
            std::vector<float> sum(x.size()), mixed(x.size()), turned(x.size()), added(x.size());
            std::vector<double> want(static_cast<std::size_t>(rows)), dots(want);
            for (std::size_t i = 0; i < x.size(); ++i) {
                sum[i] = y[i] + x[i];
                mixed[i] = y[i] + 0.3F * (x[i] - y[i]);
                const std::size_t row = i / static_cast<std::size_t>(columns);
                const std::size_t column = i % static_cast<std::size_t>(columns);
                const std::size_t to = column * static_cast<std::size_t>(rows) + row;
                turned[to] = x[i];
                added[to] = y[to] + x[i];
                want[row] += static_cast<double>(x[i]) * static_cast<double>(y[i]);
            }
            DeviceCall call(device);
            const ConstView from = call.in(x, shape, DType::f32, offset);
            const ConstView other = call.in(y, shape, DType::f32, offset);
            const MutView to[] = {call.in_out(y, shape), call.in_out(y, shape, DType::f32, offset),
                                  call.out(turned_shape, DType::f32, offset),
                                  call.in_out(y, turned_shape)};
            ops::add(device.backend(), {.x = from, .y = to[0]});
            ops::blend(device.backend(), {.x = from, .amount = 0.3F, .y = to[1]});
            ops::transpose(device.backend(), {.x = from, .y = to[2]});
            ops::transpose(device.backend(), {.x = from, .add = true, .y = to[3]});
            ops::row_dots(device.backend(), {.x = from, .y = other, .dots = dots});
            const std::string name = concat(rows, " x ", columns, ", offset ", offset);
            const Results got = call.results();
            check_same_bits(concat("add ", name), got[0], sum);
            check_same_bits(concat("blend ", name), got[1], mixed);
            check_same_bits(concat("transpose ", name), got[2], turned);
            check_same_bits(concat("transpose and add ", name), got[3], added);
            for (std::size_t r = 0; r < want.size(); ++r)
                CHECK(dots[r] == doctest::Approx(want[r]).epsilon(1e-12));
        }
}
