// SPDX-License-Identifier: MIT
// Tensors that belong to somebody else: a pointer, a shape, an element type and a place.
#pragma once

#include <cstddef>
#include <type_traits>

#include "base/device.hpp"
#include "base/dtype.hpp"
#include "base/shape.hpp"

namespace clip {

/// A dense row-major tensor that may be read. Copying the view copies no elements.
struct ConstView {
    const void* data = nullptr;
    Shape shape{0};
    DType dtype = DType::f32;
    Device device;

    std::int64_t numel() const { return shape.numel(); }
    std::size_t bytes() const { return static_cast<std::size_t>(numel()) * dtype_size(dtype); }
    bool empty() const { return data == nullptr || numel() == 0; }
    /// The elements; `T` must be the C++ type of `dtype`.
    template <typename T>
    const T* as() const {
        return static_cast<const T*>(data);
    }
    const float* f32() const { return as<float>(); }
};

/// A dense row-major tensor that may be written.
struct MutView {
    void* data = nullptr;
    Shape shape{0};
    DType dtype = DType::f32;
    Device device;

    operator ConstView() const { return {data, shape, dtype, device}; }
    std::int64_t numel() const { return shape.numel(); }
    std::size_t bytes() const { return static_cast<std::size_t>(numel()) * dtype_size(dtype); }
    bool empty() const { return data == nullptr || numel() == 0; }
    template <typename T>
    T* as() const {
        return static_cast<T*>(data);
    }
    float* f32() const { return as<float>(); }
};

/// `shape` of `view`'s elements, from the one that is `first` elements after its beginning.
template <typename View>
View part_of(View view, std::int64_t first, const Shape& shape) {
    if (view.data == nullptr)
        return view;
    const auto bytes = static_cast<std::size_t>(first) * dtype_size(view.dtype);
    if constexpr (std::is_same_v<View, MutView>)
        view.data = static_cast<std::byte*>(view.data) + bytes;
    else
        view.data = static_cast<const std::byte*>(view.data) + bytes;
    view.shape = shape;
    return view;
}

} // namespace clip
