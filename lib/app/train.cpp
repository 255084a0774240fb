// SPDX-License-Identifier: MIT
#include "app/train.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <memory>
#include <new>
#include <optional>
#include <set>
#include <thread>

#include "app/model_session.hpp"
#include "app/shard.hpp"
#include "app/text_output.hpp"
#include "app/train_log.hpp"
#include "app/train_plan.hpp"
#include "app/train_start.hpp"
#include "base/concat.hpp"
#include "base/error.hpp"

namespace clip::app {

namespace {

namespace fs = std::filesystem;

constexpr int kFailed = 2; // the exit status of processes that are ended for another's failure
constexpr auto kPatience = std::chrono::seconds(3);

/// Processes of this run on this machine, as far as the launcher says.
std::size_t local_processes(const Environment& environment, std::size_t launched) {
    for (const char* name : kLocalSizeVariables) {
        const auto found = environment.launcher.find(name);
        if (found == environment.launcher.end())
            continue;
        const std::string& text = found->second;
        std::size_t count = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
        if (error == std::errc() && end == text.data() + text.size() && count > 0)
            return std::min(count, launched);
    }
    return launched;
}

ModelSettings machine_settings(const TrainOptions& options, const Environment& environment,
                               std::size_t launched) {
    const std::size_t threads =
        options.threads > 0 || launched == 1
            ? options.threads
            : std::max<std::size_t>(available_cores() / local_processes(environment, launched), 1);
    ModelSettings settings{
        .threads = threads, .device = options.device, .backend = options.backend};
    settings.backend.cuda.compute =
        parse_precision(options.precision, parse_device(settings.device));
    // A plan is arithmetic: a GPU that is named need not be there.
    if (options.dry_run && settings.device != "auto")
        settings.device = "cpu";
    return settings;
}

/// The names of the data without their folders, which may move while a run is interrupted.
std::string data_names(const std::vector<std::string>& data) {
    std::string names;
    for (const std::string& operand : data) {
        fs::path path = fs::path(operand).lexically_normal();
        if (!path.has_filename())
            path = path.parent_path();
        names += concat(names.empty() ? "" : " ", path.filename().string());
    }
    return names;
}

std::unique_ptr<train::PairSource> open_data(const std::vector<std::string>& data,
                                             const TrainOptions& options, ThreadPool& pool,
                                             Reporter& reporter) {
    train::PairSourceOptions how;
    how.columns = options.columns;
    how.pool = &pool;
    how.on_problem = [&reporter](const std::string& place, const Error& error) {
        std::string_view reason = error.what();
        if (reason.starts_with(place + ": "))
            reason.remove_prefix(place.size() + 2);
        reporter.error(place, reason);
    };
    return train::open_pairs(data, how);
}

trainer::RunMode run_mode(const TrainOptions& options) {
    return options.resume      ? trainer::RunMode::resume
           : options.overwrite ? trainer::RunMode::overwrite
                               : trainer::RunMode::fresh;
}

/// One process of a run.
class Training {
  public:
    Training(const TrainOptions& options, const Environment& environment, Reporter& reporter,
             std::size_t launched)
        : options_(options), environment_(environment), reporter_(reporter),
          machine_(machine_settings(options, environment, launched)) {}

    /// Everything that needs no other process, up to the run's folder.
    void open(int ranks) {
        start_ = start_model(options_, environment_, reporter_);
        if (options_.train_tokenizer == 0)
            start_tokenizer(start_, options_, environment_, reporter_);
        pairs_ = open_data(options_.data, options_, machine_.pool(), reporter_);
        if (!options_.validation.empty())
            validation_ = open_data(options_.validation, options_, machine_.pool(), reporter_);
        recipe_ = train_recipe(options_, start_.config, pairs_->size(), ranks);
        if (!options_.dry_run) // with auto, a GPU may be one that cannot be used
            check_training_device(options_, machine_.backend().device());
        if (!machine_.passed_over().empty())
            reporter_.warning("", machine_.passed_over());
    }

    void plan(int ranks) {
        if (options_.train_tokenizer > 0)
            start_.config.text.vocab_size = static_cast<std::int64_t>(options_.train_tokenizer);
        const trainer::PlannedData data{
            .pairs = pairs_->size(),
            .tokens_per_text =
                mean_tokens(*pairs_, start_.tokenizer ? &*start_.tokenizer : nullptr,
                            static_cast<std::size_t>(start_.config.text.context_length)),
            .ranks = ranks};
        const std::string& named = options_.device;
        const Device device = named == "auto" ? machine_.backend().device() : parse_device(named);
        recipe_.precision = parse_precision(options_.precision, device);
        const PlannedRun run{
            .start = start_,
            .recipe = recipe_,
            .data = data,
            .plan = trainer::plan_training(recipe_, run_settings(), start_.config, data, device),
            .threads = machine_.pool().size(),
            .device = device};
        TextOutput output("");
        output.write(options_.format == "json" ? plan_json(run) : plan_table(run));
        output.finish();
    }

