// SPDX-License-Identifier: MIT
#include "app/model_convert.hpp"

#include <algorithm>
#include <cmath>

#include "app/model_path.hpp"
#include "app/model_session.hpp"
#include "app/tokenizer_text.hpp"
#include "base/concat.hpp"
#include "base/error.hpp"
#include "model/architectures.hpp"
#include "model/checkpoint_writer.hpp"

namespace clip::app {

namespace {

std::optional<DType> parse_dtype(const std::string& text) {
    if (text == "stored")
        return std::nullopt;
    for (const DType dtype : {DType::f32, DType::f16, DType::bf16})
        if (text == dtype_name(dtype))
            return dtype;
    fail(ErrorCode::invalid_argument,
         concat("read --dtype: got '", text, "', want stored, f32, f16 or bf16"));
}

WriteOptions write_options(const CheckpointOutput& output, Reporter& reporter) {
    WriteOptions options;
    if (output.layout != "open_clip" && output.layout != "hf")
        fail(ErrorCode::invalid_argument,
             concat("read --layout: got '", output.layout, "', want open_clip or hf"));
    options.layout = output.layout == "hf" ? CheckpointLayout::hf : CheckpointLayout::open_clip;
    options.dtype = parse_dtype(output.dtype);
    options.overwrite = output.overwrite;
    options.stop = &reporter.stop();
    options.progress = [&reporter](std::size_t, std::size_t total) {
        reporter.progress(1, 0, total);
    };
    return options;
}

Checkpoint open(const std::string& name, const CheckpointOutput& output,
                const Environment& environment, Reporter& reporter) {
    Checkpoint checkpoint = open_checkpoint(find_model(name, environment),
                                            {.activation = parse_activation(output.activation)});
    for (const std::string& note : checkpoint.notes)
        reporter.warning("", note);
    return checkpoint;
}

WrittenCheckpoint write(const ModelSource& source, WriteOptions options, TextFiles tokenizer,
                        const CheckpointOutput& output, Reporter& reporter) {
    if (source.config.activation_assumed)
        reporter.warning("", concat(output.folder, ": will say ",
                                    activation_name(source.config.vision.activation),
                                    " as if that were known (--activation decides)"));
    if (tokenizer.empty())
        reporter.warning("", concat(output.folder,
                                    ": gets no tokenizer, for none is beside the model, in "
                                    "$CLIP_VOCAB or installed"));
    options.beside = std::move(tokenizer);
    struct ProgressEnd {
        Reporter& reporter;
        ~ProgressEnd() { reporter.progress_end(); }
    } const at_end{reporter};
    return write_checkpoint(output.folder, source, options);
}

std::string description(const WrittenCheckpoint& written, const CheckpointOutput& output) {
    return concat(output.folder, ": ", written.id, ", ", output.layout, ", ", written.tensors,
                  " weights, ", written.bytes, " bytes");
}

/// Reads the weighted mean of several checkpoints.
class Average {
  public:
    Average(const std::vector<Checkpoint>& models, std::vector<double> weights)
        : models_(models), weights_(std::move(weights)) {}

    void read(std::string_view name, std::int64_t first, std::int64_t count, float* out) {
        sum_.assign(static_cast<std::size_t>(count), 0.0);
        for (std::size_t i = 0; i < models_.size(); ++i) {
            if (weights_[i] == 0.0)
                continue; // so that a weight of 0 or 1 gives one of the two as it is
            models_[i].weights.load_range_f32(name, first, count, out);
            for (std::size_t at = 0; at < sum_.size(); ++at) {
                if (!std::isfinite(out[at]))
                    fail(ErrorCode::bad_format,
                         concat(models_[i].path, ": tensor ", name, ": element ",
                                first + static_cast<std::int64_t>(at), " is not a finite number"));
                // Not onto 0, which would lose the sign of -0.
                const double term = weights_[i] * double{out[at]};
                sum_[at] = begun_ ? sum_[at] + term : term;
            }
            begun_ = true;
        }
        begun_ = false;
        for (std::size_t at = 0; at < sum_.size(); ++at)
            out[at] = static_cast<float>(sum_[at]);
    }

