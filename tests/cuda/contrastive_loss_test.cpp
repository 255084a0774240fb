// SPDX-License-Identifier: MIT
// Widths, tails, alignments and values of the losses of pairs that
// tests/ops/contrastive_loss_test.cpp does not have.
#include "ops/contrastive_loss.hpp"

#include <cmath>
#include <limits>

#include "backend/ref/contrastive_loss.hpp"
#include "backend/ref/l2_normalize.hpp"
#include "cuda/device_call.hpp"

using namespace clip;
using namespace clip::test;

namespace {

struct Row {
    std::int64_t rows, columns, first, width;
    float scale;
};

constexpr Row kRows[] = {{1, 1, 0, 1, 100},       {33, 33, 0, 31, 100},   {1, 128, 127, 64, 14},
                         {128, 128, 0, 512, 100}, {3, 300, 200, 768, 50}, {2, 65, 63, 1000, 20},
                         {66, 1100, 1000, 33, 30}};

std::string name_of(const Row& row) {
    return concat(row.rows, " rows, ", row.columns, " columns, width ", row.width);
}

std::vector<float> normalised(std::int64_t rows, std::int64_t width, std::uint64_t seed) {
    std::vector<float> x = values(rows * width, seed);
    ref::l2_normalize<float>(x.data(), nullptr, x.data(), rows, width);
    return x;
}

struct Inputs {
    std::vector<float> rows, columns, row_sums, column_sums;
};

/// Log-sum-exps near those that belong to the scores.
Inputs inputs_of(const Row& row) {
    Inputs in{normalised(row.rows, row.width, 2), normalised(row.columns, row.width, 1),
              scaled_values(row.rows, 4, 0.1F), scaled_values(row.columns, 3, 0.1F)};
    for (auto* sums : {&in.row_sums, &in.column_sums})
        for (float& sum : *sums)
            sum += row.scale;
    return in;
}

/// log_sum_exp, target, grad_rows
template <typename T>
std::vector<std::vector<T>> contrastive_reference(const Row& row, const Inputs& in) {
    const auto rows = as<T>(in.rows), columns = as<T>(in.columns);
    const auto row_sums = as<T>(in.row_sums), column_sums = as<T>(in.column_sums);
    std::vector<T> sums(row_sums.size()), target(row_sums.size()), grad(rows.size());
    for (std::int64_t r = 0; r < row.rows; ++r) {
        const auto at = static_cast<std::size_t>(r);
        sums[at] = ref::contrastive_row(&target[at], rows.data() + r * row.width, columns.data(),
                                        T(row.scale), row.first + r, row.columns, row.width);
        ref::contrastive_grad_row(grad.data() + r * row.width, rows.data() + r * row.width,
                                  columns.data(), T(row.scale), row.first + r, row_sums[at],
                                  column_sums.data(), T(0.01F), row.columns, row.width);
    }
    return {sums, target, grad};
}

std::vector<std::vector<float>> contrastive(EmulatedDevice& device, const Row& row,
                                            const Inputs& in, std::int64_t offset) {
    DeviceCall call(device);
    const ConstView rows = call.in(in.rows, {row.rows, row.width}, DType::f32, offset);
    const ConstView columns = call.in(in.columns, {row.columns, row.width}, DType::f32, offset);
    ops::contrastive_rows(device.backend(),
                          {rows, columns, row.first, row.scale,
                           call.out({row.rows}, DType::f32, offset), call.out({row.rows})});
    ops::contrastive_rows_backward(device.backend(),
                                   {rows, columns, row.first, row.scale,
                                    call.in(in.row_sums, {row.rows}, DType::f32, offset),
                                    call.in(in.column_sums, {row.columns}, DType::f32, offset),
                                    0.01F, call.out({row.rows, row.width}, DType::f32, offset)});
    return call.results();
}

/// loss, grad_rows, grad_bias
template <typename T>
std::vector<std::vector<T>> siglip_reference(const Row& row, const Inputs& in, float bias) {
    const auto rows = as<T>(in.rows), columns = as<T>(in.columns);
    std::vector<T> loss(static_cast<std::size_t>(row.rows)), grad(rows.size()), slope(loss.size());
    for (std::int64_t r = 0; r < row.rows; ++r)
        loss[static_cast<std::size_t>(r)] = ref::siglip_row(
            grad.data() + r * row.width, slope.data() + r, rows.data() + r * row.width,
            columns.data(), T(row.scale), T(bias), T(0.25F), row.first + r, row.columns, row.width);
    return {loss, grad, slope};
}

std::vector<std::vector<float>> siglip(EmulatedDevice& device, const Row& row, const Inputs& in,
                                       float bias, std::int64_t offset, bool gradients) {
    DeviceCall call(device);
    SiglipRowsArgs args;
    args.rows = call.in(in.rows, {row.rows, row.width}, DType::f32, offset);
    args.columns = call.in(in.columns, {row.columns, row.width}, DType::f32, offset);
    args.first = row.first;
    args.scale = row.scale;
    args.bias = bias;
    args.weight = 0.25F;
    args.loss = call.out({row.rows}, DType::f32, offset);
    if (gradients) {
        args.grad_rows = call.out({row.rows, row.width}, DType::f32, offset);
        args.grad_bias = call.out({row.rows}, DType::f32, offset);
    }
    ops::siglip_rows(device.backend(), args);
    return call.results();
}

void check_all(const std::string& name, const std::vector<std::vector<float>>& got,
               const std::vector<std::vector<double>>& oracle,
               const std::vector<std::vector<float>>& naive) {
    for (std::size_t i = 0; i < got.size(); ++i)
        check_close(concat(name, ", output ", i), got[i], oracle[i], naive[i]);
}

} // namespace

