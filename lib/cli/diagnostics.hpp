// SPDX-License-Identifier: MIT
// Messages on standard error: "clip-embed: photo.jpg: reason". The one place that writes there; it
// shares the terminal's line with the progress bar.
#pragma once

#include <cstddef>
#include <mutex>
#include <string>
#include <string_view>

namespace clip::cli {

/// How much is said. Failures are named at every level.
enum class Loudness {
    quiet,   ///< failures and warnings
    normal,  ///< notes as well
    verbose, ///< details as well
};

/// `text` on one line and harmless to a terminal: control characters (C0, DEL, C1) come out as \n,
/// \t or \x1b, bytes that are not UTF-8 as \xe9. Printable text is left alone, backslashes too.
std::string printable(std::string_view text);

/// Safe to use from several threads: a message is written whole, by one write() where the system
/// takes it whole. Failures to write are ignored, as there is nobody left to tell.
class Diagnostics {
  public:
    /// `descriptor` stays open and the caller's; 2 is standard error.
    explicit Diagnostics(std::string program, int descriptor = 2);
    ~Diagnostics();
    Diagnostics(const Diagnostics&) = delete;
    Diagnostics& operator=(const Diagnostics&) = delete;

    void set_loudness(Loudness loudness);
    Loudness loudness() const;

    /// An input that failed: it is named, counted, and makes the exit status 1. An empty `item` is
    /// left out.
    void error(std::string_view item, std::string_view reason);
    /// What ends the command: "clip-embed: reason". Not counted.
    void fatal(std::string_view reason);
    /// Something done otherwise than might be expected. An empty `item` is left out.
    void warning(std::string_view item, std::string_view text);
    /// Worth saying once, such as which weights were used. Silenced by --quiet.
    void note(std::string_view text);
    /// Only with --verbose.
    void detail(std::string_view text);
    /// Lines for people, as they stand, such as the table at the end of a run. Not silenced.
    void block(std::string_view text);

    /// How many times error() was called.
    std::size_t failures() const;
    int descriptor() const { return descriptor_; }
    const std::string& program() const { return program_; }

    /// Shows `line` in place of the last status line, below all messages; for terminals only. An
    /// empty one removes it.
    void set_status(std::string_view line);

  private:
    void write_message(std::string_view text);

    const std::string program_;
    const int descriptor_;
    mutable std::mutex mutex_;
    Loudness loudness_ = Loudness::normal;
    std::size_t failures_ = 0;
    std::string status_; ///< what stands on the terminal's last line
};

} // namespace clip::cli
