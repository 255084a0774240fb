// SPDX-License-Identifier: MIT
#include "data/image_exif.hpp"

#include <cstring>

namespace clip {

TiffReader::TiffReader(std::span<const std::uint8_t> bytes) : bytes_(bytes) {
    if (bytes.size() < 8)
        return;
    if (bytes[0] == 'M' && bytes[1] == 'M')
        big_endian_ = true;
    else if (bytes[0] != 'I' || bytes[1] != 'I')
        return;
    if (number(2, 2) != 42U)
        return;
    directory_ = number(4, 4).value_or(0);
    ok_ = directory_ >= 8;
}

std::optional<std::uint32_t> TiffReader::number(std::size_t at, std::size_t size) const {
    if (at > bytes_.size() || bytes_.size() - at < size)
        return std::nullopt;
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < size; ++i) {
        const std::size_t byte = big_endian_ ? i : size - 1 - i;
        value = value << 8 | bytes_[at + byte];
    }
    return value;
}

std::optional<TiffReader::Value> TiffReader::find(std::uint16_t id) const {
    const auto entries = number(directory_, 2);
    if (!ok_ || !entries)
        return std::nullopt;
    for (std::size_t i = 0; i < *entries; ++i) {
        const std::size_t entry = directory_ + 2 + 12 * i;
        const auto found = number(entry, 2);
        if (!found)
            return std::nullopt;
        if (*found != id)
            continue;
        constexpr std::size_t kSizes[] = {0, 1, 0, 2, 4}; // BYTE, SHORT, LONG by their type
        const std::uint32_t type = number(entry + 2, 2).value_or(0);
        const std::uint32_t count = number(entry + 4, 4).value_or(0);
        if (type > 4 || kSizes[type] == 0 || count == 0)
            return std::nullopt;
        // Values of up to four bytes lie in the entry, others where it points.
        if (kSizes[type] * std::size_t{count} <= 4)
            return Value{entry + 8, kSizes[type]};
        return Value{number(entry + 8, 4).value_or(0xFFFFFFFFU), kSizes[type]};
    }
    return std::nullopt;
}

std::optional<std::uint32_t> TiffReader::tag(std::uint16_t id) const {
    const std::optional<Value> value = find(id);
    return value ? number(value->at, value->size) : std::nullopt;
}

std::optional<std::size_t> TiffReader::short_position(std::uint16_t id) const {
    const std::optional<Value> value = find(id);
    if (!value || value->size != 2 || !number(value->at, 2))
        return std::nullopt;
    return value->at;
}

int exif_orientation(std::span<const std::uint8_t> exif) {
    if (exif.size() >= 6 && std::memcmp(exif.data(), "Exif\0\0", 6) == 0)
        exif = exif.subspan(6);
    const TiffReader reader(exif);
    if (!reader.ok())
        return 1;
    const std::uint32_t value = reader.tag(0x0112).value_or(1);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
}

} // namespace clip
