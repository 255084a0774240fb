// SPDX-License-Identifier: MIT
#include "app/encoder.hpp"

#include <algorithm>
#include <cmath>
#include <new>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/concat.hpp"
#include "io/utf8.hpp"

namespace clip::app {

namespace {

// Pixels that a batch of pictures holds by default: 32 pictures of 224 x 224.
constexpr std::size_t kPixelsAtOnce = std::size_t{32} * 224 * 224;
constexpr std::size_t kMostPicturesAtOnce = 32;
constexpr std::size_t kTextsAtOnce = 256;
// A device takes more of both, though records should still come soon.
constexpr std::int64_t kMostFactor = 16;

/// True for `yes`, false for `no`. Errors: invalid_argument.
bool choose(const std::string& option, const std::string& got, const char* yes, const char* no) {
    if (got != yes && got != no)
        fail(ErrorCode::invalid_argument,
             concat("read ", option, ": got '", got, "', want ", yes, " or ", no));
    return got == yes;
}

bool all_finite(std::span<const float> values) {
    return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
}

} // namespace

PreprocessOptions preprocess_options(const PictureSettings& settings, const ModelConfig& config) {
    return {.size = static_cast<int>(config.vision.image_size),
            .mean = config.mean,
            .std = config.std,
            .crop = choose("--crop", settings.crop, "center", "none") ? Crop::center : Crop::none,
            .orientation = choose("--orientation", settings.orientation, "exif", "ignore")
                               ? Orientation::exif
                               : Orientation::ignore,
            .scale_grey16 = choose("--grey16", settings.grey16, "scale", "clip")};
}

Encoder::Encoder(ModelSession& session, Reporter& reporter, EncoderOptions options)
    : session_(session), reporter_(reporter), options_(std::move(options)),
      preprocess_(preprocess_options(options_.pictures, session.model().config())),
      decode_{.max_pixels = options_.pictures.max_pixels} {}

std::size_t Encoder::batch_size(bool text) const {
    const auto factor = static_cast<std::size_t>(
        std::min<std::int64_t>(session_.backend().batch_factor(), kMostFactor));
    if (text)
        return kTextsAtOnce * factor;
    const auto side = static_cast<std::size_t>(preprocess_.size);
    return std::clamp(kPixelsAtOnce / (side * side), std::size_t{1}, kMostPicturesAtOnce) * factor;
}

void Encoder::encode(std::span<const Input* const> inputs, std::vector<Encoded>& out) {
    out.assign(inputs.size(), {});
    std::vector<const Input*> pictures, texts;
    std::vector<Encoded*> picture_slots, text_slots;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        (inputs[i]->is_text ? texts : pictures).push_back(inputs[i]);
        (inputs[i]->is_text ? text_slots : picture_slots).push_back(&out[i]);
    }
    if (!pictures.empty())
        encode_pictures(pictures, picture_slots);
    if (!texts.empty())
        encode_texts(texts, text_slots);
}

void Encoder::in_parts(PartsThatFit& parts, std::size_t count, std::string_view what,
                       const std::function<void(std::size_t, std::size_t)>& run) {
    const Device device = session_.backend().device();
    if (device.is_cpu())
        run(0, count);
    else if (parts.run(count, run) && !std::exchange(told_, true))
        reporter_.warning("", concat(device.to_string(), " has no room for ", count, ' ', what,
                                     " at once: going on with ", parts.most(), " at a time"));
}

void Encoder::encode_on_device(std::span<const Input* const> inputs,
                               std::span<Encoded* const> out) {
    if (!batch_)
        batch_.emplace(session_.backend(), preprocess_);
    batch_->begin(inputs.size(),
                  [&](std::size_t i) { return read_image(inputs[i]->item, decode_).value(); });
    const auto dim = static_cast<std::size_t>(this->dim(false));
    vectors_.resize(inputs.size() * dim);
    session_.model().encode_pictures(
        std::ssize(inputs),
        [&](std::int64_t first, MutView to) { batch_->make(static_cast<std::size_t>(first), to); },
        vectors_, options_.layer);
    // Close the gaps that broken pictures left.
    std::vector<Encoded*> decoded;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        if (batch_->errors()[i]) {
            out[i]->error = batch_->errors()[i];
            continue;
        }
        if (decoded.size() != i)
            std::copy_n(vectors_.data() + i * dim, dim, vectors_.data() + decoded.size() * dim);
        decoded.push_back(out[i]);
    }
    vectors_.resize(decoded.size() * dim);
    if (!decoded.empty())
        hand_out(vectors_, static_cast<std::int64_t>(dim), decoded);
}

