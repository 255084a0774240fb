// SPDX-License-Identifier: MIT
// Variants, element types and alignments of embedding, of gathers and of scatters.
#include "ops/embedding.hpp"

#include "backend/ref/embedding.hpp"
#include "backend/ref/gather_rows.hpp"
#include "cuda/device_call.hpp"
#include "ops/gather_rows.hpp"

using namespace clip;
using namespace clip::test;

namespace {

constexpr std::int64_t kWidths[] = {1, 31, 33, 64, 128, 132, 512, 1028};

/// `count` indices below `limit`, of which the first third are all 1.
template <typename Index>
std::vector<Index> indices(std::int64_t count, std::int64_t limit) {
    std::vector<Index> out(static_cast<std::size_t>(count), 1);
    for (std::int64_t i = count / 3; i < count; ++i)
        out[static_cast<std::size_t>(i)] = static_cast<Index>((i * 7 + i / 5) % limit);
    return out;
}

template <typename T>
std::vector<T> embed(const std::vector<T>& table, const std::vector<T>& positions,
                     const std::vector<std::int32_t>& ids, const std::vector<std::int32_t>& places,
                     std::int64_t width) {
    std::vector<T> y(ids.size() * static_cast<std::size_t>(width));
    const auto load = [&](std::int64_t i) { return table[static_cast<std::size_t>(i)]; };
    ref::embedding(y.data(), ids.data(), places.data(), load, positions.data(),
                   static_cast<std::int64_t>(ids.size()), width);
    return y;
}

} // namespace

TEST_CASE("cuda embedding: tables of every type; of quads, elements, and at odd addresses") {
    EmulatedDevice device;
    constexpr std::int64_t kVocabulary = 11, kPlaces = 5, kRows = 9;
    const auto ids = indices<std::int32_t>(kRows, kVocabulary);
    const auto places = indices<std::int32_t>(kRows, kPlaces);
    for (const std::int64_t width : kWidths)
        for (const DType dtype : {DType::f32, DType::f16, DType::bf16, DType::f64})
            for (const std::size_t shift : {0, 1, 2}) { // bytes, of the table alone
                auto table = values(kVocabulary * width, 1);
                const auto positions = values(kPlaces * width, 2);
                std::vector<std::byte> bytes(table.size() * dtype_size(dtype) + shift);
                convert_from_f32(bytes.data() + shift, dtype, table.data(), table.size());
                convert_to_f32(table.data(), bytes.data() + shift, dtype, table.size());
                CallMemory memory(device.backend());
                EmbeddingArgs args;
                args.ids = ids;
                args.places = places;
                args.table = {
                    static_cast<const std::byte*>(memory.bytes(bytes.data(), bytes.size())) + shift,
                    {kVocabulary, width},
                    dtype,
                    device.backend().device()};
                args.positions = memory.in(positions, {kPlaces, width});
                args.y = memory.out({kRows, width});
                ops::embedding(device.backend(), args);
                check_same_bits(concat("embedding ", width, ", ", dtype_name(dtype), " + ", shift),
                                memory.results()[0], embed(table, positions, ids, places, width));
            }
}

