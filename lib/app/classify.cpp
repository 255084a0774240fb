// SPDX-License-Identifier: MIT
#include "app/classify.hpp"

#include <algorithm>
#include <utility>

#include "app/batches.hpp"
#include "app/classification_output.hpp"
#include "app/classifier_file.hpp"
#include "app/classify_options.hpp"
#include "app/failure_log.hpp"
#include "app/scorer.hpp"
#include "app/text_output.hpp"
#include "app/truth.hpp"
#include "base/concat.hpp"
#include "ops/softmax.hpp"
#include "ops/top_k.hpp"

namespace clip::app {

namespace {

enum class Scores : std::uint8_t { softmax, cosine, logit };

Scores parse_scores(const std::string& text) {
    if (text == "softmax")
        return Scores::softmax;
    if (text == "cosine")
        return Scores::cosine;
    if (text == "logit")
        return Scores::logit;
    fail(ErrorCode::invalid_argument,
         concat("read --scores: got '", text, "', want softmax, cosine or logit"));
}

class ClassifyRun {
  public:
    ClassifyRun(const ClassifyOptions& options, AnswerFormat format, LazyModel& model,
                const Classifier& classifier, FailureLog& failures, Reporter& reporter)
        : scores_(parse_scores(options.scores)), tsv_(format == AnswerFormat::tsv),
          threshold_(options.threshold),
          top_(std::min(std::max<std::size_t>(options.top, 1), classifier.labels.size())),
          backend_(model.machine().host_backend()), classifier_(classifier),
          scorer_(classifier, scores_ == Scores::cosine ? 1.0 : classifier.logit_scale, model,
                  failures, reporter),
          scoreboard_(classifier.labels) {
        if (!options.truth.empty())
            truth_.emplace(options.truth);
    }

    /// Appends the records of `batch` to `out`. Returns what ends the run, where an input does; the
    /// records of those before it are in `out`.
    std::optional<Error> process(std::vector<Input>& batch, std::string& out) {
        const std::optional<Error> end = scorer_.score(batch);
        if (!scorer_.inputs().empty())
            answer(out);
        return end;
    }

    std::size_t batch_size(bool open_model) { return scorer_.batch_size(open_model); }
    std::uint64_t answered() const { return answered_; }
    const Scoreboard* scoreboard() const { return truth_ ? &scoreboard_ : nullptr; }

  private:
    void answer(std::string& out) {
        const std::span<const Input* const> inputs = scorer_.inputs();
        const auto rows = static_cast<std::int64_t>(inputs.size());
        const auto k = static_cast<std::int64_t>(top_);
        values_.resize(inputs.size() * top_);
        indices_.resize(inputs.size() * top_);
        const MutView scores{scorer_.scores().data(),
                             Shape{rows, static_cast<std::int64_t>(classifier_.labels.size())}};
        if (scores_ == Scores::softmax)
            ops::softmax(backend_, {.x = scores, .y = scores});
        ops::top_k(
            backend_,
            {.x = scores, .k = k, .values = {values_.data(), Shape{rows, k}}, .indices = indices_});
        for (std::size_t i = 0; i < inputs.size(); ++i) {
            Answer result{.with_truth = truth_.has_value()};
            for (std::size_t place = i * top_; place < (i + 1) * top_; ++place)
                result.top.push_back({static_cast<std::size_t>(indices_[place]), values_[place]});
            result.confident = !threshold_ || result.top.front().score >= *threshold_;
            if (truth_) {
                result.truth = truth_->of(*inputs[i]);
                scoreboard_.add(result.truth, scorer_.scores(i));
            }
            (tsv_ ? append_answer_tsv : append_answer_json)(out, *inputs[i], result,
                                                            classifier_.labels);
            ++answered_;
        }
    }

    Scores scores_;
    bool tsv_;
    std::optional<float> threshold_;
    std::size_t top_;
    Backend& backend_;
    const Classifier& classifier_;
    Scorer scorer_;
    std::optional<Truth> truth_;
    Scoreboard scoreboard_;
    std::uint64_t answered_ = 0;
    std::vector<float> values_;
    std::vector<std::int64_t> indices_;
};

/// What an output holds when a run ends early, and where that is.
void keep_records(TextOutput& output, std::uint64_t count, const char* why, Reporter& reporter) {
    if (const std::string part = output.keep_part(); !part.empty())
        reporter.warning("", concat(why, ": ", count, " records are in ", part));
}

} // namespace

ClassifySummary classify(const ClassifyOptions& options, const Environment& environment,
                         Reporter& reporter) {
    check_options(options);
    const AnswerFormat format = choose_answer_format(options.output, options.format);
    Machine machine(options.model);
    LazyModel model(options.model, options.pictures, environment, machine, reporter);
    const Classifier classifier = make_classifier(options.classes, model, reporter);
    if (!options.save_classifier.empty())
        save_classifier(options.save_classifier, classifier, environment.program);

    InputSourceOptions source_options{.operands = options.inputs,
                                      .null_separated = options.null_separated,
                                      .recursive = options.recursive,
                                      .embeddings = true,
                                      .own_keys = {"label", "score", "top"},
                                      .stop = &reporter.stop()};
    if (!options.truth.empty())
        source_options.own_keys.emplace_back("truth");
    InputSource source(source_options);
    FailureLog failures(reporter, options.errors);
    ClassifyRun run(options, format, model, classifier, failures, reporter);
    TextOutput output(options.output);
    std::string records;
    const std::size_t batch_size =
        options.batch_size > 0 ? options.batch_size : run.batch_size(options.classes.file.empty());
    for_each_batch(source, batch_size, reporter.stop(), [&](std::vector<Input>& batch) {
        records.clear();
        const std::optional<Error> end = run.process(batch, records);
        output.write(records);
        output.flush();
        failures.flush();
        if (end) {
            reporter.progress_end();
            failures.close();
            if (run.answered() > 0)
                keep_records(output, run.answered(), "not finished", reporter);
            throw Error(*end);
        }
        reporter.progress(batch.size(), 0, source.total());
    });
    reporter.progress_end();
    failures.close();
    const ClassifySummary summary{.answered = run.answered(),
                                  .failed = failures.count(),
                                  .interrupted = reporter.stop().load()};
    if (summary.interrupted)
        keep_records(output, summary.answered, "interrupted", reporter);
    else
        output.finish();
    if (const Scoreboard* scoreboard = run.scoreboard()) {
        reporter.summary(scoreboard->to_text());
        if (!options.summary.empty()) {
            TextOutput file(options.summary);
            file.write(scoreboard->to_json());
            file.finish();
        }
    }
    if (summary.failed > 0)
        reporter.note(
            concat(summary.failed, " of ", summary.answered + summary.failed, " inputs failed"));
    return summary;
}

} // namespace clip::app
