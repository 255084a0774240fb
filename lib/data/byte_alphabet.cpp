// SPDX-License-Identifier: MIT
#include "data/byte_alphabet.hpp"

#include "data/unicode.hpp"

namespace clip {

const ByteAlphabet& byte_alphabet() {
    static const ByteAlphabet alphabet = [] {
        const auto printable = [](unsigned b) {
            return (b >= 33 && b <= 126) || (b >= 161 && b <= 255 && b != 173);
        };
        ByteAlphabet built;
        std::size_t place = 0;
        char32_t substitute = 256;
        for (const bool wanted : {true, false})
            for (unsigned b = 0; b < 256; ++b)
                if (printable(b) == wanted) {
                    append_utf8(built.letter[b], wanted ? b : substitute++);
                    built.position[b] = static_cast<unsigned char>(place);
                    built.in_order[place++] = static_cast<unsigned char>(b);
                }
        return built;
    }();
    return alphabet;
}

} // namespace clip
