// SPDX-License-Identifier: MIT
#include "backend/cpu/packed_panels.hpp"

#include <algorithm>

#include "base/concat.hpp"

namespace clip::cpu {

namespace {
std::int64_t element_size(Storage storage) {
    return storage == Storage::f32 ? 4 : storage == Storage::i8 ? 1 : 2;
}
constexpr std::int64_t kRowsOfRun = 256; // what one thread copies at a time
constexpr float kMostInt8 = 127.0f;      // symmetric: -128 is not used
} // namespace

Storage storage_of(DType dtype) {
    switch (dtype) {
    case DType::f32:
        return Storage::f32;
    case DType::bf16:
        return Storage::bf16;
    case DType::f16:
        return Storage::f16;
    case DType::i8:
        return Storage::i8;
    default:
        fail(ErrorCode::unsupported,
             concat("pack weights: cannot keep them as ", dtype_name(dtype)));
    }
}

void PackedPanels::resize(std::int64_t columns, std::int64_t depth, std::int64_t panel,
                          Storage storage) {
    columns_ = columns;
    depth_ = depth;
    panel_ = panel;
    storage_ = storage;
    panels_ = (columns + panel_ - 1) / panel_;
    panel_bytes_ = depth * panel_ * element_size(storage);
    const auto bytes = static_cast<std::size_t>(panels_ * panel_bytes_);
    if (data_.size() < bytes)
        data_ = Buffer(bytes);
}

void PackedPanels::pack(Context& context, std::int64_t columns, std::int64_t depth, Storage storage,
                        const float* bias, bool space_needed, const Rows& rows) {
    resize(columns, depth, context.kernels.panel, storage);
    scale_ = storage == Storage::i8 ? Tensor(Shape{panels_ * panel_}) : Tensor();
    bias_ = bias != nullptr ? Tensor(Shape{panels_ * panel_}) : Tensor();
    if (bias != nullptr)
        std::fill(std::copy_n(bias, columns, bias_.f32()), bias_.f32() + bias_.numel(), 0.0f);
    const KernelTable& kernels = context.kernels;
    const auto body = [&](std::size_t begin, std::size_t end) {
        ScratchPool::Lease scratch(context.scratch);
        for (auto index = static_cast<std::int64_t>(begin); index < static_cast<std::int64_t>(end);
             ++index) {
            const std::int64_t first = index * panel_;
            const int count = static_cast<int>(std::min(panel_, columns_ - first));
            const float* pointers[kMostPanel];
            float* space =
                space_needed ? scratch->floats(ThreadScratch::rows, panel_ * depth_) : nullptr;
            rows(first, count, space, pointers);
            if (count < panel_) { // columns that do not exist
                float* zeros = scratch->floats(ThreadScratch::work, depth_);
                std::fill_n(zeros, depth_, 0.0f);
                std::fill(pointers + count, pointers + panel_, zeros);
            }
            float inverse[kMostPanel];
            if (storage_ == Storage::i8)
                for (int i = 0; i < panel_; ++i) {
                    const float most = kernels.max_abs(pointers[i], depth_);
                    inverse[i] = most > 0 ? kMostInt8 / most : 0.0f;
                    scale_.f32()[first + i] = most / kMostInt8;
                }
            kernels.pack_panel(data_.data() + index * panel_bytes_, storage_, pointers, inverse,
                               depth_);
        }
    };
    context.pool.parallel_for(static_cast<std::size_t>(panels_), 2, body);
}

void PackedPanels::pack(Context& context, std::int64_t columns, std::int64_t depth, Storage storage,
                        const float* bias, const float* matrix) {
    pack(context, columns, depth, storage, bias, false,
         [=](std::int64_t first, int count, float*, const float** rows) {
             for (int i = 0; i < count; ++i)
                 rows[i] = matrix + (first + i) * depth;
         });
}

void PackedPanels::pack_transposed(Context& context, std::int64_t columns, std::int64_t depth,
                                   const float* matrix) {
    resize(columns, depth, context.kernels.panel, Storage::f32);
    scale_ = Tensor();
    bias_ = Tensor();
    const std::int64_t runs = (depth + kRowsOfRun - 1) / kRowsOfRun;
    context.pool.parallel_for(
        static_cast<std::size_t>(panels_ * runs), 1, [&](std::size_t begin, std::size_t end) {
            for (auto i = static_cast<std::int64_t>(begin); i < static_cast<std::int64_t>(end);
                 ++i) {
                const std::int64_t first = i % panels_ * panel_;
                const std::int64_t row = i / panels_ * kRowsOfRun;
                auto* to = reinterpret_cast<float*>(data_.data() + i % panels_ * panel_bytes_);
                context.kernels.pack_values(to + row * panel_, matrix + row * columns + first,
                                            columns, std::min(kRowsOfRun, depth - row),
                                            static_cast<int>(std::min(panel_, columns - first)));
            }
        });
}

void PackedPanels::set_scale(float scale) {
    scale_ = Tensor(Shape{panels_ * panel_});
    std::fill_n(scale_.f32(), scale_.numel(), scale);
}

} // namespace clip::cpu
