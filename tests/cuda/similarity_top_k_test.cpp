// SPDX-License-Identifier: MIT
// similarity_top_k is similarity and then top_k, to the bit, however rows are cut into slices.
#include "ops/similarity_top_k.hpp"

#include <limits>

#include "backend/ref/top_k.hpp"
#include "cuda/device_call.hpp"
#include "ops/similarity.hpp"

using namespace clip;
using namespace clip::test;

namespace {

struct Row {
    std::int64_t queries, rows, width;
};

void check_row(EmulatedDevice& device, const std::string& what, const Row& row, std::int64_t k,
               const std::vector<float>& a, const std::vector<float>& b, float scale,
               std::int64_t offset = 0) {
    const std::string name = concat(what, ", ", row.queries, " queries, k ", k, " of ", row.rows,
                                    ", width ", row.width, ", offset ", offset);
    INFO(name);
    const auto count = static_cast<std::size_t>(row.queries * k);
    std::vector<float> want(count);
    std::vector<std::int64_t> want_at(count), at(count, -1);
    DeviceCall call(device);
    const ConstView queries = call.in(a, {row.queries, row.width}, DType::f32, offset);
    const ConstView rows = call.in(b, {row.rows, row.width}, DType::f32, offset);
    const MutView scores = call.out({row.queries, row.rows});
    const MutView found = call.out({row.queries, k}, DType::f32, offset);
    ops::similarity(device.backend(), {.a = queries, .b = rows, .scale = scale, .y = scores});
    ops::similarity_top_k(
        device.backend(),
        {.queries = queries, .rows = rows, .scale = scale, .k = k, .values = found, .indices = at});
    const auto results = call.results();
    ref::top_k(want.data(), want_at.data(), results[0].data(), row.queries, row.rows, k);
    CHECK(at == want_at);
    check_same_bits(name, results[1], want);
}

} // namespace

TEST_CASE("cuda similarity top k: every k, tail and width, over slices") {
    EmulatedDevice device;
    for (const Row& row : {Row{1, 1, 1},
                           {33, 33, 31},
                           {65, 128, 64},
                           {2, 300, 1000},
                           {3, 4200, 16},
                           {1, 300, 768}}) {
        const auto a = values(row.queries * row.width, 1), b = values(row.rows * row.width, 2);
        for (const std::int64_t k :
             {std::int64_t{1}, std::int64_t{5}, std::int64_t{32}, std::int64_t{33}, row.rows})
            if (k <= row.rows)
                check_row(device, "normal", row, k, a, b, 100, k % 2);
    }
}

TEST_CASE("cuda similarity top k: equal scores keep their order, the best may come last") {
    EmulatedDevice device;
    const Row row{3, 2200, 8};
    const auto a = values(row.queries * row.width, 1);
    const std::vector<float> same(static_cast<std::size_t>(row.rows * row.width), 0.25F);
    check_row(device, "all equal", row, 10, a, same, 100);
    check_row(device, "all equal", row, 32, a, same, 0);
    check_row(device, "all equal", row, 7, a, same, -0.0F);
    std::vector<float> rising(same.size());
    for (std::size_t i = 0; i < rising.size(); ++i)
        rising[i] = static_cast<float>(i / 8);
    const std::vector<float> ones(a.size(), 1);
    check_row(device, "rising", row, 32, ones, rising, 1);
    check_row(device, "falling", row, 32, ones, rising, -1);
}

TEST_CASE("cuda similarity top k: NaN comes last, infinities where they belong") {
    EmulatedDevice device;
    const Row row{2, 200, 8};
    const auto a = values(row.queries * row.width, 1);
    auto b = values(row.rows * row.width, 2);
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    for (std::size_t i = 0; i < 190; ++i)
        b[i * 8] = std::numeric_limits<float>::quiet_NaN();
    b[191 * 8 + 1] = kInfinity;
    b[192 * 8 + 1] = -kInfinity;
    for (const std::int64_t k : {5, 20, 200})
        check_row(device, "odd", row, k, a, b, 3);
}
