// SPDX-License-Identifier: MIT
// Writing a model as a checkpoint folder that other toolkits open.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "model/checkpoint.hpp"
#include "model/config_writer.hpp"

namespace clip {

enum class CheckpointLayout : std::uint8_t {
    open_clip, ///< open_clip_config.json, open_clip_model.safetensors
    hf,        ///< transformers' CLIPModel: config.json, model.safetensors, ...; no ResNet
};

/// A model to be written: its configuration and its weights, piece by piece.
struct ModelSource {
    std::string name; ///< what messages call it: a path
    ModelConfig config;
    /// Elements [first, first + count) of a canonical tensor (see weight_specs()) as float32, in
    /// row-major order. `logit_scale` is one of them.
    std::function<void(std::string_view weight, std::int64_t first, std::int64_t count, float* out)>
        read;
    /// How the tensor is stored now; only asked for where WriteOptions::dtype is empty.
    std::function<DType(std::string_view weight)> stored_dtype;
    /// Nothing more is read of this tensor. May be empty.
    std::function<void(std::string_view weight)> release;
};

/// The weights of a checkpoint, which must outlive the source.
ModelSource model_source(const Checkpoint& checkpoint);

struct WriteOptions {
    CheckpointLayout layout = CheckpointLayout::open_clip;
    /// f32, f16 or bf16; empty: each tensor as it is stored (float64 as float32). With f16 and bf16
    /// norms (BatchNorm statistics too), embeddings and logit_scale stay float32, as in OpenAI's
    /// published files; matrices, convolutions, projections and their biases are rounded.
    std::optional<DType> dtype;
    bool overwrite = false;
    /// Files to be put beside: vocab.json and the like.
    TextFiles beside;
    /// Ends the writing between two pieces with ErrorCode::interrupted. May be null.
    const std::atomic<bool>* stop = nullptr;
    /// Called after each tensor with its number and how many there are. May be empty.
    std::function<void(std::size_t done, std::size_t total)> progress;
};

/// The names of all files that write_checkpoint() writes, in either layout: what it may replace.
std::span<const std::string_view> checkpoint_file_names();

/// What was written, read back.
struct WrittenCheckpoint {
    std::string id; ///< Checkpoint::id()
    float logit_scale = 0.0F;
    std::int64_t tensors = 0; ///< canonical ones
    std::int64_t bytes = 0;   ///< of their elements
    std::int64_t rounded = 0; ///< elements that `dtype` does not hold exactly
};

/// Writes the folder `path`: into a temporary one beside it, synced, opened again as a check, then
/// renamed (see io::AtomicFolder). Memory: one piece of 2^20 elements, or one projection.
///
/// Errors: invalid_argument (a folder that is there, files `beside` of unknown names, a dtype that
/// is no weight's), bad_format (a weight that is not finite, or not in the range of `dtype`),
/// unsupported (what the layout cannot say), interrupted, io_failure, and what `read` throws. After
/// an error nothing is left and what was there is as it was.
WrittenCheckpoint write_checkpoint(const std::string& path, const ModelSource& source,
                                   const WriteOptions& options);

} // namespace clip
