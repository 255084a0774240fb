// SPDX-License-Identifier: MIT
#include "io/utf8.hpp"

#include <cstring>

namespace clip::io {

namespace {

bool is_continuation(unsigned char byte) {
    return (byte & 0xc0) == 0x80;
}

/// Bytes of the well-formed sequence that starts at `at`, or 0.
std::size_t sequence_length(const unsigned char* at, std::size_t left) {
    const unsigned char lead = at[0];
    if (lead < 0x80)
        return 1;
    if (lead < 0xc2)
        return 0;
    if (lead < 0xe0)
        return left >= 2 && is_continuation(at[1]) ? 2 : 0;
    if (lead < 0xf0) {
        if (left < 3 || !is_continuation(at[1]) || !is_continuation(at[2]))
            return 0;
        if ((lead == 0xe0 && at[1] < 0xa0) || (lead == 0xed && at[1] > 0x9f))
            return 0;
        return 3;
    }
    if (lead > 0xf4 || left < 4 || !is_continuation(at[1]) || !is_continuation(at[2]) ||
        !is_continuation(at[3]))
        return 0;
    if ((lead == 0xf0 && at[1] < 0x90) || (lead == 0xf4 && at[1] > 0x8f))
        return 0;
    return 4;
}

} // namespace

std::size_t utf8_valid_prefix(std::string_view text) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
    const std::size_t size = text.size();
    std::size_t at = 0;
    while (at < size) {
        // Numbers and most keys are ASCII: 32 bytes a step while no high bit is set.
        while (size - at >= 32) {
            std::uint64_t words[4];
            std::memcpy(words, bytes + at, sizeof words);
            if (((words[0] | words[1] | words[2] | words[3]) & 0x8080808080808080U) != 0)
                break;
            at += 32;
        }
        if (at == size)
            break;
        const std::size_t length = sequence_length(bytes + at, size - at);
        if (length == 0)
            return at;
        at += length;
    }
    return size;
}

void append_utf8(std::string& out, std::uint32_t scalar) {
    const auto put = [&out](std::uint32_t byte) { out += static_cast<char>(byte); };
    if (scalar < 0x80) {
        put(scalar);
    } else if (scalar < 0x800) {
        put(0xc0 | scalar >> 6);
        put(0x80 | (scalar & 0x3f));
    } else if (scalar < 0x10000) {
        put(0xe0 | scalar >> 12);
        put(0x80 | (scalar >> 6 & 0x3f));
        put(0x80 | (scalar & 0x3f));
    } else {
        put(0xf0 | scalar >> 18);
        put(0x80 | (scalar >> 12 & 0x3f));
        put(0x80 | (scalar >> 6 & 0x3f));
        put(0x80 | (scalar & 0x3f));
    }
}

} // namespace clip::io
