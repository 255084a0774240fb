// SPDX-License-Identifier: MIT
// ZIP archives made byte by byte, sound ones and others.
#pragma once

#include <cstdint>
#include <string>
#include <vector>
#include <zlib.h>

namespace clip_test {

inline std::string little_endian(std::uint64_t value, std::size_t size) {
    std::string bytes;
    for (std::size_t i = 0; i < size; ++i)
        bytes += static_cast<char>(value >> (8 * i) & 0xff);
    return bytes;
}

inline std::string deflated(const std::string& content) {
    z_stream stream{};
    deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
    std::string out(deflateBound(&stream, content.size()), '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
    stream.avail_in = static_cast<uInt>(content.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    deflate(&stream, Z_FINISH);
    out.resize(stream.total_out);
    deflateEnd(&stream);
    return out;
}

struct ZipPart {
    std::string name;
    std::string content;
    bool compress = false;
    bool zip64 = false;       ///< sizes and offset in the 64-bit extra field
    std::uint64_t claims = 0; ///< another content size than the true one, unless 0
    std::uint16_t flags = 0;
    std::uint16_t method = 0xffff; ///< another method number than the true one
};

inline std::string make_zip(const std::vector<ZipPart>& parts, bool zip64_end = false) {
    std::string file, directory;
    for (const ZipPart& part : parts) {
        const std::string data = part.compress ? deflated(part.content) : part.content;
        const auto* bytes = reinterpret_cast<const Bytef*>(part.content.data());
        const std::uint64_t size = part.claims != 0 ? part.claims : part.content.size();
        const std::uint16_t method =
            part.method != 0xffff ? part.method : static_cast<std::uint16_t>(part.compress ? 8 : 0);
        const std::string common =
            little_endian(part.flags, 2) + little_endian(method, 2) + little_endian(0, 4) +
            little_endian(crc32(0, bytes, static_cast<uInt>(part.content.size())), 4);
        const std::uint64_t full = 0xffffffff;
        const std::string extra =
            part.zip64 ? little_endian(1, 2) + little_endian(24, 2) + little_endian(size, 8) +
                             little_endian(data.size(), 8) + little_endian(file.size(), 8)
                       : "";
        directory += "PK\x01\x02" + little_endian(45, 2) + little_endian(45, 2) + common +
                     little_endian(part.zip64 ? full : data.size(), 4) +
                     little_endian(part.zip64 ? full : size, 4) +
                     little_endian(part.name.size(), 2) + little_endian(extra.size(), 2) +
                     std::string(10, '\0') + little_endian(part.zip64 ? full : file.size(), 4) +
                     part.name + extra;
        file += "PK\x03\x04" + little_endian(45, 2) + common + little_endian(data.size(), 4) +
                little_endian(size, 4) + little_endian(part.name.size(), 2) + little_endian(0, 2) +
                part.name + data;
    }
    const std::uint64_t offset = file.size();
    file += directory;
    if (zip64_end) {
        const std::uint64_t at = file.size();
        file += "PK\x06\x06" + little_endian(44, 8) + std::string(12, '\0') +
                little_endian(parts.size(), 8) + little_endian(parts.size(), 8) +
                little_endian(directory.size(), 8) + little_endian(offset, 8);
        file += "PK\x06\x07" + little_endian(0, 4) + little_endian(at, 8) + little_endian(1, 4);
    }
    return file + "PK\x05\x06" + std::string(4, '\0') +
           little_endian(zip64_end ? 0xffff : parts.size(), 2) +
           little_endian(zip64_end ? 0xffff : parts.size(), 2) +
           little_endian(zip64_end ? 0xffffffff : directory.size(), 4) +
           little_endian(zip64_end ? 0xffffffff : offset, 4) + little_endian(0, 2);
}

} // namespace clip_test
