// SPDX-License-Identifier: MIT
// From the tensor names of every layout to canonical ones, and from shapes to a configuration.
#pragma once

#include <string>
#include <vector>

#include "io/tensor_store.hpp"
#include "model/config.hpp"
#include "model/weights.hpp"

namespace clip {

enum class NameLayout : std::uint8_t {
    openai, ///< OpenAI's and open_clip's names, the text tower's under "text." or not
    hf,     ///< transformers' CLIPModel
};

/// A stored tensor of each canonical name, not yet checked against any configuration.
struct NamedTensors {
    std::vector<Weights::Entry> entries; ///< sorted by canonical name
    std::vector<std::string> unknown;    ///< stored names that mean nothing to this build
};

/// Which names a file uses, and the prefix ("module.") that all of them have.
NameLayout detect_layout(const io::TensorStore& store, std::string* prefix);

/// Finds the canonical name of every tensor. Buffers that are not weights (position_ids,
/// input_resolution, num_batches_tracked, ...) are left out.
/// Errors: bad_format (query, key or value alone, two tensors of one meaning, a rank over 4),
/// dtype_mismatch (a weight of integers).
NamedTensors canonical_tensors(const io::TensorStore& store, NameLayout layout,
                               const std::string& prefix);

/// How a canonical name is spelled in a layout, for messages; query's name stands for all three.
std::string stored_name(const std::string& canonical, NameLayout layout);

/// The configuration that the shapes imply: every size, and heads of 64 as in all published models.
/// Errors: not_found (a tensor that decides something is absent), shape_mismatch, unsupported.
/// Messages spell names as `layout` does.
ModelConfig infer_config(const std::vector<Weights::Entry>& entries, NameLayout layout,
                         const std::string& path);

} // namespace clip
