// SPDX-License-Identifier: MIT
#include "app/tsv.hpp"

namespace clip::app {

void append_tsv_field(std::string& out, std::string_view text) {
    for (const char byte : text)
        switch (byte) {
        case '\t':
            out += "\\t";
            break;
        case '\n':
            out += "\\n";
            break;
        case '\r':
            out += "\\r";
            break;
        case '\\':
            out += "\\\\";
            break;
        default:
            out += byte;
        }
}

} // namespace clip::app
