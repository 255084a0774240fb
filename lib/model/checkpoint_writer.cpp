// SPDX-License-Identifier: MIT
#include "model/checkpoint_writer.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "base/concat.hpp"
#include "io/atomic_file.hpp"
#include "io/atomic_folder.hpp"
#include "io/output_stream.hpp"
#include "io/safetensors.hpp"
#include "model/weight_names.hpp"

namespace clip {

namespace {

constexpr std::int64_t kPiece = std::int64_t{1} << 20; ///< elements

/// Every file that this writes: what may be overwritten.
constexpr std::array<std::string_view, 9> kOwnNames{"open_clip_config.json",
                                                    "open_clip_model.safetensors",
                                                    "config.json",
                                                    "model.safetensors",
                                                    "preprocessor_config.json",
                                                    "tokenizer_config.json",
                                                    "tokenizer.json",
                                                    "vocab.json",
                                                    "merges.txt"};

/// A stored tensor, and which elements of a canonical one it holds.
struct Piece {
    std::string weight;
    std::string name;
    Shape shape; ///< as stored
    DType dtype = DType::f32;
    std::int64_t first = 0;
    bool transposed = false;
    bool last = true; ///< of its weight
};

/// Norms, embeddings and logit_scale: float32 in published files whose matrices are halves.
bool keeps_float32(std::string_view name) {
    const auto has = [&](std::string_view part) { return name.find(part) != name.npos; };
    return name == "logit_scale" || has("embedding") || has("ln_") || has(".bn") ||
           has(".downsample.1.");
}

DType dtype_of(const WeightSpec& spec, const ModelSource& source, const WriteOptions& options) {
    if (!options.dtype) {
        const DType stored = source.stored_dtype(spec.name);
        return stored == DType::f64 ? DType::f32 : stored;
    }
    return keeps_float32(spec.name) ? DType::f32 : *options.dtype;
}

void add_thirds(std::vector<Piece>& plan, const WeightSpec& spec, const std::string& query,
                DType dtype) {
    std::vector<std::int64_t> extents(spec.shape.extents().begin(), spec.shape.extents().end());
    extents[0] /= 3;
    const Shape shape{std::span<const std::int64_t>(extents)};
    const std::size_t letter = query.rfind("q_proj.");
    for (std::size_t third = 0; third < 3; ++third) {
        std::string name = query;
        name[letter] = "qkv"[third];
        plan.push_back({spec.name, std::move(name), shape, dtype,
                        static_cast<std::int64_t>(third) * shape.numel(), false, third == 2});
    }
}

std::vector<Piece> plan_tensors(const ModelSource& source, const WriteOptions& options) {
    std::vector<Piece> plan;
    for (const WeightSpec& spec : weight_specs(source.config)) {
        const DType dtype = dtype_of(spec, source, options);
        if (options.layout == CheckpointLayout::open_clip) {
            plan.push_back({spec.name, spec.name, spec.shape, dtype, 0, false, true});
            continue;
        }
        const std::string name = stored_name(spec.name, NameLayout::hf);
        if (spec.name.find(".attn.in_proj_") != std::string::npos)
            add_thirds(plan, spec, name, dtype);
        else if (spec.name == "text_projection" || spec.name == "visual.proj")
            plan.push_back(
                {spec.name, name, Shape{spec.shape[1], spec.shape[0]}, dtype, 0, true, true});
        else
            plan.push_back({spec.name, name, spec.shape, dtype, 0, false, true});
    }
    // Each at a multiple of its elements' size; within a size as they came, thirds in their order.
    std::stable_sort(plan.begin(), plan.end(), [](const Piece& a, const Piece& b) {
        return dtype_size(a.dtype) > dtype_size(b.dtype);
    });
    return plan;
}

class TensorWriter {
  public:
    TensorWriter(const ModelSource& source, const WriteOptions& options)
        : source_(source), options_(options) {}

