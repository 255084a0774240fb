// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <memory>

#include "tensor/view.hpp"

namespace clip {

/// Aligned host memory, 64 bytes or, from 4 MiB up, 2 MiB with huge pages asked for: packed weights
/// are written once and read in order, so page faults are most of their cost.
class HostBuffer {
  public:
    static constexpr std::size_t kAlignment = 64;

    HostBuffer() = default;
    /// Contents are undefined. Errors: out_of_memory.
    explicit HostBuffer(std::size_t bytes);

    std::byte* data() const { return data_.get(); }
    std::size_t size() const { return size_; }

  private:
    struct Free {
        void operator()(std::byte* data) const;
    };
    std::unique_ptr<std::byte, Free> data_;
    std::size_t size_ = 0;
};

/// A dense row-major tensor in host memory that owns its elements. Move-only.
class Tensor {
  public:
    Tensor() = default;
    /// Contents are undefined. Errors: out_of_memory.
    explicit Tensor(Shape shape, DType dtype = DType::f32);
    /// A copy of `from` converted to float32. Errors: dtype_mismatch, out_of_memory.
    static Tensor to_f32(const ConstView& from);

    const Shape& shape() const { return shape_; }
    DType dtype() const { return dtype_; }
    std::int64_t numel() const { return shape_.numel(); }
    std::size_t bytes() const { return static_cast<std::size_t>(numel()) * dtype_size(dtype_); }
    bool empty() const { return buffer_.data() == nullptr; }

    ConstView view() const { return {buffer_.data(), shape_, dtype_, Device{}}; }
    MutView view() { return {buffer_.data(), shape_, dtype_, Device{}}; }
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
    HostBuffer buffer_;
};

} // namespace clip
