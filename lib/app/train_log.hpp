// SPDX-License-Identifier: MIT
// What is told of a training run while it goes on: RUN/log.jsonl, and messages to a person.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "app/reporter.hpp"
#include "trainer/training_run.hpp"

namespace clip::app {

/// A line of RUN/log.jsonl, without its end.
std::string step_line(const trainer::StepRecord& record);
std::string validation_line(const trainer::ValidationRecord& record);

/// Turns records into lines, progress and a message an epoch. For rank 0.
class TrainLog {
  public:
    /// `folder` and `reporter` must outlive it.
    TrainLog(trainer::RunFolder& folder, Reporter& reporter, std::uint64_t steps_per_epoch,
             const trainer::Recipe& recipe);

    /// Errors: io_failure.
    void step(const trainer::StepRecord& record);
    void validation(const trainer::ValidationRecord& record);
    /// Steps of this session.
    std::uint64_t steps() const { return steps_; }

  private:
    void end_epoch(const trainer::StepRecord& last);

    trainer::RunFolder& folder_;
    Reporter& reporter_;
    std::uint64_t steps_per_epoch_, epochs_, batch_size_;
    std::uint64_t steps_ = 0;
    // Of the present epoch, as far as this session saw it.
    std::uint64_t epoch_steps_ = 0;
    double loss_ = 0, seconds_ = 0, waited_ = 0;
    std::uint64_t skipped_before_ = 0;
};

/// Named skips of this rank: "clip-train: photo.jpg: not a picture ...".
void report_skip(const train::Skip& skip, Reporter& reporter);

/// "7 pairs were skipped: 5 broken, 2 missing", or nothing.
std::string skips_text(const train::LoaderStats& stats);

/// Hands on nothing but errors, as warnings that begin with the rank: what a process other than the
/// first has to say. Counting failures is the first one's.
class RankReporter : public Reporter {
  public:
    RankReporter(Reporter& reporter, int rank);
    void error(std::string_view subject, std::string_view message) override;
    void warning(std::string_view, std::string_view) override {}
    void note(std::string_view) override {}
    void detail(std::string_view) override {}
    void summary(std::string_view) override {}
    void progress(std::uint64_t, std::uint64_t, std::optional<std::uint64_t>) override {}
    void progress_end() override {}
    const std::atomic<bool>& stop() const override { return reporter_.stop(); }

  private:
    Reporter& reporter_;
    std::string prefix_;
};

} // namespace clip::app
