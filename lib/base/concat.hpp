// SPDX-License-Identifier: MIT
// Message building: g++ 12 has no <format>.
#pragma once

#include <charconv>
#include <cstddef>
#include <string>
#include <string_view>
#include <type_traits>

namespace clip {

namespace detail {
inline void append_part(std::string& out, std::string_view part) {
    out += part;
}
inline void append_part(std::string& out, const char* part) {
    out += part;
}
inline void append_part(std::string& out, char part) {
    out += part;
}
template <typename Number>
requires std::is_arithmetic_v<Number>
void append_part(std::string& out, Number part) {
    char buffer[48];
    const char* end = std::to_chars(buffer, buffer + sizeof buffer, part).ptr;
    out.append(buffer, static_cast<std::size_t>(end - buffer));
}
} // namespace detail

/// Joins strings, characters and numbers into one string; numbers never depend on the locale.
template <typename... Parts>
std::string concat(const Parts&... parts) {
    std::string out;
    (detail::append_part(out, parts), ...);
    return out;
}

} // namespace clip