    void write(const Piece& piece, const io::ByteSink& sink) {
        if (piece.transposed) {
            write_transposed(piece, sink);
        } else {
            const std::int64_t numel = piece.shape.numel();
            for (std::int64_t done = 0; done < numel; done += kPiece) {
                const std::int64_t count = std::min(kPiece, numel - done);
                values_.resize(static_cast<std::size_t>(count));
                source_.read(piece.weight, piece.first + done, count, values_.data());
                give(piece, done, sink);
            }
        }
        if (piece.last && source_.release)
            source_.release(piece.weight);
    }

    std::int64_t rounded() const { return rounded_; }

  private:
    void write_transposed(const Piece& piece, const io::ByteSink& sink) {
        const auto rows = static_cast<std::size_t>(piece.shape[0]);
        const auto columns = static_cast<std::size_t>(piece.shape[1]);
        std::vector<float> canonical(rows * columns); // (columns, rows)
        source_.read(piece.weight, 0, piece.shape.numel(), canonical.data());
        values_.resize(canonical.size());
        for (std::size_t row = 0; row < rows; ++row)
            for (std::size_t column = 0; column < columns; ++column)
                values_[row * columns + column] = canonical[column * rows + row];
        give(piece, 0, sink);
    }

    /// Checks and converts values_, the elements from `at` on.
    void give(const Piece& piece, std::int64_t at, const io::ByteSink& sink) {
        if (options_.stop != nullptr && options_.stop->load())
            fail(ErrorCode::interrupted, "write checkpoint: interrupted");
        check_finite(values_, piece, at, "is not a finite number");
        if (piece.dtype == DType::f32) {
            sink(values_.data(), values_.size() * sizeof(float));
            return;
        }
        halves_.resize(values_.size());
        convert_from_f32(halves_.data(), piece.dtype, values_.data(), values_.size());
        back_.resize(values_.size());
        convert_to_f32(back_.data(), halves_.data(), piece.dtype, back_.size());
        for (std::size_t i = 0; i < back_.size(); ++i)
            rounded_ += values_[i] != back_[i];
        check_finite(back_, piece, at,
                     concat("is too large for ", dtype_name(piece.dtype)).c_str());
        sink(halves_.data(), halves_.size() * sizeof(std::uint16_t));
    }

    void check_finite(const std::vector<float>& values, const Piece& piece, std::int64_t at,
                      const char* why) const {
        const auto bad = std::find_if(values.begin(), values.end(),
                                      [](float value) { return !std::isfinite(value); });
        if (bad != values.end())
            fail(ErrorCode::bad_format,
                 concat(source_.name, ": tensor ", piece.weight, ": element ",
                        piece.first + at + (bad - values.begin()),
                        piece.transposed ? " of its transpose " : " ", why));
    }

