// SPDX-License-Identifier: MIT
#include "data/text_mask.hpp"

#include <algorithm>
#include <cmath>
#include <new>

#include "base/error.hpp"
#include "data/opencv_library.hpp"
#include "data/unicode.hpp"

namespace clip {

namespace {

// Text is drawn large and shrunk by areas, which is smoother than OpenCV's own small letters. It is
// shrunk a little more across, since the Hershey letters are wide for their height.
constexpr int kShrinkDown = 4;
constexpr int kShrinkAcross = 5;
constexpr double kCapitals = 0.72; // of the size
constexpr double kHersheyCapitals = 21.0;

struct Spelling {
    char32_t code;
    const char* ascii;
};

/// Characters that no normal form takes apart.
constexpr Spelling kSpellings[] = {
    {0xa9, "(c)"},   {0xab, "\""},  {0xae, "(R)"},  {0xb0, "o"},    {0xb5, "u"},    {0xb7, "."},
    {0xbb, "\""},    {0xc6, "AE"},  {0xd7, "x"},    {0xd8, "O"},    {0xde, "Th"},   {0xdf, "ss"},
    {0xe6, "ae"},    {0xd0, "D"},   {0xf0, "d"},    {0xf7, "/"},    {0xf8, "o"},    {0xfe, "th"},
    {0x110, "D"},    {0x111, "d"},  {0x126, "H"},   {0x127, "h"},   {0x131, "i"},   {0x141, "L"},
    {0x142, "l"},    {0x152, "OE"}, {0x153, "oe"},  {0x166, "T"},   {0x167, "t"},   {0x1e9e, "SS"},
    {0x2010, "-"},   {0x2011, "-"}, {0x2012, "-"},  {0x2013, "-"},  {0x2014, "-"},  {0x2015, "-"},
    {0x2018, "'"},   {0x2019, "'"}, {0x201a, "'"},  {0x201c, "\""}, {0x201d, "\""}, {0x201e, "\""},
    {0x2022, "*"},   {0x2032, "'"}, {0x2033, "\""}, {0x2039, "'"},  {0x203a, "'"},  {0x2044, "/"},
    {0x20ac, "EUR"}, {0x2212, "-"},
};

/// Appends what `code` is in ASCII without taking it apart. Whether it is anything.
bool append_plain(std::string& out, char32_t code) {
    if (code >= 0x20 && code < 0x7f) {
        out += static_cast<char>(code);
        return true;
    }
    for (const Spelling& spelling : kSpellings)
        if (spelling.code == code) {
            out += spelling.ascii;
            return true;
        }
    return false;
}

void append_folded(std::string& out, char32_t code) {
    if (append_plain(out, code))
        return;
    // A letter with accents comes apart into the letter and its marks, which are dropped.
    std::string parts;
    bool folded = true;
    for (const char32_t part : nfkd_of(code))
        folded = (append_plain(parts, part) || is_mark(part)) && folded;
    if (folded)
        out += parts;
    else if (!is_invisible(code))
        out += is_space(code) ? ' ' : '?';
}

clip_opencv_line line_of(const std::string& ascii, const RasterFont& font) {
    const double pen = font.size * (font.bold ? 0.135 : 0.09);
    return {ascii.c_str(), font.size * kCapitals * kShrinkDown / kHersheyCapitals,
            std::max(1, static_cast<int>(std::lround(pen * kShrinkDown)))};
}

/// The mean of each cell of kShrinkDown x kShrinkAcross pixels.
void shrink(const std::vector<std::uint8_t>& large, std::size_t large_width, TextMask& mask) {
    constexpr unsigned kArea = kShrinkDown * kShrinkAcross;
    const auto width = static_cast<std::size_t>(mask.width);
    for (std::size_t i = 0; i < mask.coverage.size(); ++i) {
        const std::uint8_t* cell =
            large.data() + (i / width) * kShrinkDown * large_width + (i % width) * kShrinkAcross;
        unsigned sum = 0;
        for (int y = 0; y < kShrinkDown; ++y, cell += large_width)
            for (int x = 0; x < kShrinkAcross; ++x)
                sum += cell[x];
        mask.coverage[i] = static_cast<std::uint8_t>((sum + kArea / 2) / kArea);
    }
}

int large_width_of(const OpencvLibrary& library, const clip_opencv_line& line) {
    int width = 0;
    if (library.measure(CLIP_OPENCV_VERSION, &line, &width) != 0)
        fail(ErrorCode::unsupported, "draw text: the OpenCV plugin is of another version");
    return width;
}

const OpencvLibrary& library_for_text() {
    return opencv_library({}, "text in a picture made of pixels");
}

} // namespace

std::string fold_to_ascii(std::u32string_view text) {
    std::string out;
    out.reserve(text.size());
    for (const char32_t code : text)
        append_folded(out, code);
    return out;
}

double measure_text(const std::string& ascii, const RasterFont& font) {
    return static_cast<double>(large_width_of(library_for_text(), line_of(ascii, font))) /
           kShrinkAcross;
}

TextMask draw_text(const std::string& ascii, const RasterFont& font) {
    const OpencvLibrary& library = library_for_text();
    const clip_opencv_line line = line_of(ascii, font);
    TextMask mask;
    mask.left = 1 + line.thickness / kShrinkAcross;
    mask.baseline = static_cast<int>(std::ceil(font.size));
    mask.width = large_width_of(library, line) / kShrinkAcross + 2 * mask.left + 1;
    mask.height = mask.baseline + static_cast<int>(std::ceil(font.size * 0.4));
    const int large_width = mask.width * kShrinkAcross, large_height = mask.height * kShrinkDown;
    try {
        mask.coverage.resize(static_cast<std::size_t>(mask.width) *
                             static_cast<std::size_t>(mask.height));
        std::vector<std::uint8_t> large(static_cast<std::size_t>(large_width) *
                                        static_cast<std::size_t>(large_height));
        if (library.text(CLIP_OPENCV_VERSION, &line, mask.left * kShrinkAcross,
                         mask.baseline * kShrinkDown, large.data(), large_width, large_height) != 0)
            fail(ErrorCode::internal, "draw text: OpenCV failed");
        shrink(large, static_cast<std::size_t>(large_width), mask);
    } catch (const std::bad_alloc&) {
        fail(ErrorCode::out_of_memory, "draw text: no memory");
    }
    return mask;
}

} // namespace clip
