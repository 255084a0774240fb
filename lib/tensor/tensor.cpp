// SPDX-License-Identifier: MIT
#include "tensor/tensor.hpp"

#include <utility>

#include "base/error.hpp"

namespace clip {

Buffer::Buffer(std::size_t bytes, Memory& memory)
    : memory_(&memory), data_(static_cast<std::byte*>(memory.allocate(bytes))), size_(bytes) {}

Buffer::~Buffer() {
    if (data_ != nullptr)
        memory_->release(data_, size_);
}

Buffer::Buffer(Buffer&& other) noexcept
    : memory_(other.memory_), data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
    std::swap(memory_, other.memory_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    Buffer gone(std::move(other)); // what was here goes now, not with `other`
    return *this;
}

Tensor::Tensor(Shape shape, DType dtype, Memory& memory)
    : shape_(shape), dtype_(dtype),
      buffer_(static_cast<std::size_t>(shape.numel()) * dtype_size(dtype), memory) {}

Tensor Tensor::to_f32(const ConstView& from) {
    Tensor out(from.shape);
    convert_to_f32(out.f32(), from.data, from.dtype, static_cast<std::size_t>(from.numel()));
    return out;
}

void reserve(Tensor& tensor, std::int64_t elements, DType dtype, Memory& memory) {
    if (tensor.empty() || tensor.numel() < elements || tensor.dtype() != dtype) {
        tensor = Tensor(); // before there is another one
        tensor = Tensor(Shape{elements}, dtype, memory);
    }
}

Tensor to_memory(const ConstView& host, Memory& memory) {
    expect(host.device.is_cpu(), "what is uploaded is on the host");
    Tensor out(host.shape, host.dtype, memory);
    memory.upload(out.view().data, host.data, out.bytes());
    return out;
}

Tensor to_memory(Tensor host, Memory& memory) {
    return memory.device().is_cpu() ? std::move(host) : to_memory(host.view(), memory);
}

Tensor download(const ConstView& from, Memory& memory) {
    expect(from.device == memory.device(), "what is downloaded is in that memory");
    Tensor out(from.shape, from.dtype);
    memory.download(out.view().data, from.data, out.bytes());
    return out;
}

} // namespace clip
