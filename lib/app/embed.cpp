// SPDX-License-Identifier: MIT
#include "app/embed.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "app/batches.hpp"
#include "app/embedding_output.hpp"
#include "app/failure_log.hpp"
#include "base/concat.hpp"

namespace clip::app {

namespace {

Layer parse_layer(const std::string& text) {
    if (text == "projected")
        return Layer::projected;
    if (text == "penultimate")
        return Layer::penultimate;
    fail(ErrorCode::invalid_argument,
         concat("read --layer: got '", text, "', want projected or penultimate"));
}

DType parse_store(const std::string& text) {
    if (text == "fp32")
        return DType::f32;
    if (text == "fp16")
        return DType::f16;
    fail(ErrorCode::invalid_argument, concat("read --store: got '", text, "', want fp32 or fp16"));
}

/// Everything besides the model that a vector depends on: rows that differ in it are never mixed.
std::string settings_text(const EmbedOptions& options, Device device, std::string_view activation) {
    return concat("layer=", options.layer, " crop=", options.pictures.crop,
                  " orientation=", options.pictures.orientation,
                  " grey16=", options.pictures.grey16,
                  " precision=", dtype_name(parse_precision(options.model.precision, device)),
                  " activation=", activation, device.is_cpu() ? "" : " device=cuda",
                  !device.is_cpu() && options.model.backend.cuda.tf32 ? " products=tf32" : "");
}

/// The same of a run without options on a CPU: what rows are taken for that do not say it. What the
/// checkpoint says of the activation is not known here where an option replaced it.
std::string default_settings_text(const EmbedOptions& options, std::string_view activation) {
    return settings_text({}, Device{},
                         options.model.activation.empty() ? activation : "checkpoint");
}

/// Why a vector cannot be stored; nothing where it can.
std::optional<Error> storing_fault(const Encoded& encoded, const io::EmbeddingHeader& header) {
    if (static_cast<std::int64_t>(encoded.values.size()) != header.dim)
        return Error(ErrorCode::shape_mismatch,
                     concat("this layer has ", encoded.values.size(),
                            " values for this kind of input, and ", header.dim, " in this output"));
    const auto fits = [&](float value) {
        return header.store == DType::f32 || std::isfinite(static_cast<float>(Half(value)));
    };
    if (!std::all_of(encoded.values.begin(), encoded.values.end(), fits))
        return Error(ErrorCode::unsupported, "the vector has values that float16 cannot hold");
    return std::nullopt;
}

/// The run itself, once everything is open.
class EmbedRun {
  public:
    EmbedRun(Encoder& encoder, EmbeddingOutput& output, FailureLog& failures,
             const io::EmbeddingHeader& header)
        : encoder_(encoder), output_(output), failures_(failures), header_(header) {}

    /// Returns how many inputs an earlier run had finished.
    std::uint64_t process(std::vector<Input>& batch) {
        std::vector<const Input*> waiting;
        std::vector<std::optional<io::KnownRow>> known_rows(batch.size());
        std::uint64_t known = 0;
        for (std::size_t i = 0; i < batch.size(); ++i)
            if (!batch[i].error) {
                known_rows[i] = output_.known(batch[i].item, batch[i].is_text);
                if (!known_rows[i])
                    waiting.push_back(&batch[i]);
            }
        encoder_.encode(waiting, encoded_);
        std::size_t next = 0;
        for (std::size_t i = 0; i < batch.size(); ++i) {
            if (batch[i].error) {
                failures_.add(batch[i], *batch[i].error);
            } else if (known_rows[i]) {
                output_.reuse(*known_rows[i], batch[i].extra);
                ++known;
            } else {
                write(batch[i], encoded_[next++]);
            }
        }
        output_.flush();
        failures_.flush();
        return known;
    }

  private:
    void write(Input& input, Encoded& encoded) {
        if (!encoded.error)
            encoded.error = storing_fault(encoded, header_);
        if (encoded.error) {
            failures_.add(input, *encoded.error);
            return;
        }
        output_.append({.item = std::move(input.item),
                        .is_text = input.is_text,
                        .extra = std::move(input.extra),
                        .values = std::move(encoded.values)});
    }

