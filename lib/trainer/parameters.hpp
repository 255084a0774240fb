// SPDX-License-Identifier: MIT
// What a training run changes: the parameters of a model by name, their gradients, and what AdamW
// keeps of each.
#pragma once

#include <cstdint>
#include <functional>
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

/// What there is a block of.
enum class Block : std::uint8_t { weights, grads, means, squares };

/// All tensors of a run in one block, and blocks of the same layout for gradients and for the two
/// running means of AdamW. Those that are trained come first, so that one span holds all gradients:
/// what ranks add up. Each tensor begins at a multiple of 64 bytes. The blocks are in one memory,
/// the backend's; spans of them, and views' pointers, are only for where that is the host's.
class Parameters {
  public:
    /// Every weight of `config` (weight_specs()) and `extra`; all zero. Weights below a prefix in
    /// `locked` ("visual.") are not trained. Running statistics never are.
    /// Errors: out_of_memory, invalid_argument (nothing is left to train).
    Parameters(const ModelConfig& config, std::span<const ExtraParameter> extra = {},
               std::span<const std::string> locked = {}, Memory& memory = host_memory());

    Memory& memory() const { return weights_.memory(); }
    bool on_host() const { return weights_.device().is_cpu(); }

    const std::vector<ParameterInfo>& all() const { return infos_; }
    bool has(std::string_view name) const;
    /// Errors: internal (no such tensor).
    const ParameterInfo& info(std::string_view name) const;
    MutView weight(std::string_view name);
    ConstView weight(std::string_view name) const;
    /// Empty for a tensor that is not trained.
    MutView grad(std::string_view name);

    /// A block with its padding (always 0): all elements of the weights, of the others those of
    /// trained tensors.
    MutView block(Block which);
    ConstView block(Block which) const;
    /// Gives a tensor of the weights values: `write` gets its place on the host.
    void set(std::string_view name, const std::function<void(MutView)>& write);
    /// A tensor of one element.
    float scalar(std::string_view name) const;
    void set_scalar(std::string_view name, float value);
    /// Nothing where the tensor is not trained.
    void add_to_scalar_grad(std::string_view name, float value);

    /// The blocks as the host has them.
    std::span<float> weights() { return on_host(Block::weights); }
    std::span<const float> weights() const { return on_host(Block::weights); }
    std::span<float> grads() { return on_host(Block::grads); }
    std::span<float> means() { return on_host(Block::means); }
    std::span<float> squares() { return on_host(Block::squares); }
    std::span<const float> means() const { return on_host(Block::means); }
    std::span<const float> squares() const { return on_host(Block::squares); }

    void zero_grads();
    /// One AdamW parameter for each trained tensor.
    std::span<const AdamWParameter> for_adamw() const { return adamw_; }
    /// Elements of the tensors, without padding; `trained_only` leaves out what is not trained.
    std::int64_t count(bool trained_only) const;

  private:
    std::span<float> on_host(Block which);
    std::span<const float> on_host(Block which) const;
    const Tensor& tensor(Block which) const;
    std::int64_t elements(Block which) const { return which == Block::weights ? total_ : trained_; }

    std::vector<ParameterInfo> infos_;
    std::unordered_map<std::string_view, std::size_t> index_; ///< keys point into infos_
    std::int64_t total_ = 0, trained_ = 0;
    Tensor weights_, grads_, means_, squares_;
    std::vector<AdamWParameter> adamw_;
};

/// Copies elements [first, first + count) of a view to the host, or from it.
void read_elements(const ConstView& from, std::int64_t first, std::int64_t count, float* to,
                   Memory& memory);
void write_elements(const MutView& to, std::int64_t first, std::int64_t count, const void* from,
                    Memory& memory);

/// The weights as layers of inference ask for them, on the host; `parameters` must outlive it.
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
