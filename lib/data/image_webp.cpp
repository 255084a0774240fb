// SPDX-License-Identifier: MIT
#include "data/image_webp.hpp"

#include <cstring>
#include <string_view>

#include "data/image_codecs.hpp"

namespace clip {

namespace {

constexpr std::uint8_t kAlphaFlag = 0x10;
constexpr std::uint8_t kAnimationFlag = 0x02;

std::uint32_t little(Bytes bytes, std::size_t at, std::size_t size) {
    std::uint32_t value = 0;
    for (std::size_t i = size; i-- > 0;)
        value = value << 8 | bytes[at + i];
    return value;
}

void append(std::vector<std::uint8_t>& to, std::uint32_t value, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i)
        to.push_back(static_cast<std::uint8_t>(value >> 8 * i));
}

void append(std::vector<std::uint8_t>& to, std::string_view text) {
    to.insert(to.end(), text.begin(), text.end());
}

/// A still WebP around the chunks of one frame.
std::vector<std::uint8_t> still_file(Bytes chunks, const WebpFrame& frame) {
    const bool extended = chunks.size() >= 4 && std::memcmp(chunks.data(), "ALPH", 4) == 0;
    std::vector<std::uint8_t> file;
    append(file, "RIFF");
    append(file, static_cast<std::uint32_t>(4 + (extended ? 18 : 0) + chunks.size()), 4);
    append(file, "WEBP");
    if (extended) {
        append(file, "VP8X");
        append(file, 10, 4);
        append(file, kAlphaFlag, 4);
        append(file, static_cast<std::uint32_t>(frame.width - 1), 3);
        append(file, static_cast<std::uint32_t>(frame.height - 1), 3);
    }
    file.insert(file.end(), chunks.begin(), chunks.end());
    return file;
}

} // namespace

std::optional<WebpFrame> first_webp_frame(Bytes bytes) {
    constexpr std::size_t kFrameHeader = 16;
    if (bytes.size() < 30 || std::memcmp(bytes.data() + 12, "VP8X", 4) != 0 ||
        (bytes[20] & kAnimationFlag) == 0)
        return std::nullopt;
    for (std::size_t at = 12; bytes.size() - at >= 8;) {
        const std::size_t size = little(bytes, at + 4, 4);
        if (size > bytes.size() - at - 8)
            break;
        if (std::memcmp(bytes.data() + at, "ANMF", 4) == 0 && size > kFrameHeader) {
            const Bytes chunk = bytes.subspan(at + 8, size);
            WebpFrame frame;
            frame.left = static_cast<int>(little(chunk, 0, 3) * 2);
            frame.top = static_cast<int>(little(chunk, 3, 3) * 2);
            frame.width = static_cast<int>(little(chunk, 6, 3) + 1);
            frame.height = static_cast<int>(little(chunk, 9, 3) + 1);
            frame.alpha = (bytes[20] & kAlphaFlag) != 0;
            frame.file = still_file(chunk.subspan(kFrameHeader), frame);
            return frame;
        }
        const std::size_t whole = 8 + size + size % 2;
        if (whole > bytes.size() - at)
            break;
        at += whole;
    }
    fail_cut_off(PictureFormat::webp, "before its first frame");
}

} // namespace clip
