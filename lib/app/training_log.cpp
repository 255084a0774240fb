// SPDX-License-Identifier: MIT
#include "app/training_log.hpp"

#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "io/line_reader.hpp"

namespace clip::app {

namespace {

using json = nlohmann::json;

/// Damaged lines at the beginning of a file that is no log at all.
constexpr std::uint64_t kMostDamagedFirst = 20;

/// A member; nothing where there is none. Errors: bad_format (no finite number).
std::optional<double> read_number(const json& line, const char* key) {
    const auto found = line.find(key);
    if (found == line.end())
        return std::nullopt;
    const double value = found->is_number() ? found->get<double>() : std::nan("");
    if (!std::isfinite(value))
        fail(ErrorCode::bad_format, concat(key, " is no finite number"));
    return value;
}

/// The accuracy of a validation; nothing also where it is null: too many captions to compare.
std::optional<double> read_accuracy(const json& line) {
    const auto found = line.find("val_accuracy");
    if (found != line.end() && found->is_null())
        return std::nullopt;
    return read_number(line, "val_accuracy");
}

/// Takes lines in their order, since times add up.
class LogBuilder {
  public:
    explicit LogBuilder(TrainingLog& log) : log_(log) {}

    void add(std::string_view text) {
        const json line = json::parse(text.begin(), text.end(), nullptr, false);
        if (!line.is_object())
            fail(ErrorCode::bad_format, "no JSON object");
        const auto loss = read_number(line, "loss");
        const auto validation_loss = read_number(line, "val_loss");
        const auto validation_accuracy = read_accuracy(line);
        if (!loss && !validation_loss && !validation_accuracy)
            return;
        const auto step = read_number(line, "step");
        if (!step || *step < 0)
            fail(ErrorCode::bad_format, "no step");
        const double samples = read_number(line, "samples").value_or(samples_);
        const auto rate = read_number(line, "samples_per_second");
        if (loss && rate && *rate > 0 && samples > samples_)
            seconds_ += (samples - samples_) / *rate;
        samples_ = samples;
        const auto keep = [&](std::vector<LogPoint>& points, std::optional<double> value) {
            if (value)
                points.push_back({*step, samples_, seconds_, *value});
        };
        keep(log_.loss, loss);
        keep(log_.validation_loss, validation_loss);
        keep(log_.validation_accuracy, validation_accuracy);
    }

  private:
    TrainingLog& log_;
    double samples_ = 0, seconds_ = 0;
};

} // namespace

TrainingLog read_training_log(const std::string& path, Reporter& reporter) {
    TrainingLog log;
    log.path = path;
    LogBuilder builder(log);
    io::LineReader reader = io::LineReader::open(path, {.stop = &reporter.stop()});
    const auto nothing = [&] {
        return log.loss.empty() && log.validation_loss.empty() && log.validation_accuracy.empty();
    };
    std::string_view line;
    for (bool more = true; more && !(nothing() && log.damaged == kMostDamagedFirst);) {
        try {
            more = reader.next(line);
            if (more)
                builder.add(line);
        } catch (const Error& error) {
            if (error.code() != ErrorCode::bad_format)
                throw;
            reporter.error(reader.where(), error.what());
            ++log.damaged;
        }
    }
    if (nothing() && !reporter.stop())
        fail(ErrorCode::bad_format,
             concat("read ", reader.name(),
                    ": no line of it tells a loss; want a log of clip-train"));
    return log;
}

} // namespace clip::app
