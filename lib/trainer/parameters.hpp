// SPDX-License-Identifier: MIT
// What a training run changes: the parameters of a model by name, their gradients, and what AdamW
// keeps of each.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "backend/train_args.hpp"
#include "model/config.hpp"
#include "nn/parameter_source.hpp"
#include "tensor/tensor.hpp"

namespace clip::trainer {

/// One tensor.
struct ParameterInfo {
    std::string name; ///< canonical (model/weights.hpp), or one of the objective's own
    Shape shape;
    std::int64_t first = 0; ///< its first element in the blocks
    bool decays = true;     ///< weight decay acts on matrices alone, not on gains and biases
    bool trained = true;    ///< false: locked, or a running statistic: no gradient, no moments
};

/// A tensor that an objective needs beside the model's own: a head, a bias.
struct ExtraParameter {
    std::string name;
    Shape shape;
};

/// Whether a weight is a mean or variance that batch norm keeps for inference.
bool is_running_statistic(std::string_view name);

/// All tensors of a run in one block, and blocks of the same layout for gradients and for the two
/// running means of AdamW. Those that are trained come first, so that one span holds all gradients:
/// what ranks add up. Each tensor begins at a multiple of 64 bytes.
class Parameters {
  public:
    /// Every weight of `config` (weight_specs()) and `extra`; all zero. Weights below a prefix in
    /// `locked` ("visual.") are not trained. Running statistics never are.
    /// Errors: out_of_memory, invalid_argument (nothing is left to train).
    Parameters(const ModelConfig& config, std::span<const ExtraParameter> extra = {},
               std::span<const std::string> locked = {});

    const std::vector<ParameterInfo>& all() const { return infos_; }
    bool has(std::string_view name) const;
    /// Errors: internal (no such tensor).
    const ParameterInfo& info(std::string_view name) const;
    MutView weight(std::string_view name);
    ConstView weight(std::string_view name) const;
    /// Empty for a tensor that is not trained.
    MutView grad(std::string_view name);

    /// The blocks, padding (always 0) included.
    std::span<float> weights() { return {weights_.f32(), static_cast<std::size_t>(total_)}; }
    std::span<const float> weights() const {
        return {weights_.f32(), static_cast<std::size_t>(total_)};
    }
    std::span<float> grads() { return trained(grads_); }
    std::span<float> means() { return trained(means_); }
    std::span<float> squares() { return trained(squares_); }
    std::span<const float> means() const { return {means_.f32(), trained_size()}; }
    std::span<const float> squares() const { return {squares_.f32(), trained_size()}; }

    void zero_grads();
    /// One AdamW parameter for each trained tensor.
    std::span<const AdamWParameter> for_adamw() const { return adamw_; }
    /// Elements of the tensors, without padding; `trained_only` leaves out what is not trained.
    std::int64_t count(bool trained_only) const;

  private:
    std::size_t trained_size() const { return static_cast<std::size_t>(trained_); }
    std::span<float> trained(Tensor& block) { return {block.f32(), trained_size()}; }

    std::vector<ParameterInfo> infos_;
    std::unordered_map<std::string_view, std::size_t> index_; ///< keys point into infos_
    std::int64_t total_ = 0, trained_ = 0;
    Tensor weights_, grads_, means_, squares_;
    std::vector<AdamWParameter> adamw_;
};

/// The weights as layers of inference ask for them; `parameters` must outlive it.
class ParametersSource : public ParameterSource {
  public:
    explicit ParametersSource(const Parameters& parameters) : parameters_(parameters) {}
    bool has(const std::string& name) const override { return parameters_.has(name); }
    Parameter get(const std::string& name) const override;
    void release(const std::string&) const override {}

  private:
    const Parameters& parameters_;
};

} // namespace clip::trainer