    const ModelSource& source_;
    const WriteOptions& options_;
    std::vector<float> values_;
    std::vector<std::uint16_t> halves_;
    std::vector<float> back_; ///< of halves_: rounding may overflow
    std::int64_t rounded_ = 0;
};

void write_text(const std::string& path, const std::string& text) {
    io::AtomicFile file(path);
    io::write_all(file.fd(), text, path);
    file.commit();
}

void check_options(const WriteOptions& options) {
    if (options.dtype && *options.dtype != DType::f32 && *options.dtype != DType::f16 &&
        *options.dtype != DType::bf16)
        fail(ErrorCode::invalid_argument,
             concat("write checkpoint: weights as ", dtype_name(*options.dtype),
                    " (want f32, f16 or bf16)"));
    for (const auto& [name, text] : options.beside)
        if (std::find(kOwnNames.begin(), kOwnNames.end(), name) == kOwnNames.end())
            fail(ErrorCode::invalid_argument,
                 concat("write checkpoint: ", name, " is no file of a checkpoint"));
}

/// The type that most elements have, which transformers' config.json names.
DType main_dtype(const std::vector<Piece>& plan) {
    std::array<std::int64_t, 16> elements{};
    for (const Piece& piece : plan)
        elements[static_cast<std::size_t>(piece.dtype)] +=
            keeps_float32(piece.weight) ? 0 : piece.shape.numel();
    return static_cast<DType>(std::max_element(elements.begin(), elements.end()) -
                              elements.begin());
}

/// What was written must say what was to be written.
void check_written(const Checkpoint& written, const ModelConfig& wanted) {
    const ModelConfig& got = written.config;
    const bool same =
        got.vision.activation == wanted.vision.activation &&
        got.text.activation == wanted.text.activation && got.vision.heads == wanted.vision.heads &&
        got.text.heads == wanted.text.heads && got.vision.image_size == wanted.vision.image_size &&
        got.layer_norm_eps == wanted.layer_norm_eps && got.mean == wanted.mean &&
        got.std == wanted.std;
    if (!same)
        fail(ErrorCode::internal,
             concat(written.path, ": the configuration does not read back as it was"));
}

/// The type in which a weight lies in the files; float32 where its three parts differ.
DType type_in_files(const Weights& weights, std::string_view name) {
    const auto& tensors = weights.store().tensors();
    const DType first = weights.stored_dtype(name);
    for (const Weights::Entry& entry : weights.entries())
        if (entry.name == name)
            for (const std::size_t part : entry.parts)
                if (tensors[part].dtype != first)
                    return DType::f32;
    return first;
}

} // namespace

std::span<const std::string_view> checkpoint_file_names() {
    return kOwnNames;
}

ModelSource model_source(const Checkpoint& checkpoint) {
    const Weights& weights = checkpoint.weights;
    return {checkpoint.path, checkpoint.config,
            [&weights](std::string_view name, std::int64_t first, std::int64_t count, float* out) {
                weights.load_range_f32(name, first, count, out);
            },
            [&weights](std::string_view name) { return type_in_files(weights, name); },
            [&weights](std::string_view name) { weights.release(name); }};
}

WrittenCheckpoint write_checkpoint(const std::string& path, const ModelSource& source,
                                   const WriteOptions& options) {
    check_options(options);
    const bool hf = options.layout == CheckpointLayout::hf;
    if (hf && !source.config.vision.vit)
        (void)hf_config_files(source.config, DType::f32); // refuses it before names are planned
    const std::vector<Piece> plan = plan_tensors(source, options);
    TextFiles files = hf ? hf_config_files(source.config, main_dtype(plan))
                         : open_clip_config_files(source.config);
    files.insert(options.beside.begin(), options.beside.end());

    io::AtomicFolder folder(path, kOwnNames, options.overwrite);
    const std::string inside = folder.temporary_path() + "/";
    for (const auto& [name, text] : files)
        write_text(inside + name, text);
    std::vector<io::PlannedTensor> header;
    for (const Piece& piece : plan)
        header.push_back({piece.name, piece.dtype, piece.shape});
    TensorWriter writer(source, options);
    io::write_safetensors(inside + (hf ? "model.safetensors" : "open_clip_model.safetensors"),
                          header,
                          [&](std::size_t i, const io::ByteSink& sink) {
                              writer.write(plan[i], sink);
                              if (options.progress)
                                  options.progress(i + 1, plan.size());
                          },
                          {{"format", "pt"}}); // transformers refuses a file that does not say so

    WrittenCheckpoint result;
    const Checkpoint written = open_checkpoint(folder.temporary_path());
    check_written(written, source.config);
    result.id = written.id();
    result.rounded = writer.rounded();
    result.logit_scale = written.logit_scale;
    for (const Weights::Entry& entry : written.weights.entries()) {
        ++result.tensors;
        result.bytes +=
            entry.shape.numel() *
            static_cast<std::int64_t>(dtype_size(written.weights.stored_dtype(entry.name)));
    }
    folder.commit();
    return result;
}

} // namespace clip
