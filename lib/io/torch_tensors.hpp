// SPDX-License-Identifier: MIT
// Tensors among the values of a pickle: what torch._utils._rebuild_tensor_v2 and its relatives
// would have made. Knows nothing of where storages come from.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/dtype.hpp"
#include "io/pickle.hpp"
#include "io/tensor_store.hpp"

namespace clip::io {

/// A block of elements outside the pickle: "('storage', torch.HalfStorage, '0', 'cpu', 4096)".
struct TorchStorage {
    std::string key;
    std::optional<DType> dtype; ///< none for an untyped one
    std::int64_t numel = 0;     ///< elements; bytes of an untyped one
    std::size_t bytes() const {
        return static_cast<std::size_t>(numel) * (dtype ? dtype_size(*dtype) : 1);
    }
};

/// The bytes of storages.
class StorageSource {
  public:
    virtual ~StorageSource() = default;
    /// At least `storage.bytes()` bytes. Errors: truncated, bad_format, not_found.
    virtual std::span<const std::byte> bytes(const TorchStorage& storage) = 0;
};

/// The class or function that a value is a call of; empty for other values.
std::string_view called_name(const Pickle& pickle, const PickleValue& value);

/// Reads what a persistent id says. Errors: bad_format, unsupported (element types, views of
/// storages as PyTorch before 0.4 wrote them); messages begin with `what`.
TorchStorage read_storage(const Pickle& pickle, const PickleValue& persistent,
                          const std::string& what);

/// The tensor that `value` stands for, or nothing where it is no tensor. Errors: bad_format (a
/// tensor outside its storage, or whose elements share bytes), unsupported (sparse, quantized and
/// other kinds), and those of `source`; messages begin with `what` and the tensor's name.
std::optional<StoredTensor> read_torch_tensor(const Pickle& pickle, const PickleValue& value,
                                              const std::string& name, StorageSource& source,
                                              const std::string& what);

} // namespace clip::io
