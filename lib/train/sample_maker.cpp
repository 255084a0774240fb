// SPDX-License-Identifier: MIT
#include "train/sample_maker.hpp"

#include <cmath>
#include <new>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "io/utf8.hpp"
#include "train/draws.hpp"

namespace clip::train {

namespace {

SkipReason reason_of(ErrorCode code) {
    switch (code) {
    case ErrorCode::not_found:
    case ErrorCode::io_failure:
        return SkipReason::missing;
    case ErrorCode::unsupported:
        return SkipReason::unsupported;
    case ErrorCode::invalid_argument:
    case ErrorCode::out_of_memory:
        return SkipReason::refused;
    default:
        return SkipReason::broken;
    }
}

} // namespace

std::string_view skip_reason_name(SkipReason reason) {
    constexpr std::array<std::string_view, kSkipReasons> kNames = {
        "record", "caption", "missing", "broken", "refused", "unsupported"};
    return kNames[static_cast<std::size_t>(reason)];
}

SampleMaker::SampleMaker(const PairSource& pairs, const Tokenizer& tokenizer,
                         const SampleOptions& options)
    : pairs_(pairs), tokenizer_(tokenizer), options_(options) {
    const int n = options.preprocess.size;
    if (n < 1 || n > 4096)
        fail(ErrorCode::invalid_argument,
             concat("prepare training pictures: size out of range (got ", n, ", want 1 to 4096)"));
    if (options.context_length < 3)
        fail(ErrorCode::invalid_argument,
             concat("prepare training captions: the context has no place for them (got ",
                    options.context_length, " tokens, want at least 3)"));
    options_.preprocess.crop = options.training ? Crop::placed : Crop::center;
    options_.decode.shrink_to = 0;
    options_.decode.shrink_shorter_to = 0;
    check_augment(options.augment);
    augmented_ = options.training && options.augment.any();
    // The smallest crop is to keep about twice the tower's size, too.
    const double smallest = augmented_ ? std::sqrt(options.augment.min_scale) : 1.0;
    if (options.training && options.fast_jpeg)
        options_.decode.shrink_shorter_to = static_cast<int>(2 * n / smallest);
}

std::size_t SampleMaker::pixel_count() const {
    const auto n = static_cast<std::size_t>(options_.preprocess.size);
    return 3 * n * n;
}

bool SampleMaker::make(std::uint32_t epoch, std::uint64_t index, float* pixels, TokenizedText& text,
                       Skip& skip, PairRecord& scratch) const {
    skip.index = index;
    const auto refuse = [&](SkipReason reason, std::string message) {
        skip.reason = reason;
        skip.message = std::move(message);
        return false;
    };
    const auto words = draw(options_.seed, Draw::sample, epoch, index);
    try {
        pairs_.read(index, scratch);
    } catch (const Error& error) {
        skip.name = pairs_.describe(index);
        return refuse(SkipReason::record, error.what());
    }
    skip.name = scratch.name;

    const std::size_t count = scratch.captions.size();
    const std::size_t choice =
        options_.training ? static_cast<std::size_t>((std::uint64_t{words[0]} * count) >> 32U) : 0;
    const std::string& caption = scratch.captions[choice];
    if (!io::is_valid_utf8(caption))
        return refuse(SkipReason::caption, "its caption is not UTF-8");
    text = tokenizer_.encode_for_model(caption, options_.context_length);
    if (text.ids.size() < 3)
        return refuse(SkipReason::caption, "its caption is blank");

    PreprocessOptions preprocess_options = options_.preprocess;
    preprocess_options.place = words[1];
    try {
        const Result<Image> image = scratch.path.empty()
                                        ? decode_image(scratch.bytes, options_.decode)
                                        : read_image(scratch.path, options_.decode);
        if (!image)
            return refuse(reason_of(image.error().code()), image.error().what());
        if (augmented_)
            augment(image.value(), preprocess_options, options_.augment,
                    {options_.seed, epoch, index, words[1]}, pixels);
        else
            preprocess(image.value(), preprocess_options, pixels);
    } catch (const Error& error) {
        return refuse(reason_of(error.code()), error.what());
    } catch (const std::bad_alloc&) {
        return refuse(SkipReason::refused, "no memory for the picture");
    }
    return true;
}

} // namespace clip::train
