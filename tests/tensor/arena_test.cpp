// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <random>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "tensor/arena.hpp"

using namespace clip;

namespace {

std::int64_t rounded(std::int64_t floats) {
    return (floats * 4 + 63) / 64 * 64;
}

} // namespace

TEST_CASE("arena: tensors are aligned, float32, of the shape that was asked for") {
    Arena arena;
    std::int64_t bytes = 0;
    for (const std::int64_t count : {1, 16, 17, 1000, 300000, 3}) {
        const MutView view = arena.take(Shape{count});
        CHECK(reinterpret_cast<std::uintptr_t>(view.data) % 64 == 0);
        CHECK(view.shape == Shape{count});
        CHECK(view.dtype == DType::f32);
        std::fill_n(view.f32(), count, 1.0F);
        bytes += rounded(count);
        CHECK(arena.bytes() == bytes);
    }
    CHECK(arena.take(Shape{2, 0, 3}).numel() == 0);
    CHECK(arena.bytes() == bytes);
    CHECK(arena.peak_bytes() == bytes);
}

TEST_CASE("arena: nothing that is taken overlaps anything else that is") {
    std::mt19937 random(7);
    Arena arena;
    struct Taken {
        Arena::Mark before;
        MutView view;
        float value;
    };
    std::vector<Taken> taken;
    float next = 1;
    std::int64_t most = 0;
    for (int step = 0; step < 3000; ++step) {
        if (taken.empty() || random() % 5 < 3) {
            // Mostly small, now and then larger than a block.
            const std::int64_t count = random() % 40 == 0 ? 400000 : 1 + random() % 20000;
            const Arena::Mark before = arena.mark();
            const MutView view = arena.take(Shape{count});
            std::fill_n(view.f32(), count, next);
            taken.push_back({before, view, next++});
        } else {
            const std::size_t keep = random() % (step % 100 == 0 ? 1 : taken.size());
            arena.rewind(taken[keep].before);
            taken.resize(keep);
        }
        std::int64_t bytes = 0;
        for (const Taken& each : taken) {
            bytes += rounded(each.view.numel());
            const float* data = each.view.f32();
            REQUIRE(data[0] == each.value);
            REQUIRE(data[each.view.numel() - 1] == each.value);
        }
        REQUIRE(arena.bytes() == bytes);
        most = std::max(most, bytes);
        REQUIRE(arena.peak_bytes() == most);
    }
}

TEST_CASE("arena: a mark gives back what came after it, and only that") {
    Arena arena;
    const MutView below = arena.take(Shape{100});
    std::fill_n(below.f32(), 100, 3.0F);
    const Arena::Mark mark = arena.mark();
    const MutView first = arena.take(Shape{5});
    const MutView large = arena.take(Shape{1 << 20}); // a block of its own
    CHECK(large.data != first.data);
    arena.rewind(mark);
    CHECK(arena.bytes() == rounded(100));
    CHECK(arena.take(Shape{5}).data == first.data);
    CHECK(std::count(below.f32(), below.f32() + 100, 3.0F) == 100);
    arena.rewind(mark);
    arena.rewind(mark); // nothing was taken in between
    CHECK(arena.bytes() == rounded(100));
    Arena other;
    CHECK_THROWS_AS(other.rewind(mark), Error);
}

TEST_CASE("arena: blocks become one, which later steps use again") {
    Arena arena;
    const std::vector<std::int64_t> step = {200000, 3, 500000, 70000, 262144};
    const auto run = [&] {
        std::vector<MutView> views;
        for (const std::int64_t count : step)
            views.push_back(arena.take(Shape{count}));
        return views;
    };
    const Arena::Mark bottom = arena.mark();
    run();
    arena.rewind(bottom);
    CHECK(arena.bytes() == 0);
    const auto second = run();
    for (std::size_t i = 0; i + 1 < step.size(); ++i) // one after the other
        CHECK(static_cast<std::byte*>(second[i + 1].data) -
                  static_cast<std::byte*>(second[i].data) ==
              rounded(step[i]));
    arena.rewind(bottom);
    const auto third = run();
    for (std::size_t i = 0; i < step.size(); ++i)
        CHECK(third[i].data == second[i].data);
    arena.rewind(bottom);
}

TEST_CASE("arena: the peak is that since it was last forgotten") {
    Arena arena;
    const Arena::Mark bottom = arena.mark();
    arena.take(Shape{1000});
    const Arena::Mark mark = arena.mark();
    arena.take(Shape{5000});
    arena.rewind(mark);
    CHECK(arena.peak_bytes() == rounded(1000) + rounded(5000));
    arena.reset_peak();
    CHECK(arena.peak_bytes() == rounded(1000));
    arena.take(Shape{10});
    CHECK(arena.peak_bytes() == rounded(1000) + rounded(10));
    // Blocks that become one while the peak is forgotten are still usable.
    arena.take(Shape{1 << 20});
    arena.take(Shape{1 << 20});
    arena.rewind(bottom);
    arena.reset_peak();
    arena.take(Shape{1 << 20});
    arena.take(Shape{1 << 19});
    arena.take(Shape{1 << 20});
    arena.rewind(bottom);
    arena.reset_peak();
    arena.rewind(bottom);
    std::fill_n(arena.take(Shape{1 << 21}).f32(), 1 << 21, 1.0F);
    CHECK(arena.bytes() == std::int64_t{4} << 21);
}

TEST_CASE("arena: what there is no memory for is an error, and takes nothing") {
    Arena arena;
    arena.take(Shape{7});
    CHECK_THROWS_AS(arena.take(Shape{std::int64_t{1} << 50}), Error);
    CHECK(arena.bytes() == rounded(7));
    CHECK(arena.take(Shape{7}).numel() == 7);
}
