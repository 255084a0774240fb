// SPDX-License-Identifier: MIT
// Finding, reading and checking a CLIP checkpoint in any layout that is found in the wild.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/activation.hpp"
#include "model/config.hpp"
#include "model/weights.hpp"

namespace clip {

struct OpenOptions {
    /// Overrides what the checkpoint says, in both towers: for files that say nothing.
    std::optional<Activation> activation;
};

struct Checkpoint {
    ModelConfig config;
    Weights weights;
    std::string digest; ///< 12 hex digits that identify the weights: see model/digest.hpp
    std::string layout; ///< "openai-jit", "openai-state", "hf", "open_clip" or "open_clip-train"
    std::string path;   ///< as it was given
    std::vector<std::string> files; ///< weights first, then configurations
    /// Folders in which the tokenizer's files are to be looked for, best first.
    std::vector<std::string> tokenizer_places;
    /// What a user should be told: an assumed activation, tensors that were not used.
    std::vector<std::string> notes;
    float logit_scale = 0.0F; ///< natural logarithm, as stored

    /// "ViT-B-32@1f0c...": what output files name the model by.
    std::string id() const { return config.name() + "@" + digest; }
};

/// Opens a checkpoint: a folder or a single file. The files are mapped; only headers and the
/// digest's sample are read. Every weight is present and has its shape, or this throws.
///
/// In a folder, weights are looked for as open_clip_model.safetensors, open_clip_pytorch_model.bin,
/// model.safetensors, pytorch_model.bin (the last two also sharded with an index), then the only
/// *.pt or *.safetensors, then in a folder `model` inside.
/// Errors: not_found, io_failure, bad_format, truncated, shape_mismatch (weights and config
/// differ), unsupported (an architecture or a feature that is named).
Checkpoint open_checkpoint(const std::string& path, const OpenOptions& options = {});

/// What reading every byte of a checkpoint found.
struct CheckReport {
    std::vector<std::string> problems; ///< empty: sound
    std::int64_t tensors = 0;          ///< weights of the model
    std::int64_t bytes = 0;            ///< of those weights, as stored
    std::int64_t parameters = 0;       ///< their elements
};

/// Opens a checkpoint and reads all of it: values that are not finite, checksums of archives.
/// A checkpoint that does not open is a report of one problem. Errors: none of the checkpoint's.
CheckReport check_checkpoint(const std::string& path);

} // namespace clip
