// SPDX-License-Identifier: MIT
#include "cli/diagnostics.hpp"

#include <cerrno>
#include <unistd.h>

namespace clip::cli {
namespace {

// The length of the well-formed UTF-8 sequence that `text` begins with; 0 when there is none.
std::size_t sequence_length(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char lead = byte(0);
    if (lead < 0x80)
        return 1;
    const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || text.size() < length)
        return 0;
    for (std::size_t i = 1; i < length; ++i)
        if ((byte(i) & 0xc0) != 0x80)
            return 0;
    // Overlong forms, surrogates and what lies beyond U+10FFFF show in the second byte.
    if ((lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xed && byte(1) > 0x9f) ||
        (lead == 0xf0 && byte(1) < 0x90) || (lead == 0xf4 && byte(1) > 0x8f))
        return 0;
    return length;
}

void append_hex(std::string& out, unsigned char byte) {
    constexpr char kDigits[] = "0123456789abcdef";
    out += "\\x";
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
}

// Blanks rather than an escape sequence: they work on every terminal.
std::string erasure(const std::string& status) {
    return status.empty() ? "" : '\r' + std::string(status.size(), ' ') + '\r';
}

void write_all(int descriptor, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = ::write(descriptor, text.data(), text.size());
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return;
        text.remove_prefix(static_cast<std::size_t>(written));
    }
}

} // namespace

std::string printable(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const auto first = static_cast<unsigned char>(text.front());
        const std::size_t length = sequence_length(text);
        const bool control =
            first < 0x20 || first == 0x7f ||
            (length == 2 && first == 0xc2 && static_cast<unsigned char>(text[1]) < 0xa0);
        if (length != 0 && !control) {
            out += text.substr(0, length);
            text.remove_prefix(length);
            continue;
        }
        if (first == '\n')
            out += "\\n";
        else if (first == '\t')
            out += "\\t";
        else if (first == '\r')
            out += "\\r";
        else
            append_hex(out, first);
        if (length == 2)
            append_hex(out, static_cast<unsigned char>(text[1]));
        text.remove_prefix(length == 2 ? 2 : 1);
    }
    return out;
}

Diagnostics::Diagnostics(std::string program, int descriptor)
    : program_(std::move(program)), descriptor_(descriptor) {}

Diagnostics::~Diagnostics() {
    set_status("");
}

void Diagnostics::set_loudness(Loudness loudness) {
    std::lock_guard lock(mutex_);
    loudness_ = loudness;
}

Loudness Diagnostics::loudness() const {
    std::lock_guard lock(mutex_);
    return loudness_;
}

std::size_t Diagnostics::failures() const {
    std::lock_guard lock(mutex_);
    return failures_;
}

void Diagnostics::write_message(std::string_view text) {
    std::lock_guard lock(mutex_);
    std::string out = erasure(status_);
    out += text;
    out += status_;
    write_all(descriptor_, out);
}

void Diagnostics::error(std::string_view item, std::string_view reason) {
    {
        std::lock_guard lock(mutex_);
        ++failures_;
    }
    const std::string subject = item.empty() ? "" : printable(item) + ": ";
    write_message(program_ + ": " + subject + printable(reason) + '\n');
}

void Diagnostics::fatal(std::string_view reason) {
    write_message(program_ + ": " + printable(reason) + '\n');
}

void Diagnostics::warning(std::string_view item, std::string_view text) {
    const std::string subject = item.empty() ? "" : printable(item) + ": ";
    write_message(program_ + ": " + subject + "warning: " + printable(text) + '\n');
}

void Diagnostics::note(std::string_view text) {
    if (loudness() != Loudness::quiet)
        write_message(program_ + ": " + printable(text) + '\n');
}

void Diagnostics::detail(std::string_view text) {
    if (loudness() == Loudness::verbose)
        write_message(program_ + ": " + printable(text) + '\n');
}

void Diagnostics::block(std::string_view text) {
    write_message(text);
}

void Diagnostics::set_status(std::string_view line) {
    std::lock_guard lock(mutex_);
    if (line == status_)
        return;
    std::string out = erasure(status_);
    out += line;
    status_ = line;
    write_all(descriptor_, out);
}

} // namespace clip::cli
