// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "model/text_tower.hpp"
#include "trainer/learner.hpp"
#include "trainer/picture_encoder.hpp"
#include "trainer/staged_pictures.hpp"

namespace clip::trainer {

/// Both towers, and a loss over the similarities of all pairs of the batch: the symmetric
/// cross-entropy of CLIP, or SigLIP's sigmoid loss.
///
/// A step computes features first, exchanges them between ranks, then the loss and its gradient by
/// the features, and only then the towers' gradients. With several slices the features of a pass
/// that keeps nothing are enough for the loss; each slice then goes through the towers again (Gao
/// et al. 2021, arXiv:2101.06983).
class ContrastiveLearner final : public Learner {
  public:
    explicit ContrastiveLearner(const LearnerParts& parts);

    void refresh() override;
    double learn(const LearnerBatch& batch, std::size_t slices) override;
    double evaluate(const LearnerBatch& batch) override;
    void score(ConstView pictures, std::span<const TokenizedText> captions,
               MutView scores) override;
    void clip_parameters() override;

  private:
    /// One side's vectors: of this rank's rows, and of the whole batch. In the backend's memory.
    struct Side {
        Tensor features, unit, norms; ///< (R, E), (R, E), (R)
        Tensor all;                   ///< (N, E) unit vectors of all ranks
        Tensor log_sum_exp, target;   ///< (R)
        Tensor all_log_sum_exp;       ///< (N)
        Tensor grad;                  ///< (R, E) by `unit`, then by `features`
        void reserve(std::int64_t rows, std::int64_t all_rows, std::int64_t dim, Memory& memory);
    };
    /// The text tower of inference, made when it is first asked for.
    struct Inference {
        std::unique_ptr<TextTower> text;
        std::vector<TokenizedText> captions; ///< whose vectors `classes` holds
        Tensor classes;                      ///< (C, E) unit
    };

    void begin(const LearnerBatch& batch, bool alone);
    enum class Pass : std::uint8_t { only, first, second };
    void forward_slice(const LearnerBatch& slice, Pass pass);
    void backward_slice(const LearnerBatch& slice);
    /// Everybody's unit vectors and, where equal captions match, which of them are equal.
    void exchange(const LearnerBatch& batch);
    void find_groups(const LearnerBatch& batch);
    void gather(const Tensor& own, Tensor& all, std::int64_t width);
    /// The loss of all rows, from `all` of both sides; with `gradients`, by the unit vectors of
    /// this rank's rows and by the objective's scalars.
    double loss_of_batch(bool gradients);
    double contrastive(bool gradients);
    double siglip(bool gradients);
    bool soft() const;
    /// The sum of a row's targets: of the other side's vectors, weighted. `all` is the sum of all
    /// those vectors.
    void target_of_row(const float* other, std::span<const double> all, std::int64_t row,
                       std::span<double> sum) const;
    /// Puts targets and, with a weight, gradients right where a row has other targets than its own
    /// column.
    void soften(Side& side, Side& other, std::span<double> targets, double grad_weight);
    /// What other columns that match a row change of row_loss_, row_bias_ and the gradients.
    void add_matches(Side& side, Side& other, float bias, float weight, bool gradients);
    /// The sum of dot products of this rank's unit vectors and their gradients, by which the
    /// logarithm of the scale has its own.
    double unit_times_grad(Side& side);
    void encode(ConstView pictures, MutView unit);
    void encode(std::span<const TokenizedText> texts, MutView unit);
    Inference& inference();

    LearnerParts parts_;
    std::unique_ptr<TrainedVisionTower> vision_;
    std::unique_ptr<TrainedTextTower> text_;
    PictureEncoder encoder_;
    bool vision_is_trained_;
    Side pictures_, texts_;
    std::int64_t rows_ = 0, all_rows_ = 0;
    std::int64_t first_ = 0; ///< of this rank's rows among all
    bool alone_ = false;     ///< nothing is exchanged with other ranks
    float scale_ = 1.0F;
    float loss_scale_ = 1.0F; ///< see LearnerBatch
    StagedPictures slice_pictures_;
    std::vector<std::span<const std::int32_t>> cut_; ///< texts of the batch, to their end marks
    std::vector<std::vector<std::int64_t>> groups_;  ///< rows of the batch with equal captions
    std::vector<std::size_t> group_of_;              ///< (N), or empty where none are looked for
    std::vector<double> row_loss_, row_bias_;        ///< (R) of siglip
    std::optional<Inference> inference_;
};

} // namespace clip::trainer
