// SPDX-License-Identifier: MIT
// The first frame of a GIF. The format is small, and the OpenCV of Debian 12 does not have it.
#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "base/concat.hpp"
#include "data/image_codecs.hpp"

namespace clip {

namespace {

constexpr int kMaxCode = 4096;

/// A place in the file; reading past its end is an error.
class Cursor {
  public:
    explicit Cursor(Bytes bytes) : bytes_(bytes) {}

    std::uint8_t byte() { return take(1)[0]; }
    int word() {
        const Bytes two = take(2);
        return two[0] | two[1] << 8;
    }
    Bytes take(std::size_t count) {
        if (bytes_.size() - at_ < count)
            fail_cut_off(PictureFormat::gif, where_);
        const Bytes taken = bytes_.subspan(at_, count);
        at_ += count;
        return taken;
    }
    void skip_blocks() {
        while (const std::uint8_t size = byte())
            take(size);
    }
    void set_where(const char* where) { where_ = where; }

  private:
    Bytes bytes_;
    std::size_t at_ = 0;
    const char* where_ = "in its header";
};

struct Frame {
    int left = 0, top = 0, width = 0, height = 0;
    bool interlaced = false;
    std::optional<Bytes> colours; // RGB triples of its own
    std::optional<int> transparent;
};

/// GIF's variable-length LZW, from sub-blocks that begin at the cursor, to `count` indices.
/// A code that cannot be is bad_format; data that end early are truncated.
std::vector<std::uint8_t> decompress(Cursor& cursor, std::size_t count) {
    const int bits = cursor.byte();
    if (bits < 1 || bits > 8)
        fail_picture(PictureFormat::gif, concat("codes of ", bits, " bits"));
    const int clear = 1 << bits;
    const int end = clear + 1;
    std::vector<std::uint16_t> previous(kMaxCode);
    std::vector<std::uint8_t> last(kMaxCode), reversed(kMaxCode + 1);
    for (int i = 0; i < clear; ++i)
        last[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(i);
    std::vector<std::uint8_t> out;
    out.reserve(count);
    Bytes block;
    std::size_t at = 0;
    std::uint32_t pending = 0;
    int pending_bits = 0;
    int width = bits + 1, next = end + 1, before = -1;
    std::uint8_t first = 0;
    while (out.size() < count) {
        while (pending_bits < width) {
            if (at == block.size()) {
                const std::uint8_t size = cursor.byte();
                if (size == 0)
                    fail_cut_off(PictureFormat::gif, concat("pixel ", out.size(), " of ", count));
                block = cursor.take(size);
                at = 0;
            }
            pending |= std::uint32_t{block[at++]} << pending_bits;
            pending_bits += 8;
        }
        const int code = static_cast<int>(pending & ((1U << width) - 1));
        pending >>= width;
        pending_bits -= width;
        if (code == clear) {
            width = bits + 1;
            next = end + 1;
            before = -1;
            continue;
        }
        if (code == end)
            fail_cut_off(PictureFormat::gif, concat("pixel ", out.size(), " of ", count));
        if (code > next || (before < 0 && code >= clear) || (code == next && before < 0))
            fail_picture(PictureFormat::gif, "a code that cannot be");
        // A string is kept as its last index and the code of what comes before: it is read
        // backwards. The code to be made next is the string before with its own first index.
        std::size_t length = 0;
        int link = code;
        if (code == next) {
            reversed[length++] = first;
            link = before;
        }
        while (link >= clear) {
            reversed[length++] = last[static_cast<std::size_t>(link)];
            link = previous[static_cast<std::size_t>(link)];
        }
        first = static_cast<std::uint8_t>(link);
        reversed[length++] = first;
        while (length > 0 && out.size() < count)
            out.push_back(reversed[--length]);
        if (before >= 0 && next < kMaxCode) {
            previous[static_cast<std::size_t>(next)] = static_cast<std::uint16_t>(before);
            last[static_cast<std::size_t>(next)] = first;
            ++next;
            if (next == 1 << width && width < 12)
                ++width;
        }
        before = code;
    }
    return out;
}

/// Reads up to where the compressed indices of the first frame begin.
Frame find_frame(Cursor& cursor) {
    Frame frame;
    for (;;) {
        const std::uint8_t kind = cursor.byte();
        if (kind == ';')
            fail_picture(PictureFormat::gif, "no frame");
        if (kind == '!') {
            const std::uint8_t label = cursor.byte();
            const std::uint8_t size = cursor.byte();
            const Bytes block = cursor.take(size);
            if (label == 0xF9 && size >= 4 && (block[0] & 1) != 0)
                frame.transparent = block[3];
            if (size != 0)
                cursor.skip_blocks();
        } else if (kind == ',') {
            break;
        }
    }
    frame.left = cursor.word();
    frame.top = cursor.word();
    frame.width = cursor.word();
    frame.height = cursor.word();
    const std::uint8_t flags = cursor.byte();
    frame.interlaced = (flags & 0x40) != 0;
    if ((flags & 0x80) != 0)
        frame.colours = cursor.take(std::size_t{3} << ((flags & 7) + 1));
    return frame;
}

/// The rows of an interlaced frame in the order in which they are stored.
std::vector<int> row_order(const Frame& frame) {
    std::vector<int> order;
    constexpr int kStart[] = {0, 4, 2, 1}, kStep[] = {8, 8, 4, 2};
    for (int pass = 0; pass < 4; ++pass)
        for (int y = kStart[pass]; y < frame.height; y += kStep[pass])
            order.push_back(y);
    if (!frame.interlaced)
        std::sort(order.begin(), order.end());
    return order;
}

/// A palette in which every index is its own grey makes the picture grey, as in Pillow.
bool is_grey_ramp(Bytes colours) {
    for (std::size_t i = 0; i < colours.size(); ++i)
        if (colours[i] != i / 3)
            return false;
    return true;
}

} // namespace

Image decode_gif(Bytes bytes, const DecodeOptions& options) {
    Cursor cursor(bytes);
    cursor.take(6);
    int width = cursor.word();
    int height = cursor.word();
    const std::uint8_t flags = cursor.byte();
    cursor.take(2);
    Bytes colours;
    if ((flags & 0x80) != 0)
        colours = cursor.take(std::size_t{3} << ((flags & 7) + 1));
    const Frame frame = find_frame(cursor);
    if (frame.colours)
        colours = *frame.colours;
    // A frame may stick out of the screen: the picture then grows.
    width = std::max(width, frame.left + frame.width);
    height = std::max(height, frame.top + frame.height);
    check_picture_size(width, height, options);

    const auto mode = is_grey_ramp(colours) ? PixelMode::grey : PixelMode::palette;
    Image image = make_image(width, height, mode, "GIF");
    for (std::size_t i = 0; i < 256; ++i) {
        image.palette[i].fill(static_cast<std::uint8_t>(i));
        if (3 * i + 2 < colours.size())
            std::memcpy(image.palette[i].data(), colours.data() + 3 * i, 3);
    }
    if (frame.transparent && mode == PixelMode::palette) {
        image.palette_alpha.assign(static_cast<std::size_t>(*frame.transparent) + 1, 255);
        image.palette_alpha.back() = 0;
    }
    std::memset(image.pixels.data(), frame.transparent.value_or(0), image.pixels.size());
    cursor.set_where("in its pixels");
    const auto count = static_cast<std::size_t>(frame.width) * static_cast<unsigned>(frame.height);
    const std::vector<std::uint8_t> indices = decompress(cursor, count);
    const std::uint8_t* from = indices.data();
    for (const int y : row_order(frame)) {
        std::memcpy(image.row(frame.top + y) + frame.left, from,
                    static_cast<std::size_t>(frame.width));
        from += frame.width;
    }
    return image;
}

} // namespace clip
