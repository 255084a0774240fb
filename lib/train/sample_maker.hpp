// SPDX-License-Identifier: MIT
// From one pair to what the towers are given.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "data/image_decode.hpp"
#include "data/preprocess.hpp"
#include "data/tokenizer.hpp"
#include "train/augment.hpp"
#include "train/pair_source.hpp"

namespace clip::train {

/// Why a pair was skipped.
enum class SkipReason : std::uint8_t {
    record,      ///< its row, caption file or archive member cannot be read
    caption,     ///< the caption is blank, or not UTF-8
    missing,     ///< the picture's file is not there, or the system refuses to read it
    broken,      ///< not a picture, a broken one, or one that is cut off
    refused,     ///< too many pixels, too much memory, or not a regular file
    unsupported, ///< a kind of picture that this build cannot read
};
inline constexpr std::size_t kSkipReasons = 6;
/// The reason's spelling, such as "broken".
std::string_view skip_reason_name(SkipReason reason);

struct Skip {
    SkipReason reason = SkipReason::record;
    std::uint64_t index = 0; ///< of the pair in its source
    std::string name;        ///< of the picture, or where the pair is
    std::string message;
};

struct SampleOptions {
    std::uint64_t seed = 0;
    /// true: a random crop, and of several captions a random one; false: the centre, the first.
    bool training = true;
    std::size_t context_length = 77;
    /// `crop` and `place` are set by `training`.
    PreprocessOptions preprocess;
    /// `shrink_to` and `shrink_shorter_to` are set here.
    DecodeOptions decode;
    /// Training only: JPEGs may be decoded with 1/2, 1/4 or 1/8 of their sides as long as the
    /// shorter one keeps twice the tower's size. Pixels differ a little from those of a whole
    /// decode.
    bool fast_jpeg = true;
    /// Training only. With nothing on, pictures are preprocess's to the bit.
    AugmentOptions augment;
};

/// Makes samples on any number of threads. What is drawn depends on seed, epoch and index alone.
class SampleMaker {
  public:
    /// `pairs` and `tokenizer` must outlive this.
    /// Errors: invalid_argument (an impossible size or context; check_augment).
    SampleMaker(const PairSource& pairs, const Tokenizer& tokenizer, const SampleOptions& options);

    /// Floats of one picture, (3, n, n).
    std::size_t pixel_count() const;
    /// Writes (3, n, n) float32 to `pixels` and the tokens to `text`. False where the pair cannot
    /// be used: `skip` then says why. `scratch` is one a thread.
    bool make(std::uint32_t epoch, std::uint64_t index, float* pixels, TokenizedText& text,
              Skip& skip, PairRecord& scratch) const;

  private:
    const PairSource& pairs_;
    const Tokenizer& tokenizer_;
    SampleOptions options_;
    bool augmented_ = false;
};

} // namespace clip::train