TEST_CASE("cuda contrastive rows: every width and tail, the same bits at every alignment") {
    EmulatedDevice device;
    for (const Row& row : kRows) {
        const Inputs in = inputs_of(row);
        const auto got = contrastive(device, row, in, 0);
        check_all(name_of(row), got, contrastive_reference<double>(row, in),
                  contrastive_reference<float>(row, in));
        const auto shifted = contrastive(device, row, in, 1);
        for (std::size_t i = 0; i < got.size(); ++i)
            check_same_bits(concat(name_of(row), ", shifted, output ", i), shifted[i], got[i]);
    }
}

TEST_CASE("cuda contrastive rows: rows alone have the bits that they have among others") {
    EmulatedDevice device;
    const Row row{130, 200, 40, 48, 40};
    const Inputs in = inputs_of(row);
    const auto whole = contrastive(device, row, in, 0);
    for (const std::int64_t r : {0, 63, 64, 129}) {
        const auto at = static_cast<std::ptrdiff_t>(r * row.width);
        Inputs one = in;
        one.rows.assign(in.rows.begin() + at, in.rows.begin() + at + row.width);
        one.row_sums.assign(1, in.row_sums[static_cast<std::size_t>(r)]);
        const auto alone =
            contrastive(device, {1, row.columns, row.first + r, row.width, row.scale}, one, 0);
        const auto part = static_cast<std::size_t>(r);
        CHECK(alone[0][0] == whole[0][part]);
        CHECK(alone[1][0] == whole[1][part]);
        check_same_bits(concat("row ", r), alone[2],
                        {whole[2].begin() + at, whole[2].begin() + at + row.width});
    }
}

TEST_CASE("cuda contrastive rows: equal rows, scores without bounds, infinities and NaN") {
    EmulatedDevice device;
    const Row row{70, 70, 0, 8, 100};
    Inputs in = inputs_of(row);
    in.rows.assign(in.rows.size(), 0.3F);
    in.columns.assign(in.columns.size(), 0.3F);
    check_all("all equal", contrastive(device, row, in, 0), contrastive_reference<double>(row, in),
              contrastive_reference<float>(row, in));
    // Scores up to 1e5: only differences may be raised to powers.
    in.rows = scaled_values(row.rows * row.width, 1, 20);
    in.columns = scaled_values(row.columns * row.width, 2, 20);
    auto want = contrastive_reference<double>(row, in);
    const auto far = contrastive(device, row, in, 0);
    check_close("far apart", far[0], want[0], contrastive_reference<float>(row, in)[0]);
    check_close("far apart, target", far[1], want[1], contrastive_reference<float>(row, in)[1]);
    // A column of NaN, one that makes every score of it -infinity, one that makes them +infinity.
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    for (const float odd : {std::numeric_limits<float>::quiet_NaN(), -kInfinity, kInfinity}) {
        in.rows.assign(in.rows.size(), 1);
        in.columns.assign(in.columns.size(), 0.01F);
        in.columns[66 * 8] = odd;
        const auto got = contrastive(device, row, in, 0);
        want = contrastive_reference<double>(row, in);
        for (std::size_t i = 0; i < got[0].size(); ++i) {
            CHECK(std::isnan(got[0][i]) == std::isnan(want[0][i]));
            CHECK(std::isnan(got[1][i]) == std::isnan(want[1][i]));
            if (std::isfinite(want[0][i]))
                CHECK(got[0][i] == doctest::Approx(want[0][i]).epsilon(1e-6));
        }
        for (std::size_t i = 0; i < got[2].size(); ++i)
            CHECK(std::isnan(got[2][i]) == std::isnan(want[2][i]));
    }
}

TEST_CASE("cuda siglip rows: every width and tail, the same bits at every alignment") {
    EmulatedDevice device;
    for (const Row& row : kRows) {
        const Inputs in = inputs_of(row);
        const auto got = siglip(device, row, in, -10, 0, true);
        check_all(name_of(row), got, siglip_reference<double>(row, in, -10),
                  siglip_reference<float>(row, in, -10));
        const auto shifted = siglip(device, row, in, -10, 1, true);
        for (std::size_t i = 0; i < got.size(); ++i)
            check_same_bits(concat(name_of(row), ", shifted, output ", i), shifted[i], got[i]);
        check_same_bits(concat(name_of(row), ", loss alone"),
                        siglip(device, row, in, -10, 0, false)[0], got[0]);
    }
}

TEST_CASE("cuda siglip rows: losses far below 1 keep their digits, those far above are finite") {
    EmulatedDevice device;
    const Row row{5, 130, 7, 16, 1};
    Inputs in = inputs_of(row);
    for (const float bias : {-16.0F, -40.0F, 60.0F, 300.0F}) {
        const auto got = siglip(device, row, in, bias, 0, true);
        const auto want = siglip_reference<double>(row, in, bias);
        check_all(concat("bias ", bias), got, want, siglip_reference<float>(row, in, bias));
        for (std::size_t i = 0; i < got[2].size(); ++i)
            CHECK(std::isfinite(got[0][i]));
    }
    in.columns[3] = std::numeric_limits<float>::quiet_NaN();
    const auto lost = siglip(device, row, in, 0, 0, true);
    for (const float each : lost[0])
        CHECK(std::isnan(each));
}
