// SPDX-License-Identifier: MIT
#include "app/picture_batch.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include "ops/preprocess.hpp"

namespace clip::app {

namespace {

// Decoded pictures are large: no more of them are held than keep the threads busy.
constexpr std::size_t kPicturesOfThread = 4;

ResizeAxis axis_of(const Taps<std::int32_t>& taps) {
    return {taps.first, taps.count, taps.weight, static_cast<std::int64_t>(taps.stride)};
}

} // namespace

void PictureBatch::begin(std::size_t count, Decode decode) {
    decode_ = std::move(decode);
    errors_.assign(count, std::nullopt);
    pictures_.clear();
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
                Image image = decode_(first + i);
                Picture& picture = pictures_[i];
                if (auto plan = plan_preprocess(image, options_)) {
                    picture.plan = std::move(*plan);
                    picture.image = std::move(image);
                } else {
                    const auto side = static_cast<std::size_t>(options_.size);
                    picture.pixels.resize(3 * side * side);
                    preprocess(image, options_, picture.pixels.data());
                }
            } catch (const Error& caught) {
                error = caught;
            } catch (const std::bad_alloc&) {
                error.emplace(ErrorCode::out_of_memory, "no memory to decode the picture");
            }
        }
    });
}

void PictureBatch::make(std::size_t index, const MutView& to) {
    if (index >= first_ + pictures_.size())
        decode_from(index);
    Memory& memory = backend_.memory();
    if (errors_[index]) {
        memory.clear(to.data, to.bytes());
        return;
    }
    Picture& picture = pictures_[index - first_];
    if (!picture.image) {
        memory.upload(to.data, picture.pixels.data(), to.bytes());
        return;
    }
    const Image& image = *picture.image;
    const Shape shape{image.height, image.width, 3};
    reserve(bytes_, shape.numel(), DType::u8, memory);
    const MutView bytes = part_of(bytes_.view(), 0, shape);
    memory.upload(bytes.data, image.pixels.data(), bytes.bytes());
    PreprocessArgs args{.picture = bytes,
                        .across = axis_of(picture.plan.across),
                        .down = axis_of(picture.plan.down),
                        .y = to};
    std::copy(options_.mean.begin(), options_.mean.end(), args.mean);
    std::copy(options_.std.begin(), options_.std.end(), args.std);
    ops::preprocess(backend_, args);
    picture.image.reset();
}

} // namespace clip::app
