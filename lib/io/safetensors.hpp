// SPDX-License-Identifier: MIT
// The safetensors format: 8 bytes of little-endian length, a JSON header, then raw elements.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "io/tensor_store.hpp"
#include "tensor/view.hpp"

namespace clip::io {

/// Maps a file; only its header is read. Tensors come in the order of their bytes.
/// Errors: not_found, io_failure, truncated (shorter than its header says), bad_format (a header
/// that does not follow the format, a name that comes twice, bytes that overlap, belong to nobody
/// or do not fit the shape), unsupported (element types other than F64, F32, F16, BF16, I64, I32,
/// I16, I8, U8, BOOL). Source: the format's description in huggingface/safetensors, README.md.
TensorStore read_safetensors(const std::string& path);

/// The same for a file that is already mapped.
TensorStore read_safetensors(const std::shared_ptr<const MappedFile>& file);

/// Whether the bytes begin as a safetensors file does.
bool looks_like_safetensors(std::span<const std::byte> bytes);

/// Writes tensors, in the order given, under a temporary name beside `path`; flushes them to the
/// disk and renames, so that `path` is either what it was or complete. Elements are aligned to 8.
/// Errors: invalid_argument (a name twice, or not UTF-8), io_failure.
void write_safetensors(const std::string& path,
                       const std::vector<std::pair<std::string, ConstView>>& tensors,
                       const std::map<std::string, std::string>& metadata = {});

/// What the header says of a tensor whose elements come later.
struct PlannedTensor {
    std::string name;
    DType dtype = DType::f32;
    Shape shape;
};

/// Takes the next bytes of a tensor.
using ByteSink = std::function<void(const void* data, std::size_t size)>;

/// The same for tensors that are never in memory whole: `produce(i, sink)` is called for each
/// tensor in turn and gives its elements to the sink, piece by piece. Put tensors of larger
/// elements first: then each lies at a multiple of its element's size, which some readers need.
/// Errors: as above, what `produce` throws, internal (too few or too many bytes).
void write_safetensors(const std::string& path, std::span<const PlannedTensor> tensors,
                       const std::function<void(std::size_t index, const ByteSink& sink)>& produce,
                       const std::map<std::string, std::string>& metadata = {});

} // namespace clip::io
