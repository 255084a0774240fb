// SPDX-License-Identifier: MIT
// How far a run has come: count, rate, time left.
#pragma once

#include "cli/diagnostics.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

namespace clip::cli {

/// How progress is shown.
enum class ProgressStyle {
    off,
    bar,   ///< one line of a terminal, drawn over at most ten times a second, erased at the end
    lines, ///< a line every five seconds and one at the end, for logs
};

/// The style that the rules of the house ask for: --quiet wins; then a bar where `descriptor` is a
/// terminal; else lines with --progress and nothing without.
ProgressStyle progress_style(bool quiet, bool forced, int descriptor = 2);

/// The numbers of one moment as a line of at most `columns`, without a line break.
struct ProgressState {
    std::size_t done = 0;
    std::optional<std::size_t> total;
    double seconds = 0; ///< since the start
    double rate = 0;    ///< items a second; 0 when not known yet
    std::string note;   ///< said at the end; may be empty
};
std::string progress_line(const ProgressState& state, std::size_t columns, bool with_bar);

/// Safe to use from several threads.
class Progress {
  public:
    using Clock = std::chrono::steady_clock;

    /// Draws through `diagnostics`, which must outlive it. `now` is another clock, for tests.
    Progress(Diagnostics& diagnostics, ProgressStyle style,
             std::function<Clock::time_point()> now = Clock::now);
    ~Progress(); ///< finish()
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    void set_total(std::size_t total);
    /// A few words for the end of the line, from the next drawing on.
    void set_note(std::string note);
    /// `count` more items were finished, well or badly.
    void add(std::size_t count = 1);
    /// `count` items need no work (finished in an earlier run): they count, but not for the rate.
    void skip(std::size_t count);
    /// Erases the bar, or writes the last line. Further calls do nothing.
    void finish();

  private:
    void draw(Clock::time_point time, bool last);
    ProgressState state(Clock::time_point time) const;

    Diagnostics& diagnostics_;
    const ProgressStyle style_;
    const std::function<Clock::time_point()> now_;
    const Clock::time_point start_;
    std::atomic<std::size_t> done_{0};
    std::atomic<std::size_t> skipped_{0};
    std::mutex mutex_; ///< guards the rest
    std::optional<std::size_t> total_;
    std::string note_;
    Clock::time_point next_draw_;
    bool finished_ = false;
};

} // namespace clip::cli
