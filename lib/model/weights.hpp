// SPDX-License-Identifier: MIT
// The weights of a checkpoint under one set of names, whatever the layout of its files.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/shape.hpp"
#include "io/tensor_store.hpp"
#include "model/config.hpp"
#include "tensor/tensor.hpp"

namespace clip {

/// A weight that a model of some configuration must have.
struct WeightSpec {
    std::string name; ///< canonical
    Shape shape;
};

/// Every weight of a model, sorted by name. Canonical names, shapes and orientations are those of
/// OpenAI's state dicts: linear weights (out, in), `visual.proj` and `text_projection` (in, out),
/// convolutions (out, in, kh, kw), `attn.in_proj_weight` (3D, D) with query, key and value in
/// this order, `logit_scale` (). BatchNorm statistics are weights, `num_batches_tracked` is not.
std::vector<WeightSpec> weight_specs(const ModelConfig& config);

/// Weights by canonical name; the file's bytes stay where they are until they are asked for.
///
/// Every name that is not a weight of the model throws not_found. Copies share the mapped files.
class Weights {
  public:
    /// One canonical tensor, made of one stored tensor or (query, key, value) of three on top of
    /// each other, each of them transposed or not.
    struct Entry {
        std::string name;
        Shape shape;
        std::vector<std::size_t> parts; ///< indices into the store's tensors
        bool transposed = false;
    };

    Weights() = default;
    Weights(std::shared_ptr<const io::TensorStore> store, std::vector<Entry> entries);

    bool has(std::string_view name) const;
    const Shape& shape(std::string_view name) const;
    /// The element type in the file.
    DType stored_dtype(std::string_view name) const;
    /// Sorted.
    std::vector<std::string> names() const;
    const std::vector<Entry>& entries() const { return entries_; }

    /// The tensor where it lies in the mapped file, where it lies there whole, row-major and in
    /// canonical orientation; the address need not be aligned. Errors: not_found.
    std::optional<ConstView> stored_view(std::string_view name) const;
    /// A copy in float32, in canonical orientation. Errors: not_found, out_of_memory.
    Tensor load_f32(std::string_view name) const;
    /// Copies rows [row, row + count) of the first axis as float32; nothing else is read. Errors:
    /// not_found, invalid_argument (rows outside the tensor).
    void load_rows_f32(std::string_view name, std::int64_t row, std::int64_t count,
                       float* out) const;
    /// Elements [first, first + count) in row-major order, as float32. Errors: as above.
    void load_range_f32(std::string_view name, std::int64_t first, std::int64_t count,
                        float* out) const;

    /// Lets the file's pages of this tensor leave memory; they are read again when needed.
    void release(std::string_view name) const;
    /// The same for all of them.
    void release_all() const;

    /// The tensors as they are stored.
    const io::TensorStore& store() const { return *store_; }

  private:
    const Entry& entry(std::string_view name) const;

    std::shared_ptr<const io::TensorStore> store_;
    std::vector<Entry> entries_; ///< sorted by name
};

} // namespace clip
