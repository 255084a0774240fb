// SPDX-License-Identifier: MIT
// PBM, PGM and PPM, plain and raw. OpenCV reads them too, but passes over the largest value that
// the header names; Pillow scales by it.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/concat.hpp"
#include "data/image_codecs.hpp"

namespace clip {

namespace {

bool is_space(std::uint8_t byte) {
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

class PnmReader {
  public:
    explicit PnmReader(Bytes bytes) : bytes_(bytes) {}

    /// The next number; white space and comments before it are skipped.
    int number() {
        skip_space();
        std::int64_t value = 0;
        bool any = false;
        while (at_ < bytes_.size() && bytes_[at_] >= '0' && bytes_[at_] <= '9') {
            value = value * 10 + (bytes_[at_++] - '0');
            any = true;
            if (value > 0x7FFFFFFF)
                fail_picture(PictureFormat::pnm, "a number that is too large");
        }
        if (!any)
            fail_here("no number where one should be");
        return static_cast<int>(value);
    }

    /// A plain bitmap's next digit; there need not be space between two.
    int bit() {
        skip_space();
        if (at_ == bytes_.size() || (bytes_[at_] != '0' && bytes_[at_] != '1'))
            fail_here("neither 0 nor 1 where one should be");
        return bytes_[at_++] - '0';
    }

    /// The one white-space byte after the header.
    void end_header() {
        if (at_ == bytes_.size() || !is_space(bytes_[at_]))
            fail_here("no white space after its header");
        ++at_;
    }

    Bytes take(std::size_t count) {
        if (bytes_.size() - at_ < count)
            fail_cut_off(PictureFormat::pnm,
                         concat(bytes_.size() - at_, " of ", count, " bytes of a row"));
        const Bytes taken = bytes_.subspan(at_, count);
        at_ += count;
        return taken;
    }

  private:
    void skip_space() {
        for (; at_ < bytes_.size(); ++at_) {
            if (bytes_[at_] == '#')
                while (at_ < bytes_.size() && bytes_[at_] != '\n' && bytes_[at_] != '\r')
                    ++at_;
            else if (!is_space(bytes_[at_]))
                return;
            if (at_ == bytes_.size())
                return;
        }
    }

    [[noreturn]] void fail_here(const std::string& why) const {
        if (at_ == bytes_.size())
            fail_cut_off(PictureFormat::pnm, concat("byte ", at_));
        fail_picture(PictureFormat::pnm, why);
    }

    Bytes bytes_;
    std::size_t at_ = 2;
};

/// Values up to `maximum` on the scale of the mode, rounded half to even in double as in Python.
std::vector<int> scale_table(int maximum, int top) {
    std::vector<int> table(maximum > 255 ? 65536 : 256);
    for (std::size_t value = 0; value < table.size(); ++value) {
        const double scaled = static_cast<double>(value) / maximum * top;
        table[value] = static_cast<int>(std::min(std::nearbyint(scaled), static_cast<double>(top)));
    }
    return table;
}

void store(Image& image, std::uint8_t* row, std::size_t i, int value) {
    if (image.mode == PixelMode::grey16) {
        const auto sample = static_cast<std::uint16_t>(value);
        std::memcpy(row + 2 * i, &sample, 2);
    } else {
        row[i] = static_cast<std::uint8_t>(value);
    }
}

void read_bitmap(PnmReader& reader, Image& image, bool plain) {
    const auto width = static_cast<std::size_t>(image.width);
    for (int y = 0; y < image.height; ++y) {
        std::uint8_t* row = image.row(y);
        const Bytes packed = plain ? Bytes() : reader.take((width + 7) / 8);
        for (std::size_t x = 0; x < width; ++x) {
            const int black = plain ? reader.bit() : packed[x / 8] >> (7 - x % 8) & 1;
            row[x] = black != 0 ? 0 : 255;
        }
    }
}

void read_samples(PnmReader& reader, Image& image, bool plain, int maximum) {
    const std::size_t count =
        static_cast<std::size_t>(image.width) * (image.mode == PixelMode::rgb ? 3 : 1);
    const std::vector<int> scaled =
        scale_table(maximum, image.mode == PixelMode::grey16 ? 65535 : 255);
    const std::size_t bytes_each = maximum > 255 ? 2 : 1;
    for (int y = 0; y < image.height; ++y) {
        std::uint8_t* row = image.row(y);
        if (plain) {
            for (std::size_t i = 0; i < count; ++i) {
                const int value = reader.number();
                if (value > maximum)
                    fail_picture(PictureFormat::pnm, concat("a value over the largest (got ", value,
                                                            ", want ", maximum, ")"));
                store(image, row, i, scaled[static_cast<std::size_t>(value)]);
            }
            continue;
        }
        const Bytes samples = reader.take(count * bytes_each);
        for (std::size_t i = 0; i < count; ++i) {
            const std::size_t value =
                bytes_each == 1
                    ? samples[i]
                    : static_cast<std::size_t>(samples[2 * i] << 8 | samples[2 * i + 1]);
            store(image, row, i, scaled[value]);
        }
    }
}

} // namespace

Image decode_pnm(Bytes bytes, const DecodeOptions& options) {
    const int kind = bytes[1] - '0'; // P1 to P6: sniff_format has looked
    const bool plain = kind <= 3;
    const bool bitmap = kind == 1 || kind == 4;
    PnmReader reader(bytes);
    const int width = reader.number();
    const int height = reader.number();
    const int maximum = bitmap ? 1 : reader.number();
    if (maximum < 1 || maximum > 65535)
        fail_picture(PictureFormat::pnm,
                     concat("its largest value (got ", maximum, ", want 1 to 65535)"));
    reader.end_header();
    check_picture_size(width, height, options);
    PixelMode mode = PixelMode::rgb;
    if (bitmap)
        mode = PixelMode::bilevel;
    else if (kind == 2 || kind == 5)
        mode = maximum > 255 ? PixelMode::grey16 : PixelMode::grey;
    Image image = make_image(width, height, mode, "PNM");
    if (bitmap)
        read_bitmap(reader, image, plain);
    else
        read_samples(reader, image, plain, maximum);
    return image;
}

} // namespace clip