    /// For rank 0, and then for the others.
    void open_folder(trainer::RunMode mode) { folder_.emplace(options_.output, mode); }

    /// For rank 0: a vocabulary that is to be learned, where an earlier session did not.
    void learn() {
        if (options_.train_tokenizer > 0 && !folder_->has_state())
            learn_tokenizer(tokenizer_folder(), options_, *pairs_, machine_.pool(), reporter_);
    }
    void take_learned() {
        if (options_.train_tokenizer > 0)
            take_tokenizer(start_, tokenizer_folder());
    }

    TrainSummary run(Communicator& ranks) {
        const bool first = ranks.rank() == 0;
        recipe_.precision = parse_precision(options_.precision, machine_.backend().device());
        reporter_.detail(concat(start_.config.name(), ", ", pairs_->size(), " pairs, ",
                                ranks.description(), ", threads: ", machine_.pool().size()));
        reporter_.detail(concat("computing with ", machine_.backend().name(), " (",
                                machine_.backend().implementation("linear_backward"),
                                "), products of ", dtype_name(recipe_.precision)));
        TrainLog log(*folder_, reporter_, pairs_->size() / recipe_.batch_size, recipe_);
        trainer::RunInputs inputs{.config = start_.config,
                                  .pairs = *pairs_,
                                  .validation = validation_.get(),
                                  .tokenizer = *start_.tokenizer,
                                  .sample = train_sample_options(options_, start_.config),
                                  .ranks = ranks,
                                  .backend = machine_.backend(),
                                  // What is there is an earlier run's where it is not resumed.
                                  .folder = first || options_.resume ? &*folder_ : nullptr,
                                  .settings = settings(),
                                  .beside = start_.tokenizer_files,
                                  .stop = &reporter_.stop()};
        if (start_.checkpoint)
            inputs.init = [this](std::string_view weight, std::int64_t begin, std::int64_t count,
                                 float* out) {
                start_.checkpoint->weights.load_range_f32(weight, begin, count, out);
                start_.checkpoint->weights.release(weight);
            };
        inputs.on_skip = [this](const train::Skip& skip) {
            if (named_.insert(skip.index).second) // it is met again in the next epoch
                report_skip(skip, reporter_);
        };
        if (first) {
            inputs.on_step = [&log](const trainer::StepRecord& record) { log.step(record); };
            inputs.on_validation = [&log](const trainer::ValidationRecord& record) {
                log.validation(record);
            };
        }
        trainer::RunResult result = trainer::train(recipe_, run_settings(), inputs);
        reporter_.progress_end();
        add_up(ranks, result.stats);
        return summary(result, log.steps());
    }

  private:
    std::string tokenizer_folder() const { return options_.output + "/tokenizer"; }

    trainer::RunSettings run_settings() {
        return train_run_settings(options_, machine_.pool().size());
    }

    std::map<std::string, std::string> settings() {
        std::map<std::string, std::string> all = start_settings(start_);
        all.merge(picture_settings(options_));
        all["train-tokenizer"] = concat(options_.train_tokenizer);
        all["data"] = data_names(options_.data);
        all["pairs"] = concat(pairs_->size());
        const Device device = machine_.backend().device();
        if (!device.is_cpu()) { // states from before there was another one have none
            all["device"] = "cuda";
            if (options_.backend.cuda.tf32)
                all["tf32"] = "1";
        }
        return all;
    }

    /// Makes a rank's counts those of all.
    static void add_up(Communicator& ranks, train::LoaderStats& stats) {
        std::array<double, train::kSkipReasons + 1> counts{};
        std::ranges::copy(stats.skipped, counts.begin());
        counts.back() = static_cast<double>(stats.truncated);
        ranks.all_reduce_sum(std::span<double>(counts));
        for (std::size_t i = 0; i < stats.skipped.size(); ++i)
            stats.skipped[i] = static_cast<std::uint64_t>(counts[i]);
        stats.truncated = static_cast<std::uint64_t>(counts.back());
    }

