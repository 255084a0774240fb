// SPDX-License-Identifier: MIT
#include "app/text_output.hpp"

#include <cerrno>
#include <cstdio>

#include <unistd.h>

#include "base/concat.hpp"

namespace clip::app {

TextOutput::TextOutput(const std::string& path) {
    if (path.empty() || path == "-") {
        stream_ = std::make_unique<io::OutputStream>(STDOUT_FILENO, "standard output");
    } else {
        file_ = std::make_unique<io::AtomicFile>(path);
        stream_ = std::make_unique<io::OutputStream>(file_->fd(), path);
    }
}

void TextOutput::finish() {
    stream_->flush();
    if (file_)
        file_->commit();
}

std::string TextOutput::keep_part() {
    stream_->flush();
    if (!file_ || file_->is_stream())
        return {};
    const std::string part = file_->name() + ".part";
    if (std::rename(file_->temporary_path().c_str(), part.c_str()) != 0)
        fail_errno(concat("write ", part), errno);
    return part;
}

} // namespace clip::app
