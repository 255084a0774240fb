// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "app/input_source.hpp"
#include "app/reporter.hpp"
#include "io/output_stream.hpp"

namespace clip::app {

/// Names every input that failed: to the reporter, and as JSON lines in --errors FILE:
/// `{"path":"a.jpg","position":3,"code":"bad_format","reason":"..."}`, with "text" for a text and
/// "input" (such as "list.jsonl:42") where neither is known.
class FailureLog {
  public:
    /// Empties the file; an empty name means none. Errors: not_found, io_failure.
    FailureLog(Reporter& reporter, const std::string& path);

    /// `count`: how many inputs the one message stands for.
    void add(const Input& input, const Error& error, std::uint64_t count = 1);
    /// Hands on what was written. Errors: io_failure, ClosedPipe.
    void flush();
    void close();
    std::uint64_t count() const { return count_; }

  private:
    Reporter& reporter_;
    std::unique_ptr<io::OutputStream> out_;
    std::uint64_t count_ = 0;
};

} // namespace clip::app
