// SPDX-License-Identifier: MIT
// An objective: what a model is asked to predict, and the gradients of that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "communicator/communicator.hpp"
#include "model/config.hpp"
#include "train/batch_loader.hpp"
#include "trainer/trained_tower.hpp"

namespace clip::trainer {

/// Radford et al. 2021, figure 2, compares the first three on the same data.
enum class Objective : std::uint8_t {
    contrastive,  ///< which of the batch's captions belongs to a picture, and the reverse
    bag_of_words, ///< which tokens the caption has, in any order
    caption,      ///< the caption, token by token
    siglip,       ///< for every pair of the batch whether it is one (Zhai et al. 2023)
};
/// "contrastive", "bag-of-words", "caption", "siglip".
std::string_view objective_name(Objective objective);
/// Whether it predicts captions: its scores are log p(caption | picture).
bool scores_are_likelihoods(Objective objective);
/// Errors: invalid_argument (another name).
Objective parse_objective(std::string_view name);

struct ObjectiveSettings {
    Objective objective = Objective::contrastive;
    /// contrastive: this much of a row's weight goes to all columns alike (Szegedy et al. 2016).
    float label_smoothing = 0.0F;
    /// contrastive, siglip: rows of a batch with equal captions belong to each other, too;
    /// otherwise each is a wrong answer for the other, as in the paper.
    bool equal_captions_match = false;
};

/// What a learner is made of; all must outlive it.
struct LearnerParts {
    const TowerContext& context;
    const ModelConfig& config;
    Communicator& ranks;
    ObjectiveSettings settings;
};

/// A rank's rows of one batch.
struct LearnerBatch {
    ConstView pictures;                   ///< (N, 3, S, S) on the host
    std::span<const TokenizedText> texts; ///< N
    std::uint64_t global_rows = 0;        ///< of all ranks
    std::uint64_t first_row = 0;          ///< of this rank's among them
    float loss_scale = 1; ///< what gradients are multiplied by: a power of two; not the loss
};

/// Turns batches into losses and gradients. Gradients that it adds to Parameters are this rank's
/// part: their sum over ranks is the gradient of the whole batch's mean loss.
class Learner {
  public:
    virtual ~Learner() = default;

    /// To be called whenever weights have changed.
    virtual void refresh() = 0;
    /// The mean loss of the whole batch, over all ranks; adds gradients. The batch goes through in
    /// `slices` parts, one after the other, with the gradients of the whole (up to rounding, and up
    /// to batch norm, whose statistics are those of a slice).
    virtual double learn(const LearnerBatch& batch, std::size_t slices) = 0;
    /// The mean loss of a batch that this rank has alone, without gradients, with the weights as
    /// inference uses them. Not collective.
    virtual double evaluate(const LearnerBatch& batch) = 0;
    /// Zero-shot: how well each picture fits each of some captions; larger is better.
    /// scores (N, C), on the host, written. Weights as inference uses them. Not collective.
    virtual void score(ConstView pictures, std::span<const TokenizedText> captions,
                       MutView scores) = 0;
    /// Bounds what the optimiser must not leave: to be called after each of its steps.
    virtual void clip_parameters() {}
};

/// The tensors that an objective trains beside the model's.
std::vector<ExtraParameter> extra_parameters(const ModelConfig& config,
                                             const ObjectiveSettings& settings);

/// Gives them their first values.
void initialize_extra(Parameters& parameters, const ModelConfig& config,
                      const ObjectiveSettings& settings, std::uint64_t seed);
/// Prefixes of the model's weights that an objective has no gradient for. They are to be locked:
/// weight decay would shrink them otherwise. A bag of words uses nothing of the text tower, a
/// caption all but its projection.
std::vector<std::string> locked_by_objective(Objective objective);

/// Errors: invalid_argument (settings that do not go together).
std::unique_ptr<Learner> make_learner(const LearnerParts& parts);

} // namespace clip::trainer
