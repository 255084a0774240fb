// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

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
    for (int round = 0; round < 2; ++round) {
        Tensor all(Shape{static_cast<std::int64_t>(count) * each}, DType::f32, far.memory());
        batch.begin(count, picture);
        for (std::size_t i = 0; i < count; ++i)
            batch.make(i, part_of(all.view(), static_cast<std::int64_t>(i) * each, {3, 16, 16}));
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
