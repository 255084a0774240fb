// SPDX-License-Identifier: MIT
// What a command tells a person while it runs. The library has no standard error: `cmd` implements
// this with `cli`, tests with a list of strings.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace clip::app {

class Reporter {
  public:
    virtual ~Reporter() = default;

    /// "clip-embed: photo.jpg: message"; `subject` may be empty. Never silenced: what failed.
    virtual void error(std::string_view subject, std::string_view message) = 0;
    /// The same for what did not fail but should be known. Never silenced.
    virtual void warning(std::string_view subject, std::string_view message) = 0;
    /// A remark that --quiet silences.
    virtual void note(std::string_view message) = 0;
    /// A remark for --verbose.
    virtual void detail(std::string_view message) = 0;
    /// Lines of a summary that was asked for, as they stand. Never silenced.
    virtual void summary(std::string_view text) = 0;

    /// `count` more inputs are finished, failed ones too, `known` of them without work (an earlier
    /// run had them); of `total` inputs, where that is known.
    virtual void progress(std::uint64_t count, std::uint64_t known,
                          std::optional<std::uint64_t> total) = 0;
    /// A few words beside the count, such as the loss.
    virtual void progress_note(std::string_view text) { static_cast<void>(text); }
    /// The progress display ends; nothing else ends it.
    virtual void progress_end() = 0;

    /// True after Ctrl-C: finish what is begun, begin nothing.
    virtual const std::atomic<bool>& stop() const = 0;
};

} // namespace clip::app
