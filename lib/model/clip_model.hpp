// SPDX-License-Identifier: MIT
// Both towers of one checkpoint, ready to encode. Knows nothing of files of pictures or of streams:
// it is given pixels and token ids.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "backend/backend.hpp"
#include "data/tokenizer.hpp"
#include "model/checkpoint.hpp"

namespace clip {

/// Which vector of a tower is asked for.
enum class Layer : std::uint8_t {
    projected,   ///< in the joint space, (E)
    penultimate, ///< before the output projection: what the paper's linear probe is fitted on (App.
                 ///< A.3)
};

struct ModelOptions {
    DType storage =
        DType::f32; ///< how packed weights are kept: f32, bf16, f16 or i8; sums are always f32
};

/// Encodes pictures and texts. Each tower is prepared (weights converted and packed) when it is
/// first used, so that a run over texts never reads the vision weights. Used by one thread at a
/// time.
class ClipModel {
  public:
    /// `backend` must outlive the model. Errors: those of the checkpoint's weights, unsupported.
    ClipModel(Checkpoint checkpoint, Backend& backend, ModelOptions options = {});
    ~ClipModel();
    ClipModel(const ClipModel&) = delete;
    ClipModel& operator=(const ClipModel&) = delete;

    const Checkpoint& checkpoint() const;
    const ModelConfig& config() const { return checkpoint().config; }
    /// "ViT-B-32@1f0c...": the architecture and the digest of the weights.
    std::string id() const { return checkpoint().id(); }
    /// The multiplier of cosines, exp of the stored logarithm; 100.0 for the published models.
    double logit_scale() const;
    /// Elements of one vector: E, or the width of the layer asked for.
    std::int64_t dim(Layer layer, bool text) const;

    /// Prepares a tower before its first use, to take the time now.
    void prepare_vision();
    void prepare_text();

    /// pictures (N, 3, S, S) as preprocess() makes them -> out (N, dim), not normalised.
    void encode_pictures(std::span<const float> pictures, std::span<float> out,
                         Layer layer = Layer::projected);

    /// Makes the pictures from `first` on: writes (n, 3, S, S) into the backend's memory.
    using PictureMaker = std::function<void(std::int64_t first, MutView pictures)>;
    /// The same of pictures that are made where they are needed, some at a time, in order.
    void encode_pictures(std::int64_t count, const PictureMaker& make, std::span<float> out,
                         Layer layer = Layer::projected);

    /// texts (N), each with its start and end marks -> out (N, dim), not normalised. Costs what the
    /// tokens up to each text's end mark cost. Errors: invalid_argument (no tokens, too many, or an
    /// id outside the vocabulary).
    void encode_texts(std::span<const TokenizedText> texts, std::span<float> out,
                      Layer layer = Layer::projected);

  private:
    struct Towers;
    std::unique_ptr<Towers> towers_;
};

/// Divides each row of x (N, D) by its length; a row of zeros stays zero. In place.
void normalize_rows(Backend& backend, std::span<float> x, std::int64_t dim);

} // namespace clip
