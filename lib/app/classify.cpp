// SPDX-License-Identifier: MIT
#include "app/classify.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <utility>

#include <unistd.h>

#include "app/batches.hpp"
#include "app/classification_output.hpp"
#include "app/classifier_file.hpp"
#include "app/classify_options.hpp"
#include "app/failure_log.hpp"
#include "app/labels.hpp"
#include "app/truth.hpp"
#include "base/concat.hpp"
#include "io/atomic_file.hpp"
#include "ops/similarity.hpp"
#include "ops/softmax.hpp"
#include "ops/top_k.hpp"

namespace clip::app {

namespace {

// Embeddings that are scored together; pictures come in the encoder's batches.
constexpr std::size_t kEmbeddingsAtOnce = 256;

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

[[noreturn]] void fail_models(const std::string& what, const std::string& theirs,
                              const std::string& with, const std::string& ours) {
    fail(ErrorCode::version_mismatch, concat("compare embeddings of two models: ", what, " is of ",
                                             theirs, ", ", with, " of ", ours));
}

/// A model that is opened when it is first needed.
class LazyModel {
  public:
    LazyModel(const ClassifyOptions& options, const Environment& environment, Machine& machine,
              Reporter& reporter)
        : options_(options), environment_(environment), machine_(machine), reporter_(reporter) {}

    ModelSession& session() {
        if (!session_)
            session_.emplace(options_.model, environment_, machine_, reporter_);
        return *session_;
    }
    Encoder& encoder() {
        if (!encoder_)
            encoder_.emplace(session(), reporter_, EncoderOptions{.pictures = options_.pictures});
        return *encoder_;
    }

  private:
    const ClassifyOptions& options_;
    const Environment& environment_;
    Machine& machine_;
    Reporter& reporter_;
    std::optional<ModelSession> session_;
    std::optional<Encoder> encoder_;
};

Classifier make_classifier(const ClassifyOptions& options, LazyModel& model, Reporter& reporter) {
    if (!options.classifier.empty()) {
        if (!options.labels.empty() || !options.label_file.empty() || !options.templates.empty() ||
            !options.template_file.empty())
            fail(ErrorCode::invalid_argument,
                 "--classifier stands in place of labels and templates: give one or the other");
        return load_classifier(options.classifier);
    }
    const std::vector<ClassNames> classes = gather_classes(options.labels, options.label_file);
    const std::vector<std::string> templates =
        gather_templates(options.templates, options.template_file);
    ModelSession& session = model.session();
    std::size_t cut = 0;
    Classifier classifier = build_classifier(session.model(), session.tokenizer(),
                                             session.backend(), classes, templates, &cut);
    if (cut > 0)
        reporter.warning("", concat("prompts cut to ", session.model().config().text.context_length,
                                    " tokens: ", cut));
    return classifier;
}

/// Standard output or a file, as text.
class TextOutput {
  public:
    explicit TextOutput(const std::string& path) {
        if (path.empty() || path == "-") {
            stream_ = std::make_unique<io::OutputStream>(STDOUT_FILENO, "standard output");
        } else {
            file_ = std::make_unique<io::AtomicFile>(path);
            stream_ = std::make_unique<io::OutputStream>(file_->fd(), path);
        }
    }
    void write(std::string_view text) { stream_->write(text); }
    void flush() { stream_->flush(); }
    void finish() {
        stream_->flush();
        if (file_)
            file_->commit();
    }
    /// Ends before the end of the input: what was written so far to a file is kept beside it,
    /// because FILE is only ever replaced by something complete. Returns where it is; empty for a
    /// stream.
    std::string keep_part() {
        stream_->flush();
        if (!file_ || file_->is_stream())
            return {};
        const std::string part = file_->name() + ".part";
        if (std::rename(file_->temporary_path().c_str(), part.c_str()) != 0)
            fail_errno(concat("write ", part), errno);
        return part;
    }

  private:
    std::unique_ptr<io::AtomicFile> file_;
    std::unique_ptr<io::OutputStream> stream_;
};

class ClassifyRun {
  public:
    ClassifyRun(const ClassifyOptions& options, AnswerFormat format, Machine& machine,
                LazyModel& model, const Classifier& classifier, FailureLog& failures,
                Reporter& reporter)
        : scores_(parse_scores(options.scores)), tsv_(format == AnswerFormat::tsv),
          threshold_(options.threshold),
          top_(std::min(std::max<std::size_t>(options.top, 1), classifier.labels.size())),
          machine_(machine), model_(model), classifier_(classifier), failures_(failures),
          reporter_(reporter), scoreboard_(classifier.labels) {
        if (!options.truth.empty())
            truth_.emplace(options.truth);
    }

