// SPDX-License-Identifier: MIT
// Files of torch.save and torch.jit.save, read without PyTorch and without running anything.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "io/mapped_file.hpp"
#include "io/tensor_store.hpp"

namespace clip::io {

/// What a PyTorch file holds.
struct TorchArchive {
    /// Tensors by name: keys of the state dict, or attribute paths of a TorchScript module. Its
    /// metadata are the strings that lie beside a nested state dict ("name": "run").
    TensorStore store;
    bool torchscript = false;
    /// The state dict was found under this key of an outer dict: "state_dict"; else empty.
    std::string nested_key;
    /// Classes and functions that the pickle names and that are no part of a state dict, such as
    /// "argparse.Namespace". They were read as data and never run.
    std::vector<std::string> foreign;
};

/// Whether the bytes begin as a ZIP archive or as a pickle does.
bool looks_like_torch_archive(std::span<const std::byte> bytes);

/// Reads the pickle of an archive and finds its tensors; elements stay in the mapped file, except
/// those of compressed entries, which are inflated. Reads ZIP archives (torch.save from 1.6 on,
/// torch.jit.save) and the older files of concatenated pickles.
/// Errors: truncated, bad_format (not a PyTorch file, a pickle that does not follow the format, a
/// tensor outside its storage), unsupported (element types, sparse or quantized tensors).
TorchArchive read_torch_archive(const std::shared_ptr<const MappedFile>& file);

/// Compares every entry of a ZIP archive with its checksum. Other files have none.
/// Returns what is wrong, one line an entry. Errors: as above.
std::vector<std::string> check_torch_archive(const std::shared_ptr<const MappedFile>& file);

} // namespace clip::io
