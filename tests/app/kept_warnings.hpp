// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "app/reporter.hpp"
#include "base/concat.hpp"

namespace clip::test {

/// Keeps what a command warns of: "photos.h5: message".
class KeptWarnings : public app::Reporter {
  public:
    void error(std::string_view, std::string_view) override {}
    void warning(std::string_view subject, std::string_view message) override {
        all.push_back(concat(subject, ": ", message));
    }
    void note(std::string_view) override {}
    void detail(std::string_view) override {}
    void summary(std::string_view) override {}
    void progress(std::uint64_t, std::uint64_t, std::optional<std::uint64_t>) override {}
    void progress_end() override {}
    const std::atomic<bool>& stop() const override { return stop_; }

    std::vector<std::string> all;

  private:
    std::atomic<bool> stop_ = false;
};

} // namespace clip::test