  private:
    const std::vector<Checkpoint>& models_;
    std::vector<double> weights_;
    std::vector<double> sum_;
    bool begun_ = false;
};

std::string multiplier(float logit_scale) {
    return concat(static_cast<float>(std::exp(double{logit_scale})));
}

} // namespace

void convert_model(const std::string& name, const CheckpointOutput& output,
                   const Environment& environment, Reporter& reporter) {
    const WriteOptions options = write_options(output, reporter);
    const Checkpoint checkpoint = open(name, output, environment, reporter);
    const WrittenCheckpoint written =
        write(model_source(checkpoint), options, checkpoint_tokenizer(checkpoint, environment),
              output, reporter);
    if (written.rounded > 0)
        reporter.warning("", concat(output.folder, ": ", written.rounded, " numbers of ",
                                    checkpoint.id(), " were rounded to ", output.dtype,
                                    ": another model, ", written.id));
    reporter.note(description(written, output));
}

void average_models(const std::vector<std::string>& names, std::optional<double> weight,
                    const CheckpointOutput& output, const Environment& environment,
                    Reporter& reporter) {
    if (names.size() < 2)
        fail(ErrorCode::invalid_argument,
             concat("average models: it takes two or more (got ", names.size(), ")"));
    if (weight && names.size() != 2)
        fail(ErrorCode::invalid_argument,
             concat("read --weight: it is that of the second of two models (got ", names.size(),
                    " models)"));
    if (weight && !(*weight >= 0.0 && *weight <= 1.0))
        fail(ErrorCode::invalid_argument, concat("read --weight: got ", *weight, ", want 0 to 1"));
    const WriteOptions options = write_options(output, reporter);
    std::vector<Checkpoint> models;
    TextFiles tokenizer;
    std::string scales;
    for (const std::string& name : names) {
        models.push_back(open(name, output, environment, reporter));
        const Checkpoint& model = models.back();
        const std::string differs = config_difference(models[0].config, model.config);
        if (!differs.empty())
            fail(ErrorCode::version_mismatch, concat("average ", models[0].path, " and ",
                                                     model.path, ": they differ in ", differs));
        const TextFiles files = checkpoint_tokenizer(model, environment);
        if (models.size() == 1)
            tokenizer = files;
        else if (files.contains("merges.txt") && tokenizer.contains("merges.txt") &&
                 files.at("merges.txt") != tokenizer.at("merges.txt"))
            reporter.warning("", concat(model.path, ": its merges.txt is not that of ",
                                        models[0].path, ", which is taken"));
        scales += concat(scales.empty() ? "" : ", ", multiplier(model.logit_scale));
    }
    std::vector<double> shares(models.size(), 1.0 / static_cast<double>(models.size()));
    if (weight)
        shares = {1.0 - *weight, *weight};
    Average average(models, shares);
    ModelSource source;
    source.name = "the average";
    source.config = models[0].config;
    source.read = [&](std::string_view name, std::int64_t first, std::int64_t count, float* out) {
        average.read(name, first, count, out);
    };
    source.stored_dtype = model_source(models[0]).stored_dtype;
    source.release = [&](std::string_view name) {
        for (const Checkpoint& model : models)
            model.weights.release(name);
    };
    const WrittenCheckpoint written =
        write(source, options, std::move(tokenizer), output, reporter);
    reporter.note(concat("logit_scale: averaged as the logarithm that it is, like every weight: ",
                         scales, " give ", multiplier(written.logit_scale)));
    if (written.rounded > 0)
        reporter.note(concat(output.folder, ": ", written.rounded,
                             " numbers of the average were rounded to 16 bits"));
    reporter.note(description(written, output));
}

} // namespace clip::app
