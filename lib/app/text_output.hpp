// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "io/atomic_file.hpp"
#include "io/output_stream.hpp"

namespace clip::app {

/// Standard output or a file, as text.
/// Errors: those of io::AtomicFile and io::OutputStream.
class TextOutput {
  public:
    /// `path` empty or "-" is standard output.
    explicit TextOutput(const std::string& path);
    void write(std::string_view text) { stream_->write(text); }
    void flush() { stream_->flush(); }
    /// Completes the output: a file appears under its name.
    void finish();
    /// Ends before the end of the input: what was written so far to a file is kept beside it,
    /// because FILE is only ever replaced by something complete. Returns where it is; empty for a
    /// stream.
    std::string keep_part();

  private:
    std::unique_ptr<io::AtomicFile> file_;
    std::unique_ptr<io::OutputStream> stream_;
};

} // namespace clip::app