    TrainSummary summary(const trainer::RunResult& result, std::uint64_t steps) {
        TrainSummary summary{.failed = result.stats.all_skipped()};
        const bool asked_for = options_.stop_after > 0 && steps == options_.stop_after;
        summary.interrupted = result.interrupted && !asked_for;
        if (summary.interrupted)
            reporter_.warning(
                "", concat("interrupted at step ", result.steps, "; --resume goes on from there"));
        else if (result.interrupted)
            reporter_.note(
                concat("stopped after step ", result.steps, "; --resume goes on from there"));
        else if (steps == 0)
            reporter_.note(
                concat(options_.output, ": all ", result.steps, " steps were done already"));
        if (result.stats.truncated > 0)
            reporter_.note(concat(result.stats.truncated,
                                  result.stats.truncated == 1 ? " caption was" : " captions were",
                                  " too long and cut"));
        if (const std::string skips = skips_text(result.stats); !skips.empty())
            reporter_.note(skips);
        if (!result.model_id.empty())
            reporter_.note(concat(options_.output, "/model: ", result.model_id));
        return summary;
    }

    const TrainOptions& options_;
    const Environment& environment_;
    Reporter& reporter_;
    Machine machine_;
    TrainStart start_;
    std::unique_ptr<train::PairSource> pairs_, validation_;
    trainer::Recipe recipe_;
    std::optional<trainer::RunFolder> folder_;
    std::set<std::uint64_t> named_; ///< skipped pairs
};

/// Says why a process of several cannot go on.
void report_failure(Communicator& ranks, Reporter& reporter, std::string_view message) {
    reporter.error(ranks.rank() == 0 ? "" : concat("rank ", ranks.rank()), message);
}

/// Calls `action` in each process; false in all of them where it failed in one. The first process
/// says why, or where it did not fail those that did. A process that is alone throws.
template <typename Action>
bool together(Communicator& ranks, Reporter& reporter, const Action& action) {
    if (ranks.size() == 1) {
        action();
        return true;
    }
    std::string message;
    try {
        action();
    } catch (const Error& error) {
        message = error.what();
    } catch (const std::bad_alloc&) {
        message = "out of memory";
    }
    const bool failed = !message.empty(), first = ranks.rank() == 0;
    // Each speaks before it lets the others go on, and end.
    if (failed && first)
        report_failure(ranks, reporter, message);
    const bool told = ranks.any(failed && first);
    if (failed && !first && !told)
        report_failure(ranks, reporter, message);
    return !ranks.any(failed);
}

TrainSummary train_together(Training& training, const TrainOptions& options, Communicator& ranks,
                            Reporter& reporter) {
    const bool first = ranks.rank() == 0;
    const bool ready = together(ranks, reporter,
                                [&] {
                                    training.open(ranks.size());
                                    if (first)
                                        training.open_folder(run_mode(options));
                                }) &&
                       together(ranks, reporter,
                                [&] {
                                    if (first)
                                        training.learn();
                                }) &&
                       together(ranks, reporter, [&] {
                           if (!first)
                               training.open_folder(trainer::RunMode::follow);
                           training.take_learned();
                       });
    return ready ? training.run(ranks) : TrainSummary{.nothing_done = true};
}

/// One of several processes: `outer` is told what ends it, `own` the rest.
TrainSummary train_as_rank(Communicator& ranks, const TrainOptions& options,
                           const Environment& environment, Reporter& outer, Reporter& own) {
    try {
        Training training(options, environment, own, static_cast<std::size_t>(ranks.size()));
        TrainSummary summary = train_together(training, options, ranks, outer);
        if (ranks.rank() != 0) // an exit status other than 0 would end the first one
            summary.failed = 0, summary.interrupted = false;
        return summary;
    } catch (const Error& error) {
        // What fails in all of them is said once: the first one then ends the others in time.
        if (ranks.rank() != 0)
            std::this_thread::sleep_for(kPatience);
        report_failure(ranks, outer, error.what());
        ranks.abort(kFailed); // they may be waiting for this one
        throw;
    }
}

} // namespace

TrainSummary run_training(const TrainOptions& options, const Environment& environment,
                          Reporter& reporter) {
    const Shard shard = parse_shard("auto", environment);
    try {
        check_train_options(options);
    } catch (const Error&) {
        if (shard.index > 1) // the first process says it
            return {.nothing_done = true};
        throw;
    }
    if (options.dry_run) {
        if (shard.index > 1)
            return {};
        Training training(options, environment, reporter, shard.count);
        training.open(static_cast<int>(shard.count));
        training.plan(static_cast<int>(shard.count));
        return {};
    }
    const std::unique_ptr<Communicator> ranks = make_communicator({.launched = shard.count});
    if (ranks->size() == 1) {
        Training training(options, environment, reporter, 1);
        return train_together(training, options, *ranks, reporter);
    }
    RankReporter quiet(reporter, ranks->rank());
    return train_as_rank(*ranks, options, environment, reporter,
                         ranks->rank() == 0 ? reporter : quiet);
}

} // namespace clip::app
