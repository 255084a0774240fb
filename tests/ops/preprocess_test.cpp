// SPDX-License-Identifier: MIT
// The op against what prepares pictures on the host, bit for bit.
#include <doctest/doctest.h>

#include <vector>

#include "base/random.hpp"
#include "data/preprocess.hpp"
#include "ops/preprocess.hpp"
#include "support/cases.hpp"

using namespace clip;
using namespace clip::test;

namespace {

Image noise(int width, int height) {
    Image image = make_image(width, height, PixelMode::rgb, "PPM");
    RandomStream random(1, static_cast<std::uint64_t>(width * 10'000 + height));
    for (std::size_t i = 0; i < image.pixels.size(); ++i) {
        const std::uint32_t word = random.next();
        // Edges as well as noise: bicubic weights are negative, so that sums leave 0 to 255.
        image.pixels.data()[i] = static_cast<std::uint8_t>(word & 1U   ? word >> 24U
                                                           : word & 2U ? 0
                                                                       : 255);
    }
    return image;
}

PreprocessArgs args_of(const Image& image, const PreprocessPlan& plan,
                       const PreprocessOptions& options, std::vector<float>& out) {
    const std::int64_t side = options.size;
    PreprocessArgs args{
        .picture = {image.pixels.data(), Shape{image.height, image.width, 3}, DType::u8, Device{}},
        .across = {plan.across.first, plan.across.count, plan.across.weight,
                   static_cast<std::int64_t>(plan.across.stride)},
        .down = {plan.down.first, plan.down.count, plan.down.weight,
                 static_cast<std::int64_t>(plan.down.stride)},
        .y = {out.data(), Shape{3, side, side}, DType::f32, Device{}}};
    for (std::size_t c = 0; c < 3; ++c) {
        args.mean[c] = options.mean[c];
        args.std[c] = options.std[c];
    }
    return args;
}

} // namespace

TEST_CASE("preprocess: the bytes that the host makes") {
    struct Size {
        int width, height, to;
        Crop crop;
    };
    for (const Size& size : {Size{640, 427, 224, Crop::center},
                             {427, 640, 224, Crop::center},
                             {224, 224, 224, Crop::center},
                             {224, 300, 224, Crop::center},
                             {31, 17, 32, Crop::center},
                             {5, 1, 7, Crop::center},
                             {1, 1, 3, Crop::center},
                             {300, 200, 32, Crop::none},
                             {333, 211, 50, Crop::placed},
                             {1500, 1100, 64, Crop::center}}) {
        INFO(size.width, " x ", size.height, " to ", size.to);
        PreprocessOptions options{.size = size.to, .crop = size.crop, .place = 0xa0000000U};
        const Image image = noise(size.width, size.height);
        const auto plan = plan_preprocess(image, options);
        REQUIRE(plan.has_value());
        std::vector<float> want(static_cast<std::size_t>(3 * size.to * size.to)), got(want.size());
        preprocess(image, options, want.data());
        for (const std::string& name : backend_names()) {
            INFO(name);
            CallMemory memory;
            PreprocessArgs args = args_of(image, *plan, options, got);
            args.picture.data = memory.bytes(args.picture.data, args.picture.bytes());
            args.y = memory.out(args.y.shape);
            args.picture.device = args.y.device;
            ops::preprocess(backend(name, 2), args);
            CHECK(compare_bits(memory.results()[0], want).ok);
        }
    }
}

TEST_CASE("preprocess: pictures of other kinds are left to the host") {
    const PreprocessOptions options{.size = 8};
    Image turned = noise(9, 9);
    turned.orientation = 6;
    CHECK_FALSE(plan_preprocess(turned, options).has_value());
    CHECK(plan_preprocess(turned, {.size = 8, .orientation = Orientation::ignore}).has_value());
    CHECK_FALSE(plan_preprocess(make_image(9, 9, PixelMode::rgba, "PNG"), options).has_value());
}

TEST_CASE("preprocess: rejects what is outside of the picture") {
    const Image image = noise(9, 9);
    const PreprocessOptions options{.size = 8};
    auto plan = *plan_preprocess(image, options);
    std::vector<float> out(3 * 8 * 8);
    CHECK_NOTHROW(ops::preprocess(backend("ref", 1), args_of(image, plan, options, out)));
    const auto bad = [&](ErrorCode code, const char* what, auto change) {
        auto args = args_of(image, plan, options, out);
        change(args);
        check_error(
            code, [&] { ops::preprocess(backend("ref", 1), args); }, what);
    };
    std::vector<std::int32_t> first = plan.down.first;
    first.back() += 3;
    bad(ErrorCode::invalid_argument, "behind the end", [&](auto& a) { a.down.first = first; });
    first.back() = -1;
    bad(ErrorCode::invalid_argument, "negative", [&](auto& a) { a.across.first = first; });
    bad(ErrorCode::shape_mismatch, "weights", [](auto& a) { a.down.stride += 1; });
    bad(ErrorCode::dtype_mismatch, "type", [](auto& a) { a.picture.dtype = DType::i8; });
    bad(ErrorCode::shape_mismatch, "channels", [](auto& a) { a.picture.shape = {9, 3, 9}; });
    bad(ErrorCode::device_mismatch, "device",
        [](auto& a) { a.picture.device.kind = Device::Kind::cuda; });
}
