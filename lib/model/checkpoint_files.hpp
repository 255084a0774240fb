// SPDX-License-Identifier: MIT
// Which files make up a checkpoint, and the tensors in them. Knows nothing of what they mean.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "io/tensor_store.hpp"

namespace clip {

struct CheckpointFiles {
    std::string folder;               ///< in which configurations and tokenizer files lie
    std::vector<std::string> weights; ///< one file, or all shards
    std::string index;                ///< the shards' index, or empty

    /// The path of a file in the folder where it exists.
    std::optional<std::string> beside(const std::string& name) const;
};

/// Finds the weights that `path`, a folder or a file, stands for: see open_checkpoint().
/// Errors: not_found (nothing, or too many to choose from), bad_format (an index that lies).
CheckpointFiles find_checkpoint_files(const std::string& path);

struct LoadedTensors {
    io::TensorStore store;
    bool torchscript = false;
    std::string nested_key;           ///< of a training checkpoint's outer dict
    std::vector<std::string> foreign; ///< classes that a pickle names and that were not run
};

/// Reads the headers of all weight files. Errors: those of read_safetensors and read_torch_archive.
LoadedTensors load_tensors(const CheckpointFiles& files);

} // namespace clip
