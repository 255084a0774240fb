// SPDX-License-Identifier: MIT
#include "app/failure_log.hpp"

#include <cerrno>
#include <string_view>

#include <fcntl.h>

#include "base/concat.hpp"
#include "io/input_record.hpp"
#include "io/json_text.hpp"
#include "io/path_escape.hpp"
#include "io/utf8.hpp"

namespace clip::app {

FailureLog::FailureLog(Reporter& reporter, const std::string& path) : reporter_(reporter) {
    if (path.empty())
        return;
    if (path == "-") // standard output carries data, standard error has the messages already
        fail(ErrorCode::invalid_argument, "--errors: a file is wanted (got -)");
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        fail_errno(concat("write ", path), errno);
    out_ = std::make_unique<io::OutputStream>(fd, path, true);
}

void FailureLog::add(const Input& input, const Error& error, std::uint64_t count) {
    count_ += count;
    std::string_view reason = error.what();
    if (reason.starts_with(input.name + ": ")) // a file's own reader names it too
        reason.remove_prefix(input.name.size() + 2);
    reporter_.error(input.name, reason);
    if (!out_)
        return;
    // A text that failed for not being UTF-8 is spelt as such a path would be.
    const bool known = input.has_item && (!input.is_text || io::is_valid_utf8(input.item));
    std::string line;
    if (known) {
        io::begin_json_record(line, input.item, input.is_text, {});
    } else {
        line = "{\"input\":";
        io::append_json_string(line, io::path_to_utf8(input.name));
    }
    if (!input.role.empty()) {
        io::append_json_key(line, "role");
        io::append_json_string(line, input.role);
    }
    io::append_json_key(line, "position");
    line += concat(input.position);
    io::append_json_key(line, "code");
    io::append_json_string(line, error_code_name(error.code()));
    io::append_json_key(line, "reason");
    io::append_json_string(line, reason.substr(0, io::utf8_valid_prefix(reason)));
    line += "}\n";
    out_->write(line);
}

void FailureLog::flush() {
    if (out_)
        out_->flush();
}

void FailureLog::close() {
    if (out_)
        out_->close();
}

} // namespace clip::app