void Encoder::encode_pictures(std::span<const Input* const> inputs, std::span<Encoded* const> out) {
    if (!session_.backend().device().is_cpu()) {
        session_.model().prepare_vision(); // smaller batches leave no more room for weights
        in_parts(picture_parts_, inputs.size(), "pictures",
                 [&](std::size_t first, std::size_t count) {
                     encode_on_device(inputs.subspan(first, count), out.subspan(first, count));
                 });
        return;
    }
    const auto side = static_cast<std::size_t>(preprocess_.size);
    const std::size_t stride = 3 * side * side;
    pixels_.resize(inputs.size() * stride);
    session_.pool().parallel_for(inputs.size(), 1, [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) {
            try {
                const Image image = read_image(inputs[i]->item, decode_).value();
                preprocess(image, preprocess_, pixels_.data() + i * stride);
            } catch (const Error& error) {
                out[i]->error = error;
            } catch (const std::bad_alloc&) {
                out[i]->error.emplace(ErrorCode::out_of_memory, "no memory to decode the picture");
            }
        }
    });
    // Close the gaps that broken pictures left.
    std::vector<Encoded*> decoded;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        if (out[i]->error)
            continue;
        if (decoded.size() != i)
            std::copy_n(pixels_.data() + i * stride, stride,
                        pixels_.data() + decoded.size() * stride);
        decoded.push_back(out[i]);
    }
    if (decoded.empty())
        return;
    const std::int64_t dim = this->dim(false);
    vectors_.resize(decoded.size() * static_cast<std::size_t>(dim));
    session_.model().encode_pictures({pixels_.data(), decoded.size() * stride}, vectors_,
                                     options_.layer);
    hand_out(vectors_, dim, decoded);
}

void Encoder::encode_texts(std::span<const Input* const> inputs, std::span<Encoded* const> out) {
    const Tokenizer& tokenizer = session_.tokenizer();
    const auto context = static_cast<std::size_t>(session_.model().config().text.context_length);
    std::vector<TokenizedText> all(inputs.size());
    session_.pool().parallel_for(inputs.size(), 16, [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) {
            if (io::is_valid_utf8(inputs[i]->item))
                all[i] = tokenizer.encode_for_model(inputs[i]->item, context);
            else
                out[i]->error.emplace(ErrorCode::bad_format, "the text is not UTF-8");
        }
    });
    std::vector<TokenizedText> tokens;
    std::vector<Encoded*> slots;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        if (out[i]->error)
            continue;
        if (all[i].truncated)
            reporter_.warning(quoted_beginning(inputs[i]->item),
                              concat("the text was cut to ", context, " tokens"));
        tokens.push_back(std::move(all[i]));
        slots.push_back(out[i]);
    }
    if (tokens.empty())
        return;
    const std::int64_t dim = this->dim(true);
    vectors_.resize(tokens.size() * static_cast<std::size_t>(dim));
    session_.model().prepare_text();
    const auto width = static_cast<std::size_t>(dim);
    in_parts(text_parts_, tokens.size(), "texts", [&](std::size_t first, std::size_t count) {
        session_.model().encode_texts(std::span(tokens).subspan(first, count),
                                      std::span(vectors_).subspan(first * width, count * width),
                                      options_.layer);
    });
    hand_out(vectors_, dim, slots);
}

void Encoder::hand_out(std::span<float> vectors, std::int64_t dim, std::span<Encoded* const> out) {
    const auto width = static_cast<std::size_t>(dim);
    for (std::size_t i = 0; i < out.size(); ++i)
        if (!all_finite(vectors.subspan(i * width, width))) {
            out[i]->error.emplace(ErrorCode::bad_format,
                                  "the model's answer is not finite: its weights are damaged, or "
                                  "they overflow in this precision");
            std::fill_n(vectors.begin() + static_cast<std::ptrdiff_t>(i * width), width, 0.0F);
        }
    if (options_.normalize)
        normalize_rows(session_.host_backend(), vectors, dim);
    for (std::size_t i = 0; i < out.size(); ++i)
        if (!out[i]->error)
            out[i]->values.assign(vectors.begin() + static_cast<std::ptrdiff_t>(i * width),
                                  vectors.begin() + static_cast<std::ptrdiff_t>((i + 1) * width));
}

void read_ahead(std::span<const Input> inputs) {
    for (const Input& input : inputs) {
        if (input.is_text || input.error || !input.embedding.empty())
            continue;
        // Opening a FIFO or a device would do something to its other side.
        struct stat status {};
        if (::stat(input.item.c_str(), &status) != 0 || !S_ISREG(status.st_mode))
            continue;
        const int fd = ::open(input.item.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0)
            continue;
        ::posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED);
        ::close(fd);
    }
}

} // namespace clip::app
