// SPDX-License-Identifier: MIT
#include "data/image_sniff.hpp"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <iterator>
#include <string_view>

#include "base/concat.hpp"
#include "data/image_codecs.hpp"
#include "data/image_exif.hpp"

namespace clip {

namespace {

bool starts_with(Bytes bytes, std::string_view magic, std::size_t at = 0) {
    return bytes.size() >= at + magic.size() &&
           std::memcmp(bytes.data() + at, magic.data(), magic.size()) == 0;
}

/// Numbers of a header; one that ends too early is an error.
class HeaderReader {
  public:
    HeaderReader(PictureFormat format, Bytes bytes) : format_(format), bytes_(bytes) {}

    std::uint32_t little(std::size_t at, std::size_t size) const {
        std::uint32_t value = 0;
        for (std::size_t i = size; i-- > 0;)
            value = value << 8 | byte(at + i);
        return value;
    }
    std::uint32_t big(std::size_t at, std::size_t size) const {
        std::uint32_t value = 0;
        for (std::size_t i = 0; i < size; ++i)
            value = value << 8 | byte(at + i);
        return value;
    }
    std::uint8_t byte(std::size_t at) const {
        if (at >= bytes_.size())
            fail_cut_off(format_, "in its header");
        return bytes_[at];
    }

  private:
    PictureFormat format_;
    Bytes bytes_;
};

PictureHeader webp_header(Bytes bytes) {
    const HeaderReader read(PictureFormat::webp, bytes);
    PictureHeader header;
    if (starts_with(bytes, "VP8 ", 12)) {
        header.width = read.little(26, 2) & 0x3FFF;
        header.height = read.little(28, 2) & 0x3FFF;
    } else if (starts_with(bytes, "VP8L", 12)) {
        const std::uint32_t packed = read.little(21, 4);
        header.width = (packed & 0x3FFF) + 1;
        header.height = (packed >> 14 & 0x3FFF) + 1;
    } else if (starts_with(bytes, "VP8X", 12)) {
        header.width = std::int64_t{read.little(24, 3)} + 1;
        header.height = std::int64_t{read.little(27, 3)} + 1;
    } else {
        fail_picture(PictureFormat::webp, "no chunk of pixels");
    }
    for (std::size_t at = 12; at + 8 <= bytes.size();) {
        const std::size_t size = read.little(at + 4, 4);
        if (starts_with(bytes, "EXIF", at) && size <= bytes.size() - at - 8)
            header.orientation = exif_orientation(bytes.subspan(at + 8, size));
        at += 8 + size + size % 2;
    }
    return header;
}

/// Whether each of the colours is the grey of its own index: then the picture is grey.
bool bmp_is_grey(const HeaderReader& read, bool old) {
    const std::size_t colour_size = old ? 3 : 4;
    const std::size_t colours_at = 14 + std::size_t{read.little(14, 4)};
    const std::uint32_t said = old ? 0 : read.little(46, 4);
    const std::uint32_t colours = said == 0 ? 256 : said;
    if (colours == 2 || colours > 256)
        return false;
    for (std::uint32_t i = 0; i < colours; ++i)
        if (read.little(colours_at + i * colour_size, 3) != i * 0x010101)
            return false;
    return true;
}

PictureHeader bmp_header(Bytes bytes) {
    const HeaderReader read(PictureFormat::bmp, bytes);
    PictureHeader header;
    const bool old = read.little(14, 4) == 12;
    const std::uint32_t bits = read.little(old ? 24 : 28, 2);
    header.width = old ? read.little(18, 2) : read.little(18, 4);
    header.height = old ? read.little(20, 2) : read.little(22, 4);
    // Rows from top to bottom are told by a negative height.
    if (!old && header.height > 0x7FFFFFFF)
        header.height = 0x100000000 - header.height;
    header.indexed = bits <= 8 && !(bits == 8 && bmp_is_grey(read, old));
    // A fourth byte is alpha only where the masks of a longer header say so.
    const bool masks = !old && read.little(14, 4) >= 56 && read.little(30, 4) == 3;
    if (!masks || read.little(66, 4) == 0)
        header.fourth = FourthChannel::unused;
    return header;
}

PictureHeader tiff_header(Bytes bytes) {
    const TiffReader reader(bytes);
    if (!reader.ok())
        fail_cut_off(PictureFormat::tiff, "in its header");
    PictureHeader header;
    header.width = reader.tag(256).value_or(0);
    header.height = reader.tag(257).value_or(0);
    const std::uint32_t bits = reader.tag(258).value_or(1);
    const std::uint32_t photometric = reader.tag(262).value_or(0);
    header.indexed = photometric == 3;
    if (photometric == 2 && reader.tag(277) == 4U) {
        constexpr std::uint32_t kAssociated = 1, kUnassociated = 2;
        const std::uint32_t fourth = reader.tag(338).value_or(0);
        header.fourth = fourth == kUnassociated ? FourthChannel::alpha
                        : fourth == kAssociated ? FourthChannel::premultiplied_alpha
                                                : FourthChannel::unused;
        header.fourth_at = reader.short_position(338).value_or(0);
    }
    header.bilevel = bits == 1 && photometric < 2 && reader.tag(277).value_or(1) == 1;
    return header;
}

PictureHeader jpeg2000_header(Bytes bytes) {
    // The boxes before the codestream say a size, too, but it is the codestream that is decoded.
    constexpr std::uint8_t kStart[] = {0xFF, 0x4F, 0xFF, 0x51};
    const auto found =
        std::search(bytes.begin(), bytes.end(), std::begin(kStart), std::end(kStart));
    const HeaderReader read(PictureFormat::jpeg2000,
                            bytes.subspan(static_cast<std::size_t>(found - bytes.begin())));
    PictureHeader header;
    header.width = std::int64_t{read.big(8, 4)} - read.big(16, 4);
    header.height = std::int64_t{read.big(12, 4)} - read.big(20, 4);
    return header;
}

} // namespace

const char* picture_format_name(PictureFormat format) {
    switch (format) {
    case PictureFormat::jpeg:
        return "JPEG";
    case PictureFormat::png:
        return "PNG";
    case PictureFormat::gif:
        return "GIF";
    case PictureFormat::webp:
        return "WebP";
    case PictureFormat::bmp:
        return "BMP";
    case PictureFormat::tiff:
        return "TIFF";
    case PictureFormat::pnm:
        return "PNM";
    case PictureFormat::jpeg2000:
        return "JPEG 2000";
    case PictureFormat::unknown:
        break;
    }
    return "unknown";
}

PictureFormat sniff_format(Bytes bytes) {
    if (starts_with(bytes, "\xFF\xD8\xFF"))
        return PictureFormat::jpeg;
    if (starts_with(bytes, "\x89PNG\r\n\x1A\n"))
        return PictureFormat::png;
    if (starts_with(bytes, "GIF87a") || starts_with(bytes, "GIF89a"))
        return PictureFormat::gif;
    if (starts_with(bytes, "RIFF") && starts_with(bytes, "WEBP", 8))
        return PictureFormat::webp;
    if (starts_with(bytes, "BM") && bytes.size() >= 18 && bytes[15] == 0 && bytes[16] == 0)
        return PictureFormat::bmp;
    if (starts_with(bytes, {"II*\0", 4}) || starts_with(bytes, {"MM\0*", 4}))
        return PictureFormat::tiff;
    if (bytes.size() > 2 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '6' &&
        (std::isspace(bytes[2]) != 0 || bytes[2] == '#'))
        return PictureFormat::pnm;
    if (starts_with(bytes, {"\0\0\0\x0CjP  \r\n\x87\n", 12}) ||
        starts_with(bytes, "\xFF\x4F\xFF\x51"))
        return PictureFormat::jpeg2000;
    return PictureFormat::unknown;
}

std::string describe_unknown(Bytes bytes) {
    if (bytes.empty())
        return "it is empty";
    if (starts_with(bytes, "%PDF"))
        return "it is a PDF";
    if (starts_with(bytes, "PK\x03\x04"))
        return "it is a ZIP archive";
    if (starts_with(bytes, "ftyp", 4)) {
        const bool avif = starts_with(bytes, "avif", 8) || starts_with(bytes, "avis", 8);
        const bool heif = starts_with(bytes, "hei", 8) || starts_with(bytes, "mif1", 8);
        return avif ? "it is AVIF" : heif ? "it is HEIF" : "it is a video or its like";
    }
    const Bytes head = bytes.first(bytes.size() < 512 ? bytes.size() : 512);
    std::string text(head.begin(), head.end());
    bool zeros = true, printable = true;
    for (const char byte : text) {
        zeros = zeros && byte == 0;
        const auto value = static_cast<unsigned char>(byte);
        printable = printable && (value >= 32 || std::isspace(value) != 0);
    }
    if (zeros)
        return "it begins with zeros only";
    if (!printable)
        return "its format is not known";
    if (text.find("<svg") != std::string::npos)
        return "it is SVG";
    if (text.find('<') < 4 && text.find('>') != std::string::npos)
        return "it is HTML or XML";
    return "it is text";
}

PictureHeader sniff_header(PictureFormat format, Bytes bytes) {
    PictureHeader header;
    switch (format) {
    case PictureFormat::webp:
        header = webp_header(bytes);
        break;
    case PictureFormat::bmp:
        header = bmp_header(bytes);
        break;
    case PictureFormat::tiff:
        header = tiff_header(bytes);
        break;
    case PictureFormat::jpeg2000:
        header = jpeg2000_header(bytes);
        break;
    default:
        fail(ErrorCode::internal, "sniff header: a format that has a decoder of its own");
    }
    return header;
}

} // namespace clip
