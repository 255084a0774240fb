// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "tensor/memory.hpp"
#include "tensor/view.hpp"

namespace clip {

/// Bytes of one memory, given back to it in the end. Move-only.
class Buffer {
  public:
    Buffer() = default;
    /// Contents are undefined. Errors: out_of_memory.
    explicit Buffer(std::size_t bytes, Memory& memory = host_memory());
    ~Buffer();
    Buffer(Buffer&& other) noexcept;
    Buffer& operator=(Buffer&& other) noexcept;

    std::byte* data() const { return data_; }
    std::size_t size() const { return size_; }
    /// The host's where there are no bytes.
    Memory& memory() const { return memory_ == nullptr ? host_memory() : *memory_; }

  private:
    Memory* memory_ = nullptr; ///< null: no bytes yet
    std::byte* data_ = nullptr;
    std::size_t size_ = 0;
};

/// A dense row-major tensor that owns its elements. Move-only. Only where it is on the host may the
/// elements be read and written through its pointers.
class Tensor {
  public:
    Tensor() = default;
    /// Contents are undefined. Errors: out_of_memory.
    explicit Tensor(Shape shape, DType dtype = DType::f32, Memory& memory = host_memory());
    /// A copy of `from`, on the host, converted to float32. Errors: dtype_mismatch, out_of_memory.
    static Tensor to_f32(const ConstView& from);

    const Shape& shape() const { return shape_; }
    DType dtype() const { return dtype_; }
    Memory& memory() const { return buffer_.memory(); }
    Device device() const { return buffer_.memory().device(); }
    std::int64_t numel() const { return shape_.numel(); }
    std::size_t bytes() const { return static_cast<std::size_t>(numel()) * dtype_size(dtype_); }
    bool empty() const { return buffer_.data() == nullptr; }

    ConstView view() const { return {buffer_.data(), shape_, dtype_, device()}; }
    MutView view() { return {buffer_.data(), shape_, dtype_, device()}; }
    operator ConstView() const { return view(); }
    operator MutView() { return view(); }

    template <typename T>
    T* as() {
        return reinterpret_cast<T*>(buffer_.data());
    }
    template <typename T>
    const T* as() const {
        return reinterpret_cast<const T*>(buffer_.data());
    }
    float* f32() { return as<float>(); }
    const float* f32() const { return as<float>(); }

  private:
    Shape shape_{0};
    DType dtype_ = DType::f32;
    Buffer buffer_;
};

/// Makes room for `elements`; where there is less, content is lost and the memory another.
void reserve(Tensor& tensor, std::int64_t elements, DType dtype = DType::f32,
             Memory& memory = host_memory());

/// A copy in `memory` of what is on the host. Errors: out_of_memory.
Tensor to_memory(const ConstView& host, Memory& memory);
/// The same; where `memory` is the host's the tensor itself.
Tensor to_memory(Tensor host, Memory& memory);
/// A copy on the host of what is in `memory`. Errors: out_of_memory.
Tensor download(const ConstView& from, Memory& memory);

} // namespace clip
