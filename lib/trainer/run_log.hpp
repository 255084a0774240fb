// SPDX-License-Identifier: MIT
// RUN/log.jsonl: a JSON object a line, most of them of a step.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace clip::trainer {

/// Is opened by the first append(). No line is flushed to the disk by itself: sync() does it.
class RunLog {
  public:
    explicit RunLog(std::string path) : path_(std::move(path)) {}
    ~RunLog() { close(); }
    RunLog(const RunLog&) = delete;
    RunLog& operator=(const RunLog&) = delete;

    /// One write for the line and its end. Errors: io_failure (and then nothing of it stays).
    void append(std::string_view line);
    /// Leaves the lines up to the last one whose "step" is `step` or less; among them none that is
    /// of a later step, no JSON object, or cut off. Errors: io_failure.
    void cut_behind(std::uint64_t step);
    /// Leaves nothing. Errors: io_failure.
    void clear();
    /// Leaves nothing, and what there was in the file with ".old" behind its name; what is no
    /// regular file is only cleared. Errors: io_failure.
    void set_aside();
    /// As well as it can: a log is no reason to lose a state.
    void sync() noexcept;

  private:
    void close() noexcept;

    std::string path_;
    int fd_ = -1;
};

} // namespace clip::trainer
