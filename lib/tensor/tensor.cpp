// SPDX-License-Identifier: MIT
#include "tensor/tensor.hpp"

#include <cstdlib>

#include <sys/mman.h>

#include "base/concat.hpp"

namespace clip {

namespace {
constexpr std::size_t kHugePage = std::size_t{2} << 20;
}

HostBuffer::HostBuffer(std::size_t bytes) : size_(bytes) {
    const std::size_t alignment = bytes >= 2 * kHugePage ? kHugePage : kAlignment;
    const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment;
    if (rounded < bytes)
        fail(ErrorCode::out_of_memory, concat("allocate memory: ", bytes, " bytes is too much"));
    void* data = std::aligned_alloc(alignment, rounded == 0 ? alignment : rounded);
    if (data == nullptr)
        fail(ErrorCode::out_of_memory, concat("allocate memory: no room for ", bytes, " bytes"));
#ifdef MADV_HUGEPAGE
    if (alignment == kHugePage)
        ::madvise(data, rounded, MADV_HUGEPAGE); // advice: a refusal costs only speed
#endif
    data_.reset(static_cast<std::byte*>(data));
}

void HostBuffer::Free::operator()(std::byte* data) const {
    std::free(data);
}

Tensor::Tensor(Shape shape, DType dtype)
    : shape_(shape), dtype_(dtype),
      buffer_(static_cast<std::size_t>(shape.numel()) * dtype_size(dtype)) {}

Tensor Tensor::to_f32(const ConstView& from) {
    Tensor out(from.shape);
    convert_to_f32(out.f32(), from.data, from.dtype, static_cast<std::size_t>(from.numel()));
    return out;
}

} // namespace clip
