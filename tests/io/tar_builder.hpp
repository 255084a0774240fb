// SPDX-License-Identifier: MIT
// Archives for tests, right and wrong.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

namespace clip_test {

/// A tar archive that grows member by member.
class TarBuilder {
  public:
    std::string bytes;

    /// Appends a header (of the GNU kind, which has no prefix) and the padded content.
    TarBuilder& add(std::string_view name, std::string_view content, char type = '0') {
        header(name, octal(content.size(), 11), type);
        bytes += content;
        bytes.resize((bytes.size() + 511) / 512 * 512);
        return *this;
    }
    /// A header alone, with any spelling of the size.
    TarBuilder& header(std::string_view name, std::string_view size, char type = '0') {
        std::string block(512, '\0');
        const auto put = [&](std::size_t at, std::string_view text) {
            block.replace(at, text.size(), text);
        };
        put(0, name.substr(0, 100));
        put(100, "0000644");
        put(124, size.substr(0, 12));
        block[156] = type;
        put(257, "ustar  ");
        bytes += block;
        sign(bytes.size() - 512);
        return *this;
    }
    /// Makes the checksum of the header at `begin` right.
    void sign(std::size_t begin) {
        bytes.replace(begin + 148, 8, 8, ' ');
        unsigned sum = 0;
        for (std::size_t i = 0; i < 512; ++i)
            sum += static_cast<unsigned char>(bytes[begin + i]);
        bytes.replace(begin + 148, 7, std::string_view(octal(sum, 6) + '\0'));
    }
    std::string finish() const { return bytes + std::string(1024, '\0'); }

    static std::string octal(std::size_t value, int digits) {
        char text[32];
        return {text,
                static_cast<std::size_t>(std::snprintf(text, sizeof text, "%0*zo", digits, value))};
    }
};

} // namespace clip_test
