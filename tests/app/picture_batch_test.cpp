// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "app/picture_batch.hpp"
#include "base/random.hpp"
#include "support/far_backend.hpp"

using namespace clip;
using namespace clip::app;
using namespace clip::test;

namespace {

Image noise(int width, int height, PixelMode mode, int orientation) {
    Image image = make_image(width, height, mode, "PPM");
    image.orientation = orientation;
    RandomStream random(2, static_cast<std::uint64_t>(width));
    for (std::size_t i = 0; i < image.pixels.size(); ++i)
        image.pixels.data()[i] = static_cast<std::uint8_t>(random.next() >> 24U);
    return image;
}

/// Pictures of all kinds; every seventh is broken.
Image picture(std::size_t index) {
    if (index % 7 == 3)
        fail(ErrorCode::bad_format, "broken");
    const int width = 20 + static_cast<int>(index), height = 40 - static_cast<int>(index);
    switch (index % 3) {
    case 0:
        return noise(width, height, PixelMode::rgb, 1);
    case 1:
        return noise(width, height, PixelMode::rgb, 6);
    default:
        return noise(width, height, PixelMode::rgba, 1);
    }
}

} // namespace

TEST_CASE(
    "picture batch: a device gets the numbers that the host makes, and broken ones are zeros") {
    ThreadPool pool(2);
    FarBackend far(pool);
    PreprocessOptions options{.size = 16};
    PictureBatch batch(far, options);
    const std::size_t count = 25; // more than are decoded at once
    const std::int64_t each = 3 * 16 * 16;
    // All at once, and as a tower takes parts.
    for (const std::size_t part : {count, std::size_t{11}}) {
        Tensor all(Shape{static_cast<std::int64_t>(count), 3, 16, 16}, DType::f32, far.memory());
        batch.begin(count, picture);
        const std::uint64_t calls = far.preprocesses;
        for (std::size_t first = 0; first < count; first += part)
            batch.make(first,
                       part_of(all.view(), static_cast<std::int64_t>(first) * each,
                               Shape{static_cast<std::int64_t>(std::min(part, count - first)), 3,
                                     16, 16}));
        CHECK(far.preprocesses - calls == (count + part - 1) / part);
        const Tensor got = download(all, far.memory());
        for (std::size_t i = 0; i < count; ++i) {
            CAPTURE(i);
            std::vector<float> want(static_cast<std::size_t>(each));
            const bool broken = i % 7 == 3;
            if (!broken)
                preprocess(picture(i), options, want.data());
            CHECK(batch.errors()[i].has_value() == broken);
            const float* from = got.f32() + static_cast<std::int64_t>(i) * each;
            CHECK(std::vector<float>(from, from + each) == want);
        }
    }
}

TEST_CASE("picture batch: few large pictures are held at a time") {
    ThreadPool pool(2);
    FarBackend far(pool);
    PreprocessOptions options{.size = 2};
    PictureBatch batch(far, options);
    // 30 MB each, of which a crop keeps little: no two go together, but a small one with the last.
    const auto large = [](std::size_t i) {
        Image image = make_image(i == 4 ? 10 : 1'000'000, 10, PixelMode::rgb, "PPM");
        std::fill_n(image.pixels.data(), image.pixels.size(), static_cast<std::uint8_t>(40 * i));
        return image;
    };
    Tensor all(Shape{5, 3, 2, 2}, DType::f32, far.memory());
    batch.begin(5, large);
    batch.make(0, all);
    CHECK(far.preprocesses == 4);
    const Tensor got = download(all, far.memory());
    for (std::size_t i = 0; i < 5; ++i) {
        std::vector<float> want(12);
        preprocess(large(i), options, want.data());
        CHECK(std::vector<float>(got.f32() + 12 * i, got.f32() + 12 * (i + 1)) == want);
    }
}