TEST_CASE("cuda embedding backward: ids of one row, of hundreds and of none, at any alignment") {
    EmulatedDevice device;
    constexpr std::int64_t kVocabulary = 60, kPlaces = 3, kRows = 100;
    const auto ids = indices<std::int32_t>(kRows, kVocabulary);
    const auto places = indices<std::int32_t>(kRows, kPlaces);
    for (const std::int64_t width : kWidths) {
        const auto grad_y = values(kRows * width, 1);
        const auto table = values(kVocabulary * width, 2), positions = values(kPlaces * width, 3);
        const auto solve = [&]<typename T>(T) {
            std::vector<std::vector<T>> grads{as<T>(table), as<T>(positions)};
            const auto from = as<T>(grad_y);
            ref::scatter_add(grads[0].data(), ids.data(), from.data(), kRows, width, 0, width);
            ref::scatter_add(grads[1].data(), places.data(), from.data(), kRows, width, 0, width);
            return grads;
        };
        const auto oracle = solve(double{});
        const auto naive = solve(float{});
        Results first;
        for (const std::int64_t offset : {0, 1}) {
            DeviceCall call(device);
            EmbeddingBackwardArgs args;
            args.ids = ids;
            args.places = places;
            args.grad_y = call.in(grad_y, {kRows, width}, DType::f32, offset);
            args.grad_table = call.in_out(table, {kVocabulary, width});
            args.grad_positions = call.in_out(positions, {kPlaces, width}, DType::f32, offset);
            ops::embedding_backward(device.backend(), args);
            const Results got = call.results();
            for (std::size_t o = 0; o < 2; ++o) {
                const std::string name =
                    concat("embedding backward ", width, ", offset ", offset, ", output ", o);
                check_close(name, got[o], oracle[o], naive[o]);
                if (offset != 0)
                    check_same_bits(name, got[o], first[o]);
            }
            first = got;
        }
    }
}

TEST_CASE("cuda gather rows: every type and alignment, bit for bit") {
    EmulatedDevice device;
    constexpr std::int64_t kRows = 10, kTaken = 7;
    const auto rows = indices<std::int64_t>(kTaken, kRows);
    for (const std::int64_t width : kWidths)
        for (const DType dtype : kLayerTypes)
            for (const std::int64_t offset : {0, 1, 2}) {
                const auto x = rounded(values(kRows * width, 1), dtype);
                DeviceCall call(device);
                GatherRowsArgs args;
                args.x = call.in(x, {kRows, width}, dtype, offset);
                args.rows = rows;
                args.y = call.out({kTaken, width}, dtype);
                ops::gather_rows(device.backend(), args);
                std::vector<float> want(static_cast<std::size_t>(kTaken * width));
                ref::gather_rows(want.data(), x.data(), rows.data(), kTaken, width);
                check_same_bits(
                    concat("gather ", width, ", ", dtype_name(dtype), ", offset ", offset),
                    call.results()[0], want);
            }
}

TEST_CASE("cuda gather rows backward, scatter add rows: the bits of a loop, at any alignment") {
    EmulatedDevice device;
    constexpr std::int64_t kRows = 90, kTaken = 61;
    const auto rows = indices<std::int64_t>(kTaken, kRows);
    for (const std::int64_t width : kWidths)
        for (const std::int64_t offset : {0, 1}) {
            const auto x = values(kTaken * width, 1), start = values(kRows * width, 2);
            const Shape taken{kTaken, width}, whole{kRows, width};
            DeviceCall call(device);
            const ConstView from = call.in(x, taken, DType::f32, offset);
            const MutView grad_x = call.out(whole);
            const MutView y = call.in_out(start, whole, DType::f32, offset);
            ops::gather_rows_backward(device.backend(),
                                      {.grad_y = from, .rows = rows, .grad_x = grad_x});
            ops::scatter_add_rows(device.backend(), {.x = from, .rows = rows, .y = y});
            std::vector<float> want(start.size()), sum = start;
            ref::gather_rows_backward(want.data(), x.data(), rows.data(), kTaken, kRows, width);
            ref::scatter_add(sum.data(), std::vector<std::int32_t>(rows.begin(), rows.end()).data(),
                             x.data(), kTaken, width, 0, width);
            const Results got = call.results();
            check_same_bits(concat("gather backward ", width, ", offset ", offset), got[0], want);
            check_same_bits(concat("scatter add ", width, ", offset ", offset), got[1], sum);
        }
}

TEST_CASE("cuda gather rows backward: nothing taken clears everything") {
    EmulatedDevice device;
    DeviceCall call(device);
    GatherRowsBackwardArgs args;
    args.grad_y = {nullptr, {0, 5}, DType::f32, device.backend().device()};
    args.grad_x = call.out({3, 5});
    ops::gather_rows_backward(device.backend(), args);
    CHECK(call.results()[0] == std::vector<float>(15, 0));
}