    /// Appends the records of `batch` to `out`. Returns what ends the run, where an input does; the
    /// records of those before it are in `out`.
    std::optional<Error> process(std::vector<Input>& batch, std::string& out) {
        std::optional<Error> end;
        std::vector<const Input*> to_encode;
        for (std::size_t i = 0; i < batch.size() && !end; ++i) {
            if (batch[i].error)
                continue;
            try {
                if (batch[i].embedding.empty()) {
                    check_model();
                    to_encode.push_back(&batch[i]);
                } else {
                    check_given(batch[i]);
                }
            } catch (const Error& error) {
                end = error;
                batch.resize(i);
            }
        }
        if (!to_encode.empty())
            model_.encoder().encode(to_encode, encoded_);
        std::vector<const Input*> scored;
        vectors_.clear();
        std::size_t next = 0;
        for (Input& input : batch) {
            if (!input.error && input.embedding.empty()) {
                Encoded& encoded = encoded_[next++];
                input.error = std::move(encoded.error);
                input.embedding = std::move(encoded.values);
            }
            if (input.error) {
                failures_.add(input, *input.error);
                continue;
            }
            vectors_.insert(vectors_.end(), input.embedding.begin(), input.embedding.end());
            scored.push_back(&input);
        }
        if (!scored.empty())
            answer(scored, out);
        return end;
    }

    std::uint64_t answered() const { return answered_; }
    const Scoreboard* scoreboard() const { return truth_ ? &scoreboard_ : nullptr; }

  private:
    void check_model() {
        if (const std::string id = model_.session().model().id(); id != classifier_.model)
            fail_models("the classifier", classifier_.model, "the model", id);
    }

    /// Embeddings of other models or layers end the run; a vector of another width is that input's
    /// failure.
    void check_given(Input& input) {
        if (!input.model.empty() && input.model != classifier_.model)
            fail_models(input.name, input.model, "the classifier", classifier_.model);
        if (const std::string layer = other_layer(input.settings); !layer.empty())
            fail(ErrorCode::version_mismatch,
                 concat("read embeddings ", input.file, ": they are of the layer ", layer,
                        " (want projected)"));
        if (static_cast<std::int64_t>(input.embedding.size()) != classifier_.dim) {
            input.error.emplace(ErrorCode::shape_mismatch,
                                concat("the embedding has ", input.embedding.size(),
                                       " values (want ", classifier_.dim, ")"));
            return;
        }
        if (input.model.empty() && !std::exchange(warned_, true))
            reporter_.warning(input.name, concat("the embedding does not say of which model it is; "
                                                 "taken for ",
                                                 classifier_.model));
        normalize_given(input.embedding.data(), classifier_.dim);
    }

    void answer(std::span<const Input* const> inputs, std::string& out) {
        const auto rows = static_cast<std::int64_t>(inputs.size());
        const auto classes = static_cast<std::int64_t>(classifier_.labels.size());
        const auto k = static_cast<std::int64_t>(top_);
        const auto width = static_cast<std::size_t>(classes);
        matrix_.resize(inputs.size() * width);
        values_.resize(inputs.size() * top_);
        indices_.resize(inputs.size() * top_);
        Backend& backend = machine_.backend();
        const MutView scores{matrix_.data(), Shape{rows, classes}};
        ops::similarity(backend,
                        {.a = {vectors_.data(), Shape{rows, classifier_.dim}},
                         .b = {classifier_.weights.data(), Shape{classes, classifier_.dim}},
                         .scale = scores_ == Scores::cosine
                                      ? 1.0F
                                      : static_cast<float>(classifier_.logit_scale),
                         .y = scores});
        if (scores_ == Scores::softmax)
            ops::softmax(backend, {.x = scores, .y = scores});
        ops::top_k(
            backend,
            {.x = scores, .k = k, .values = {values_.data(), Shape{rows, k}}, .indices = indices_});
        for (std::size_t i = 0; i < inputs.size(); ++i) {
            Answer result{.with_truth = truth_.has_value()};
            for (std::size_t place = i * top_; place < (i + 1) * top_; ++place)
                result.top.push_back({static_cast<std::size_t>(indices_[place]), values_[place]});
            result.confident = !threshold_ || result.top.front().score >= *threshold_;
            if (truth_) {
                result.truth = truth_->of(*inputs[i]);
                scoreboard_.add(result.truth,
                                std::span<const float>(matrix_).subspan(i * width, width));
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
    Machine& machine_;
    LazyModel& model_;
    const Classifier& classifier_;
    FailureLog& failures_;
    Reporter& reporter_;
    std::optional<Truth> truth_;
    Scoreboard scoreboard_;
    std::uint64_t answered_ = 0;
    bool warned_ = false;
    std::vector<Encoded> encoded_;
    std::vector<float> vectors_, matrix_, values_;
    std::vector<std::int64_t> indices_;
};

std::size_t choose_batch_size(const ClassifyOptions& options, bool open_model, LazyModel& model) {
    if (options.batch_size > 0)
        return options.batch_size;
    return open_model ? model.encoder().batch_size(false) : kEmbeddingsAtOnce;
}

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
    LazyModel model(options, environment, machine, reporter);
    const Classifier classifier = make_classifier(options, model, reporter);
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
    ClassifyRun run(options, format, machine, model, classifier, failures, reporter);
    TextOutput output(options.output);
    std::string records;
    const std::size_t batch_size = choose_batch_size(options, options.classifier.empty(), model);
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