    Encoder& encoder_;
    EmbeddingOutput& output_;
    FailureLog& failures_;
    const io::EmbeddingHeader& header_;
    std::vector<Encoded> encoded_;
};

/// Calls `action`; where it fails, the message goes on with what is not lost by that.
template <typename Action>
void say_what_is_kept(const EmbeddingOutput& output, const Action& action) {
    try {
        action();
    } catch (const io::ClosedPipe&) {
        throw;
    } catch (const Error& error) {
        const std::string kept = output.kept_message();
        if (kept.empty())
            throw;
        throw Error(error.code(), concat(error.what(), "; ", kept), error.where());
    }
}

} // namespace

EmbedSummary embed(const EmbedOptions& options, const Environment& environment,
                   Reporter& reporter) {
    // Everything that can be wrong with the command line comes before the model is opened.
    const Layer layer = parse_layer(options.layer);
    const DType store = parse_store(options.store);
    const io::EmbeddingFormat format = choose_format(options.output, options.format);
    check_outputs(options.output, options.errors);
    const Shard shard = parse_shard(options.shard, environment);
    if (options.normalize && options.no_normalize)
        fail(ErrorCode::invalid_argument, "--normalize and --no-normalize exclude each other");
    const bool normalize =
        options.normalize || (!options.no_normalize && layer == Layer::projected);

    Machine machine(options.model);
    ModelSession session(options.model, environment, machine, reporter);
    Encoder encoder(session, reporter,
                    {.pictures = options.pictures, .layer = layer, .normalize = normalize});
    const std::string_view activation = activation_name(session.model().config().text.activation);
    const Device device = session.backend().device();
    const io::EmbeddingHeader header{.model = session.model().id(),
                                     .normalized = normalize,
                                     .logit_scale = session.model().logit_scale(),
                                     .dim = encoder.dim(options.texts),
                                     .store = store,
                                     .tool = environment.program,
                                     .settings = settings_text(options, device, activation)};
    EmbeddingOutput output(options.output, format, header, options.resume,
                           default_settings_text(options, activation));
    FailureLog failures(reporter, options.errors);
    std::vector<std::string_view> own_keys = {"model", "embedding"};
    if (layer != Layer::projected)
        own_keys.emplace_back("layer");
    InputSource source({.operands = options.inputs,
                        .null_separated = options.null_separated,
                        .recursive = options.recursive,
                        .texts = options.texts,
                        .shard = shard,
                        .own_keys = own_keys,
                        .stop = &reporter.stop()});

    EmbedSummary summary;
    EmbedRun run(encoder, output, failures, header);
    const std::size_t batch_size =
        options.batch_size > 0 ? options.batch_size : encoder.batch_size(options.texts);
    say_what_is_kept(output, [&] {
        for_each_batch(source, batch_size, reporter.stop(), [&](std::vector<Input>& batch) {
            const std::uint64_t known = run.process(batch);
            summary.reused += known;
            reporter.progress(batch.size(), known, source.total());
        });
        reporter.progress_end();
        failures.close();
    });
    summary.rows = output.rows();
    summary.failed = failures.count();
    summary.interrupted = reporter.stop().load();
    if (summary.interrupted) {
        if (const std::string message = output.stop(); !message.empty())
            reporter.warning("", message);
        return summary;
    }
    if (output.would_only_remove()) {
        constexpr std::string_view kNothing = "no input gave a row; the file is left as it was";
        if (summary.failed == 0)
            fail(ErrorCode::invalid_argument, concat(options.output, ": ", kNothing));
        reporter.error(options.output, kNothing);
        return summary;
    }
    say_what_is_kept(output, [&] { output.finish(); });
    if (const std::uint64_t unused = output.unused(); unused > 0)
        reporter.warning("", concat(options.output, ": ", unused, unused == 1 ? " row" : " rows",
                                    " of the earlier run ", unused == 1 ? "is" : "are",
                                    " not among these inputs and ", unused == 1 ? "is" : "are",
                                    " left out"));
    if (summary.reused > 0)
        reporter.note(concat(summary.reused, " of ", summary.rows, " rows were there already"));
    if (summary.failed > 0)
        reporter.note(
            concat(summary.failed, " of ", summary.rows + summary.failed, " inputs failed"));
    return summary;
}

} // namespace clip::app
