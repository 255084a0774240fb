// SPDX-License-Identifier: MIT
// The tensors of a checkpoint's files by name, wherever they come from: mapped, nothing copied.
// Knows nothing of CLIP.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/dtype.hpp"
#include "io/mapped_file.hpp"

namespace clip::io {

/// One tensor as it lies in a file.
struct StoredTensor {
    /// Tensors of a higher rank are refused by every reader.
    static constexpr std::size_t kMaxRank = 8;

    std::string name;
    DType dtype = DType::f32;
    std::vector<std::int64_t> shape;   ///< extents
    std::vector<std::int64_t> strides; ///< in elements, one an axis, not negative
    std::int64_t numel = 1;            ///< product of the extents
    /// From the first element on; long enough for the furthest element. Not aligned.
    std::span<const std::byte> bytes;

    /// Row-major without gaps.
    bool contiguous() const;
};

/// "(2, 3, 4)".
std::string shape_text(std::span<const std::int64_t> shape);

/// The strides, in elements, of a row-major tensor without gaps; for shapes that checked_numel()
/// let pass.
std::vector<std::int64_t> row_major_strides(std::span<const std::int64_t> shape);

/// Number of elements. Errors: bad_format (rank over 8, a negative extent, 2^48 elements or more);
/// messages begin with `what`.
std::int64_t checked_numel(std::span<const std::int64_t> shape, const std::string& what);

/// Writes elements [first, first + count) of `tensor`, counted in row-major order, as float32.
/// Errors: dtype_mismatch (an integer tensor), internal (a range outside the tensor).
void read_f32(const StoredTensor& tensor, std::int64_t first, std::int64_t count, float* out);

/// Tensors of one file or of several, in the order in which they were added.
class TensorStore {
  public:
    explicit TensorStore(std::string path) : path_(std::move(path)) {}

    /// The file, or the folder, that this was read from.
    const std::string& path() const { return path_; }
    const std::vector<StoredTensor>& tensors() const { return tensors_; }
    /// nullptr where there is no such tensor. Valid until the next add().
    const StoredTensor* find(std::string_view name) const;
    /// Free text that the file carries (safetensors' __metadata__).
    const std::map<std::string, std::string>& metadata() const { return metadata_; }

    /// Lets the whole pages of a tensor leave memory.
    void release(const StoredTensor& tensor) const;
    /// The same for all files.
    void release_all() const;

    /// Errors: bad_format (a second tensor of that name).
    void add(StoredTensor tensor);
    void set_metadata(std::map<std::string, std::string> metadata) {
        metadata_ = std::move(metadata);
    }
    /// Keeps a file, or inflated bytes, alive for as long as the tensors that lie in it.
    void keep(std::shared_ptr<const MappedFile> file) { files_.push_back(std::move(file)); }
    void keep(std::shared_ptr<const std::vector<std::byte>> bytes) {
        owned_.push_back(std::move(bytes));
    }
    /// Takes over all tensors of `other`. Errors: bad_format (a name that both have).
    void merge(TensorStore other);

  private:
    std::string path_;
    std::vector<StoredTensor> tensors_;
    std::unordered_map<std::string, std::size_t> index_;
    std::map<std::string, std::string> metadata_;
    std::vector<std::shared_ptr<const MappedFile>> files_;
    std::vector<std::shared_ptr<const std::vector<std::byte>>> owned_;
};

} // namespace clip::io
