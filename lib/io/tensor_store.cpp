// SPDX-License-Identifier: MIT
#include "io/tensor_store.hpp"

#include <algorithm>
#include <array>

#include "base/concat.hpp"

namespace clip::io {

bool StoredTensor::contiguous() const {
    std::int64_t step = 1;
    for (std::size_t axis = shape.size(); axis-- > 0;) {
        if (shape[axis] != 1 && strides[axis] != step)
            return false;
        step *= shape[axis];
    }
    return true;
}

std::string shape_text(std::span<const std::int64_t> shape) {
    std::string text = "(";
    for (std::size_t axis = 0; axis < shape.size(); ++axis)
        text += concat(axis == 0 ? "" : ", ", shape[axis]);
    return text + ")";
}

std::vector<std::int64_t> row_major_strides(std::span<const std::int64_t> shape) {
    std::vector<std::int64_t> strides(shape.size());
    std::int64_t step = 1;
    for (std::size_t axis = shape.size(); axis-- > 0;) {
        strides[axis] = step;
        step *= std::max<std::int64_t>(shape[axis], 1);
    }
    return strides;
}

std::int64_t checked_numel(std::span<const std::int64_t> shape, const std::string& what) {
    constexpr std::int64_t kLimit = std::int64_t{1} << 48;
    if (shape.size() > StoredTensor::kMaxRank)
        fail(ErrorCode::bad_format, concat(what, ": too many axes (got ", shape.size(),
                                           ", want at most ", StoredTensor::kMaxRank, ")"));
    // The product of the extents that are not 0 is bounded, so that strides never overflow.
    std::int64_t numel = 1;
    bool none = false;
    for (const std::int64_t extent : shape) {
        if (extent < 0 || (extent > 0 && numel > kLimit / extent))
            fail(ErrorCode::bad_format, concat(what, ": impossible shape ", shape_text(shape)));
        if (extent == 0)
            none = true;
        else
            numel *= extent;
    }
    return none ? 0 : numel;
}

void read_f32(const StoredTensor& tensor, std::int64_t first, std::int64_t count, float* out) {
    expect(first >= 0 && count >= 0 && count <= tensor.numel - first,
           "read tensor: range outside it");
    if (count == 0)
        return;
    const std::size_t size = dtype_size(tensor.dtype);
    const auto element = [&](std::int64_t at) {
        return tensor.bytes.data() + static_cast<std::size_t>(at) * size;
    };
    if (tensor.contiguous()) {
        convert_to_f32(out, element(first), tensor.dtype, static_cast<std::size_t>(count));
        return;
    }
    std::array<std::int64_t, StoredTensor::kMaxRank> index{};
    const std::size_t rank = tensor.shape.size();
    std::int64_t at = 0;
    for (std::size_t axis = rank; axis-- > 0;) {
        index[axis] = first % tensor.shape[axis];
        first /= tensor.shape[axis];
        at += index[axis] * tensor.strides[axis];
    }
    for (std::int64_t i = 0; i < count; ++i) {
        convert_to_f32(out + i, element(at), tensor.dtype, 1);
        for (std::size_t axis = rank; axis-- > 0;) {
            at += tensor.strides[axis];
            if (++index[axis] < tensor.shape[axis])
                break;
            at -= tensor.strides[axis] * tensor.shape[axis];
            index[axis] = 0;
        }
    }
}

const StoredTensor* TensorStore::find(std::string_view name) const {
    const auto found = index_.find(std::string(name));
    return found == index_.end() ? nullptr : &tensors_[found->second];
}

void TensorStore::release(const StoredTensor& tensor) const {
    for (const auto& file : files_)
        file->release(tensor.bytes);
}

void TensorStore::release_all() const {
    for (const auto& file : files_)
        file->release(file->bytes());
}

void TensorStore::add(StoredTensor tensor) {
    if (!index_.emplace(tensor.name, tensors_.size()).second)
        fail(ErrorCode::bad_format, path_ + ": two tensors are named " + tensor.name);
    tensors_.push_back(std::move(tensor));
}

void TensorStore::merge(TensorStore other) {
    for (StoredTensor& tensor : other.tensors_)
        add(std::move(tensor));
    metadata_.merge(other.metadata_);
    std::move(other.files_.begin(), other.files_.end(), std::back_inserter(files_));
    std::move(other.owned_.begin(), other.owned_.end(), std::back_inserter(owned_));
}

} // namespace clip::io
