// SPDX-License-Identifier: MIT
// The op against what prepares pictures on the host, bit for bit.
#include <doctest/doctest.h>

#include <vector>

#include "data/preprocess.hpp"
#include "ops/preprocess.hpp"
#include "support/cases.hpp"
#include "support/source_pictures.hpp"

using namespace clip;
using namespace clip::test;

namespace {

/// The op on every backend: y begins as numbers that are none of its own, and what pictures become
/// is what the host makes of them.
void check(const SourcePictures& pictures, std::int64_t count) {
    const std::vector<float> before(static_cast<std::size_t>(count * pictures.each()), -77);
    const std::vector<float> want = pictures.expected(before);
    for (const std::string& name : backend_names())
        for (const int threads : {1, 3}) {
            INFO(name, ", ", threads, " threads");
            CallMemory memory;
            const MutView y = memory.in_out(before, pictures.shape(count));
            ops::preprocess(backend(name, threads), pictures.args(y));
            CHECK(compare_bits(memory.results()[0], want).ok);
        }
}

struct Size {
    int width, height;
    Crop crop = Crop::center;
};

} // namespace

TEST_CASE("preprocess: the bytes that the host makes, for pictures of all sizes together") {
    struct Case {
        int side;
        std::vector<Size> sizes;
    };
    for (const Case& each :
         {Case{224, {{640, 427}, {427, 640}, {224, 224}, {224, 300}}},
          Case{32, {{31, 17}, {300, 200, Crop::none}, {32, 32}, {1, 1}, {2, 90, Crop::none}}},
          Case{7, {{5, 1}, {1, 1}, {7, 7}, {100, 8, Crop::placed}, {1, 5}, {8, 7}}},
          Case{3, {{1, 1}}}, Case{1, {{1, 1}, {9, 2}, {2, 9}}},
          Case{50, {{333, 211, Crop::placed}}}, Case{64, {{1500, 1100}, {3, 4}, {64, 64}}}}) {
        INFO("to ", each.side);
        // In their order, and backward with gaps between them: nothing depends on company.
        const PreprocessOptions options{.size = each.side, .place = 0xa0000000U};
        SourcePictures batch(options), spread(options);
        const std::int64_t count = std::ssize(each.sizes);
        for (std::int64_t i = 0; i < count; ++i) {
            const Size& size = each.sizes[static_cast<std::size_t>(i)];
            batch.add(size.width, size.height, size.crop, i);
            spread.add(size.width, size.height, size.crop, 2 * (count - i) - 1);
        }
        check(batch, count);
        check(spread, 2 * count + 1);
    }
}

TEST_CASE("preprocess: many pictures of changing sizes, and none") {
    SourcePictures batch({.size = 5});
    check(batch, 2);
    for (int i = 0; i < 70; ++i) // one to five pieces each, wherever a search among them looks
        batch.add(1 + i * 7 % 11, 1 + i * i % 97, Crop::center, i);
    check(batch, 70);
}

TEST_CASE("preprocess: pictures of other kinds are left to the host") {
    const PreprocessOptions options{.size = 8};
    Image turned = noise_picture(9, 9);
    turned.orientation = 6;
    CHECK_FALSE(plan_preprocess(turned, options).has_value());
    CHECK(plan_preprocess(turned, {.size = 8, .orientation = Orientation::ignore}).has_value());
    CHECK_FALSE(plan_preprocess(make_image(9, 9, PixelMode::rgba, "PNG"), options).has_value());
}

TEST_CASE("preprocess: rejects what is outside of the picture") {
    SourcePictures batch({.size = 8});
    batch.add(9, 9, Crop::center, 1);
    batch.add(20, 9, Crop::center, 0);
    std::vector<float> out(static_cast<std::size_t>(2 * batch.each()));
    const MutView y{out.data(), Shape{2, 3, 8, 8}, DType::f32, Device{}};
    CHECK_NOTHROW(ops::preprocess(backend("ref", 1), batch.args(y)));
    const auto bad = [&](ErrorCode code, const char* what, auto change) {
        std::vector<SourcePicture> sources = batch.sources();
        PreprocessArgs args = batch.args(y);
        args.pictures = sources;
        change(args, sources[1]);
        check_error(
            code, [&] { ops::preprocess(backend("ref", 1), args); }, what);
    };
    using Args = PreprocessArgs;
    using Source = SourcePicture;
    const auto down = batch.sources()[1].down.first;
    std::vector<std::int32_t> first(down.begin(), down.end());
    first.back() += 3;
    bad(ErrorCode::invalid_argument, "behind the end",
        [&](Args&, Source& p) { p.down.first = first; });
    first.back() = -1;
    bad(ErrorCode::invalid_argument, "negative", [&](Args&, Source& p) { p.across.first = first; });
    bad(ErrorCode::shape_mismatch, "weights", [](Args&, Source& p) { p.down.stride += 1; });
    bad(ErrorCode::shape_mismatch, "bytes", [](Args&, Source& p) { p.width -= 1; });
    bad(ErrorCode::shape_mismatch, "no pixels", [](Args&, Source& p) { p.height = 0; });
    bad(ErrorCode::invalid_argument, "behind y", [](Args&, Source& p) { p.to = 2; });
    bad(ErrorCode::invalid_argument, "before y", [](Args&, Source& p) { p.to = -1; });
    bad(ErrorCode::invalid_argument, "twice", [](Args&, Source& p) { p.to = 1; });
    bad(ErrorCode::shape_mismatch, "rank", [](Args& a, Source&) { a.y.shape = {6, 8, 8}; });
    bad(ErrorCode::shape_mismatch, "channels", [](Args& a, Source&) { a.y.shape = {3, 2, 8, 8}; });
    bad(ErrorCode::shape_mismatch, "side", [](Args& a, Source&) { a.y.shape = {2, 3, 8, 7}; });
    bad(ErrorCode::dtype_mismatch, "type", [](Args& a, Source&) { a.y.dtype = DType::f16; });
    bad(ErrorCode::device_mismatch, "device",
        [](Args& a, Source&) { a.y.device.kind = Device::Kind::cuda; });
}
