// SPDX-License-Identifier: MIT
#include "cli/progress.hpp"

#include "base/concat.hpp"

#include <algorithm>
#include <cmath>
#include <sys/ioctl.h>
#include <unistd.h>

namespace clip::cli {
namespace {

using namespace std::chrono_literals;

constexpr auto kBarInterval = 100ms;
constexpr auto kLineInterval = 5s;
constexpr std::size_t kWidestBar = 30;
constexpr std::size_t kNarrowestBar = 8;

// "0:07", "12:00", "3:02:11"; beyond a hundred hours nobody wants to know the seconds.
std::string duration(double seconds) {
    if (!(seconds >= 0) || seconds > 100.0 * 24 * 3600)
        return "more than 100 days";
    const auto whole = static_cast<std::size_t>(std::llround(seconds));
    const auto two = [](std::size_t n) { return concat(n < 10 ? "0" : "", n); };
    const std::size_t hours = whole / 3600, minutes = whole / 60 % 60;
    if (hours > 0)
        return concat(hours, ':', two(minutes), ':', two(whole % 60));
    return concat(minutes, ':', two(whole % 60));
}

std::string rate_text(double rate) {
    const double scale = rate < 10 ? 100 : rate < 1000 ? 10 : 1;
    return concat(std::round(rate * scale) / scale, "/s");
}

std::size_t terminal_columns(int descriptor) {
    winsize size{};
    if (::ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return 80;
}

} // namespace

ProgressStyle progress_style(bool quiet, bool forced, int descriptor) {
    if (quiet)
        return ProgressStyle::off;
    if (::isatty(descriptor) != 0)
        return ProgressStyle::bar;
    return forced ? ProgressStyle::lines : ProgressStyle::off;
}

std::string progress_line(const ProgressState& state, std::size_t columns, bool with_bar) {
    // A total that was counted too low is no total.
    const bool known = state.total && *state.total >= state.done && *state.total > 0;
    std::string head = known ? concat(state.done, '/', *state.total) : concat(state.done, " done");
    std::string tail;
    if (state.rate > 0)
        tail += concat(' ', rate_text(state.rate));
    if (known && state.rate > 0 && *state.total > state.done)
        tail +=
            ", " + duration(static_cast<double>(*state.total - state.done) / state.rate) + " left";
    else
        tail += concat(" in ", duration(state.seconds));
    if (!state.note.empty())
        tail += ", " + state.note;
    std::string bar;
    const std::size_t used = head.size() + tail.size() + 3;
    if (with_bar && known && used + kNarrowestBar <= columns) {
        const std::size_t width = std::min(kWidestBar, columns - used);
        const auto filled =
            static_cast<std::size_t>(static_cast<double>(width) * static_cast<double>(state.done) /
                                     static_cast<double>(*state.total));
        bar = concat(" [", std::string(filled, '='), std::string(width - filled, ' '), ']');
    }
    std::string line = head + bar + tail;
    line.resize(std::min(line.size(), columns));
    return line;
}

Progress::Progress(Diagnostics& diagnostics, ProgressStyle style,
                   std::function<Clock::time_point()> now)
    : diagnostics_(diagnostics), style_(style), now_(std::move(now)), start_(now_()),
      next_draw_(start_ + (style == ProgressStyle::lines ? Clock::duration(kLineInterval)
                                                         : Clock::duration(kBarInterval))) {}

Progress::~Progress() {
    finish();
}

void Progress::set_total(std::size_t total) {
    std::lock_guard lock(mutex_);
    total_ = total;
}

void Progress::set_note(std::string note) {
    std::lock_guard lock(mutex_);
    note_ = std::move(note);
}

void Progress::add(std::size_t count) {
    done_ += count;
    if (style_ == ProgressStyle::off)
        return;
    const Clock::time_point time = now_();
    // Whoever finds another thread drawing has nothing newer to show.
    std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock || finished_ || time < next_draw_)
        return;
    draw(time, false);
}

void Progress::skip(std::size_t count) {
    done_ += count;
    skipped_ += count;
}

ProgressState Progress::state(Clock::time_point time) const {
    ProgressState state;
    state.done = done_;
    state.total = total_;
    state.note = note_;
    state.seconds = std::chrono::duration<double>(time - start_).count();
    const std::size_t computed = state.done - std::min<std::size_t>(state.done, skipped_);
    if (computed > 0 && state.seconds > 0)
        state.rate = static_cast<double>(computed) / state.seconds;
    return state;
}

void Progress::draw(Clock::time_point time, bool last) {
    if (style_ == ProgressStyle::lines) {
        next_draw_ = time + kLineInterval;
        diagnostics_.block(diagnostics_.program() + ": " + progress_line(state(time), 80, false) +
                           '\n');
        return;
    }
    next_draw_ = time + kBarInterval;
    // The last column stays free: some terminals break the line once it is filled.
    const std::size_t columns = terminal_columns(diagnostics_.descriptor());
    diagnostics_.set_status(last ? "" : progress_line(state(time), columns - 1, true));
}

void Progress::finish() {
    std::lock_guard lock(mutex_);
    if (style_ == ProgressStyle::off || finished_)
        return;
    finished_ = true;
    draw(now_(), true);
}

} // namespace clip::cli
