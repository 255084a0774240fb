// SPDX-License-Identifier: MIT
#include "io/hdf5/datatype.hpp"

#include <algorithm>
#include <bit>

#include "base/concat.hpp"
#include "base/dtype.hpp"

namespace clip::io::hdf5 {

namespace {

/// Where IEEE 754 has its fields.
struct RealLayout {
    std::uint32_t size;
    std::uint8_t sign, exponent, exponent_bits, mantissa_bits;
    std::uint32_t bias;
};
constexpr RealLayout kReals[] = {
    {2, 15, 10, 5, 10, 15}, {4, 31, 23, 8, 23, 127}, {8, 63, 52, 11, 52, 1023}};

bool is_ieee(std::uint32_t size, std::uint32_t bits, ByteCursor& properties) {
    const int offset = properties.u16(), precision = properties.u16();
    const int exponent = properties.u8(), exponent_bits = properties.u8();
    const int mantissa = properties.u8(), mantissa_bits = properties.u8();
    const std::uint32_t bias = properties.u32();
    return std::any_of(std::begin(kReals), std::end(kReals), [&](const RealLayout& real) {
        return size == real.size && offset == 0 && precision == static_cast<int>(size * 8) &&
               exponent == real.exponent && exponent_bits == real.exponent_bits && mantissa == 0 &&
               mantissa_bits == real.mantissa_bits && bias == real.bias &&
               (bits >> 8 & 0xff) == real.sign && (bits >> 4 & 0x03) == 2; // an implied leading 1
    });
}

Datatype parse_type(ByteCursor& cursor, int depth) {
    const int kind = cursor.u8() & 0x0f;
    const auto bits = static_cast<std::uint32_t>(cursor.number(3));
    Datatype out{.size = cursor.u32()};
    switch (kind) {
    case 0: {
        out.big_endian = (bits & 0x01) != 0;
        out.is_signed = (bits & 0x08) != 0;
        const bool whole = cursor.u16() == 0 && cursor.u16() == out.size * 8;
        if (whole && std::has_single_bit(out.size) && out.size <= 8)
            out.kind = Datatype::Kind::integer;
        break;
    }
    case 1:
        out.big_endian = (bits & 0x01) != 0;
        if ((bits & 0x40) == 0 && is_ieee(out.size, bits, cursor)) // else the order of a VAX
            out.kind = Datatype::Kind::real;
        break;
    case 3:
        out.kind = Datatype::Kind::fixed_string;
        out.space_padded = (bits & 0x0f) == 2;
        break;
    case 8: // an enumeration: its base comes first
        if (depth == 0) {
            const Datatype base = parse_type(cursor, depth + 1);
            if (base.kind == Datatype::Kind::integer && base.size == out.size)
                out = base;
        }
        break;
    case 9:
        if ((bits & 0x0f) == 1 && out.size == 16)
            out.kind = Datatype::Kind::variable_string;
        break;
    default:
        break;
    }
    return out;
}

std::uint64_t bits_of(const Datatype& type, std::string_view bytes, const std::string& what) {
    std::string little(bytes);
    if (type.big_endian)
        std::reverse(little.begin(), little.end());
    return ByteCursor(little, what).number(type.size);
}

std::size_t padded(std::size_t size) {
    return (size + 7) / 8 * 8;
}

bool parse_attribute(const Message& message, std::string_view name, const std::string& what,
                     Attribute& out) {
    ByteCursor cursor(message.body, what);
    const int version = cursor.u8();
    if (version < 1 || version > 3)
        return false; // none that this build knows
    const int flags = cursor.u8();
    const std::size_t name_size = cursor.u16(), type_size = cursor.u16(), space_size = cursor.u16();
    cursor.skip(version == 3 ? 1 : 0); // character set of the name
    const auto part = [&](std::size_t size) {
        const std::string_view taken = cursor.take(version == 1 ? padded(size) : size);
        return taken.substr(0, size);
    };
    const std::string_view stored = part(name_size);
    if (stored.substr(0, stored.find('\0')) != name)
        return false;
    if (version > 1 && (flags & 0x03) != 0)
        fail_unsupported(what, "its type is described elsewhere");
    out.type = parse_datatype(part(type_size), what);
    const std::vector<std::uint64_t> sizes = parse_dataspace(part(space_size), what).sizes;
    if (std::any_of(sizes.begin(), sizes.end(), [](std::uint64_t size) { return size != 1; }))
        fail(ErrorCode::bad_format, concat(what, ": not a single value"));
    out.value = std::string(cursor.take(out.type.size));
    return true;
}

} // namespace

Datatype parse_datatype(std::string_view message, const std::string& what) {
    ByteCursor cursor(message, what);
    Datatype out = parse_type(cursor, 0);
    if (out.size == 0)
        fail_format(what, "its elements have no bytes");
    return out;
}

Dataspace parse_dataspace(std::string_view message, const std::string& what) {
    ByteCursor cursor(message, what);
    const int version = cursor.u8();
    const int rank = cursor.u8();
    const bool has_most = (cursor.u8() & 0x01) != 0;
    if (version != 1 && version != 2)
        fail_unsupported(what, concat("a dataspace of version ", version));
    const int kind = cursor.u8(); // of version 2; reserved in version 1
    cursor.skip(version == 1 ? 4 : 0);
    if (version == 2 && kind == 2)
        return {{0}, {0}};
    Dataspace out;
    for (int i = 0; i < rank; ++i)
        out.sizes.push_back(cursor.u64());
    for (int i = 0; i < rank; ++i)
        out.most.push_back(has_most ? cursor.u64() : out.sizes[static_cast<std::size_t>(i)]);
    return out;
}

std::int64_t integer_of(const Datatype& type, std::string_view bytes, const std::string& what) {
    if (type.kind == Datatype::Kind::real) {
        const double value = real_of(type, bytes, what);
        if (!(value > -1e15 && value < 1e15))
            fail(ErrorCode::bad_format, concat(what, ": not a whole number"));
        return static_cast<std::int64_t>(value);
    }
    if (type.kind != Datatype::Kind::integer)
        fail(ErrorCode::bad_format, concat(what, ": not a number"));
    const std::uint64_t bits = bits_of(type, bytes, what);
    const int spare = 64 - static_cast<int>(type.size) * 8;
    if (type.is_signed)
        return static_cast<std::int64_t>(bits << spare) >> spare;
    return bits > INT64_MAX ? INT64_MAX : static_cast<std::int64_t>(bits);
}

double real_of(const Datatype& type, std::string_view bytes, const std::string& what) {
    if (type.kind == Datatype::Kind::integer)
        return static_cast<double>(integer_of(type, bytes, what));
    if (type.kind != Datatype::Kind::real)
        fail(ErrorCode::bad_format, concat(what, ": not a number"));
    const std::uint64_t bits = bits_of(type, bytes, what);
    if (type.size == 8)
        return std::bit_cast<double>(bits);
    if (type.size == 4)
        return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
    Half half;
    half.bits = static_cast<std::uint16_t>(bits);
    return static_cast<double>(static_cast<float>(half));
}

std::string fixed_string_of(const Datatype& type, std::string_view bytes) {
    bytes = bytes.substr(0, bytes.find('\0'));
    if (type.space_padded)
        bytes = bytes.substr(0, bytes.find_last_not_of(' ') + 1);
    return std::string(bytes);
}

bool find_attribute(const std::vector<Message>& messages, std::string_view name,
                    const std::string& what, Attribute& out) {
    for (const Message& message : messages)
        if (message.type == MessageType::attribute && !message.shared &&
            parse_attribute(message, name, what, out))
            return true;
    if (const Message* info = find_message(messages, MessageType::attribute_info, what)) {
        ByteCursor cursor(info->body, what);
        cursor.skip(1);
        const int flags = cursor.u8();
        cursor.skip((flags & 0x01) != 0 ? 2 : 0);
        if (cursor.u64() != kNowhere)
            fail_unsupported(what, "the file has more attributes than fit one place");
    }
    return false;
}

} // namespace clip::io::hdf5
