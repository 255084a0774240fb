// SPDX-License-Identifier: MIT
#include "app/train_log.hpp"

#include <cmath>

#include "app/json_object.hpp"
#include "base/concat.hpp"

namespace clip::app {

namespace {

/// For people: four digits.
double rounded(double value) {
    if (value == 0 || !std::isfinite(value))
        return value;
    const double scale = std::pow(10.0, 3.0 - std::floor(std::log10(std::abs(value))));
    return std::round(value * scale) / scale;
}

std::string rate_text(double rate) {
    return concat(rate < 100 ? rounded(rate) : std::round(rate), " pairs/s");
}

std::string percent(double share) {
    return concat(std::round(share * 1000.0) / 10.0, " %");
}

} // namespace

std::string step_line(const trainer::StepRecord& record) {
    JsonObject line;
    line.count("step", record.step)
        .count("epoch", record.epoch)
        .number("loss", record.loss)
        .number("lr", record.learning_rate)
        .number("logit_scale", record.logit_scale)
        .number("grad_norm", record.grad_norm)
        .count("samples", record.samples)
        .number("samples_per_second", rounded(record.samples_per_second))
        .number("seconds", rounded(record.seconds))
        .number("wait", rounded(record.waited))
        .count("skipped", record.skipped)
        .count("truncated", record.truncated);
    if (record.loss_scale > 0)
        line.number("loss_scale", record.loss_scale);
    return line.str();
}

std::string validation_line(const trainer::ValidationRecord& record) {
    JsonObject line;
    line.count("step", record.step)
        .count("epoch", record.epoch)
        .count("samples", record.samples)
        .number("val_loss", record.loss)
        .count("val_pairs", record.pairs);
    if (record.accuracy)
        line.number("val_accuracy", *record.accuracy);
    else
        line.null("val_accuracy");
    return line.count("val_classes", record.classes).str();
}

TrainLog::TrainLog(trainer::RunFolder& folder, Reporter& reporter, std::uint64_t steps_per_epoch,
                   const trainer::Recipe& recipe)
    : folder_(folder), reporter_(reporter), steps_per_epoch_(steps_per_epoch),
      epochs_(recipe.epochs), batch_size_(recipe.batch_size) {}

void TrainLog::step(const trainer::StepRecord& record) {
    folder_.log(step_line(record));
    const std::uint64_t known = steps_ == 0 ? record.step - 1 : 0;
    ++steps_;
    ++epoch_steps_;
    loss_ += record.loss;
    seconds_ += record.seconds;
    waited_ += record.waited;
    reporter_.progress_note(concat("loss ", rounded(record.loss)));
    reporter_.progress(known + 1, known, steps_per_epoch_ * epochs_);
    if (record.step % steps_per_epoch_ == 0)
        end_epoch(record);
}

void TrainLog::end_epoch(const trainer::StepRecord& last) {
    const auto steps = static_cast<double>(epoch_steps_);
    std::string text =
        concat("epoch ", last.epoch + 1, " of ", epochs_, ": loss ", rounded(loss_ / steps));
    if (seconds_ > 0)
        text += concat(", ", rate_text(steps * static_cast<double>(batch_size_) / seconds_),
                       ", waited ", percent(waited_ / seconds_));
    if (const std::uint64_t skipped = last.skipped - skipped_before_; skipped > 0)
        text += concat(", ", skipped, " skipped");
    reporter_.note(text);
    skipped_before_ = last.skipped;
    epoch_steps_ = 0;
    loss_ = seconds_ = waited_ = 0;
}

void TrainLog::validation(const trainer::ValidationRecord& record) {
    folder_.log(validation_line(record));
    std::string text = concat("epoch ", record.epoch + 1, " of ", epochs_, ": validation loss ",
                              rounded(record.loss), " over ", record.pairs,
                              record.pairs == 1 ? " pair" : " pairs");
    if (record.accuracy)
        text +=
            concat(", accuracy ", percent(*record.accuracy), " of ", record.classes, " captions");
    reporter_.note(text);
}

void report_skip(const train::Skip& skip, Reporter& reporter) {
    std::string_view reason = skip.message;
    if (reason.starts_with(skip.name + ": ")) // a file's own reader names it too
        reason.remove_prefix(skip.name.size() + 2);
    reporter.error(skip.name, reason);
}

std::string skips_text(const train::LoaderStats& stats) {
    const std::uint64_t all = stats.all_skipped();
    if (all == 0)
        return {};
    std::string reasons;
    for (std::size_t i = 0; i < stats.skipped.size(); ++i)
        if (stats.skipped[i] > 0)
            reasons += concat(reasons.empty() ? "" : ", ", stats.skipped[i], " ",
                              train::skip_reason_name(static_cast<train::SkipReason>(i)));
    // A pair is met once an epoch: these are no different pairs.
    return all == 1 ? concat("1 pair was skipped: ", reasons)
                    : concat("pairs were skipped ", all, " times: ", reasons);
}

RankReporter::RankReporter(Reporter& reporter, int rank)
    : reporter_(reporter), prefix_(concat("rank ", rank)) {}

void RankReporter::error(std::string_view subject, std::string_view message) {
    reporter_.warning(subject.empty() ? prefix_ : concat(prefix_, ": ", subject), message);
}

} // namespace clip::app
