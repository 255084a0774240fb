// SPDX-License-Identifier: MIT
// The decoders behind decode_image: one function a library. Each throws Error.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "data/image_decode.hpp"
#include "data/image_sniff.hpp"

namespace clip {

using Bytes = std::span<const std::uint8_t>;

/// Refuses a picture that says it has more pixels than allowed, or sides that no decoder can take.
void check_picture_size(std::int64_t width, std::int64_t height, const DecodeOptions& options);

/// "not a picture this build can read (<format>: <why>)"
[[noreturn]] void fail_picture(PictureFormat format, const std::string& why);
/// "the picture is cut off (<format>, <where>)"
[[noreturn]] void fail_cut_off(PictureFormat format, const std::string& where);

Image decode_jpeg(Bytes bytes, const DecodeOptions& options);
Image decode_png(Bytes bytes, const DecodeOptions& options);
Image decode_gif(Bytes bytes, const DecodeOptions& options);
Image decode_pnm(Bytes bytes, const DecodeOptions& options);
Image decode_by_opencv(PictureFormat format, Bytes bytes, const DecodeOptions& options);

} // namespace clip
