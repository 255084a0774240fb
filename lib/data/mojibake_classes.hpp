// SPDX-License-Identifier: MIT
// The few hundred characters that occur in badly decoded text, and what each of them is there.
#pragma once

#include <cstddef>
#include <cstdint>

namespace clip {

// The bits of mojibake_table.inc.
enum MojibakeClass : std::uint32_t {
    kCommon = 1U << 0,
    kC1 = 1U << 1,
    kBad = 1U << 2,
    kLaw = 1U << 3,
    kCurrency = 1U << 4,
    kStartPunctuation = 1U << 5,
    kEndPunctuation = 1U << 6,
    kNumeric = 1U << 7,
    kKaomoji = 1U << 8,
    kUpperAccented = 1U << 9,
    kLowerAccented = 1U << 10,
    kUpperCommon = 1U << 11,
    kLowerCommon = 1U << 12,
    kBox = 1U << 13,
    kUtf8FirstOf2 = 1U << 14,
    kUtf8FirstOf3 = 1U << 15,
    kUtf8FirstOf4 = 1U << 16,
    kUtf8Continuation = 1U << 17,
    kUtf8ContinuationStrict = 1U << 18,
};

// Every character of these tables has a slot: those below U+2600 their own number, and four others.
constexpr std::size_t kMojibakeSlots = 0x2604;

/// The slot of a character; kMojibakeSlots for one that no table holds.
constexpr std::size_t mojibake_slot(char32_t code) {
    if (code < 0x2600)
        return code;
    switch (code) {
    case 0xf8ff:
        return 0x2600;
    case 0xfb01:
        return 0x2601;
    case 0xfb02:
        return 0x2602;
    case 0xfffd:
        return 0x2603;
    default:
        return kMojibakeSlots;
    }
}

/// The classes of a character, or-ed.
std::uint32_t mojibake_classes(char32_t code);

} // namespace clip
