// SPDX-License-Identifier: MIT
// Memory of weights, and how weights and biases come to it. No kernels of its own; that it is CUDA
// source lets it see theirs.
#include "backend/cuda/prepared.hpp"

#include "backend/cuda/gemm_operand.hpp"
#include "base/concat.hpp"
#include "base/error.hpp"

namespace clip::cuda {

DeviceWeights::DeviceWeights(DeviceAllocator& from, std::int64_t rows, std::int64_t width,
                             DType storage_type, bool has_bias)
    : storage(storage_type), rows_(rows), width_(width) {
    weight = weight_memory(from);
    if (has_bias)
        bias = bias_memory(from);
}

void DeviceWeights::reshape(DeviceAllocator& from, DType storage_type, bool has_bias) {
    if (storage_type != storage) {
        storage = storage_type;
        weight = weight_memory(from);
    }
    if (has_bias == bias.empty())
        bias = has_bias ? bias_memory(from) : DeviceBuffer();
}

void DeviceWeights::fill_bias(Context& context, Workspace::Scope& scope, const ConstView& values) {
    if (!bias.empty())
        align_rows(context, bias.data(), DType::f32, on_device(context, scope, values), DType::f32,
                   1, rows_);
}

DeviceBuffer DeviceWeights::weight_memory(DeviceAllocator& from) const {
    return {from, static_cast<std::size_t>(rows_ * pitch()) * dtype_size(storage)};
}

DeviceBuffer DeviceWeights::bias_memory(DeviceAllocator& from) const {
    return {from, static_cast<std::size_t>(aligned_pitch(rows_, DType::f32)) * sizeof(float)};
}

void check_storage(const char* what, DType storage) {
    if (storage != DType::f32 && storage != DType::f16 && storage != DType::bf16)
        fail(ErrorCode::unsupported, concat(what, ": cuda does not keep weights so (got ",
                                            dtype_name(storage), ", want f32, f16 or bf16)"));
}

const float* on_device(Context& context, Workspace::Scope& scope, const ConstView& view) {
    if (!view.device.is_cpu())
        return view.f32();
    auto* copy = scope.take<float>(view.numel());
    context.transfer().upload(copy, view.data, view.bytes());
    return copy;
}

} // namespace clip::cuda
