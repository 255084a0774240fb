// SPDX-License-Identifier: MIT
#include "app/picture_batch.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include "ops/preprocess.hpp"

namespace clip::app {

namespace {

// Decoded pictures are large: no more of them are held than keep the threads busy, and make a copy
// and a launch worth their while. With their weights these are less than the 64 MiB that a GPU
// takes at once.
constexpr std::size_t kPicturesOfThread = 4;
constexpr std::size_t kBytesAtOnce = std::size_t{56} << 20;

ResizeAxis axis_of(const Taps<std::int32_t>& taps) {
    return {taps.first, taps.count, taps.weight, static_cast<std::int64_t>(taps.stride)};
}

} // namespace

void PictureBatch::begin(std::size_t count, Decode decode) {
    decode_ = std::move(decode);
    errors_.assign(count, std::nullopt);
    pictures_.clear();
    ready_.clear();
    first_ = 0;
}

void PictureBatch::decode_from(std::size_t first) {
    const std::size_t count =
        std::min(kPicturesOfThread * backend_.pool().size(), errors_.size() - first);
    pictures_.clear();
    pictures_.resize(count);
    first_ = first;
    backend_.pool().parallel_for(count, 1, [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) {
            std::optional<Error>& error = errors_[first + i];
            try {
                pictures_[i] = decoded(first + i);
            } catch (const Error& caught) {
                error = caught;
            } catch (const std::bad_alloc&) {
                error.emplace(ErrorCode::out_of_memory, "no memory to decode the picture");
            }
        }
    });
}

// A picture that the backend is not to resize comes as the bytes that the host makes of it, which
// are kept as they are.
PictureBatch::Picture PictureBatch::decoded(std::size_t index) const {
    Image image = decode_(index);
    auto plan = plan_preprocess(image, options_);
    if (!plan) {
        const std::vector<std::uint8_t> bytes = preprocess_u8(image, options_);
        image = make_image(options_.size, options_.size, PixelMode::rgb, image.format);
        std::copy(bytes.begin(), bytes.end(), image.pixels.data());
        plan = plan_preprocess(image, options_);
        expect(plan.has_value(), "a picture of the right size is prepared anywhere");
    }
    return {.image = std::move(image), .plan = std::move(*plan)};
}

void PictureBatch::make(std::size_t first, const MutView& to) {
    Memory& memory = backend_.memory();
    const std::int64_t each = to.numel() / to.shape[0];
    std::size_t bytes = 0;
    for (std::int64_t i = 0; i < to.shape[0]; ++i) {
        const std::size_t index = first + static_cast<std::size_t>(i);
        if (index >= first_ + pictures_.size())
            decode_from(index);
        if (errors_[index]) {
            const MutView broken = part_of(to, i * each, Shape{each});
            memory.clear(broken.data, broken.bytes());
            continue;
        }
        Picture& picture = pictures_[index - first_];
        picture.to = i;
        bytes += picture.image.pixels.size();
        if (bytes > kBytesAtOnce && !ready_.empty()) {
            give(to);
            bytes = picture.image.pixels.size();
        }
        ready_.push_back(std::move(picture));
    }
    give(to);
}

void PictureBatch::give(const MutView& to) {
    std::vector<SourcePicture> sources;
    sources.reserve(ready_.size());
    for (const Picture& picture : ready_)
        sources.push_back({.pixels = {picture.image.pixels.data(), picture.image.pixels.size()},
                           .height = picture.image.height,
                           .width = picture.image.width,
                           .across = axis_of(picture.plan.across),
                           .down = axis_of(picture.plan.down),
                           .to = picture.to});
    PreprocessArgs args{.pictures = sources, .y = to};
    std::copy(options_.mean.begin(), options_.mean.end(), args.mean);
    std::copy(options_.std.begin(), options_.std.end(), args.std);
    ops::preprocess(backend_, args);
    ready_.clear();
}

} // namespace clip::app
