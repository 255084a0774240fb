// SPDX-License-Identifier: MIT
// Weights as the register tiles read them.
#pragma once

#include <functional>

#include "backend/cpu/context.hpp"

namespace clip::cpu {

/// A matrix (columns, depth) packed into panels of `KernelTable::panel` columns, each (depth,
/// panel) and contiguous; columns past the end are 0.
class PackedPanels {
  public:
    /// Writes pointers to `count` rows of the matrix from `first` on, each of `depth` floats;
    /// `space` has room for count * depth floats where they have to be made.
    using Rows =
        std::function<void(std::int64_t first, int count, float* space, const float** rows)>;

    /// Packs a matrix over what was here before, in the same memory where that is enough.
    /// `space_needed` says whether `rows` uses its space. `bias` is (columns) or null and is
    /// copied. Errors: out_of_memory.
    void pack(Context& context, std::int64_t columns, std::int64_t depth, Storage storage,
              const float* bias, bool space_needed, const Rows& rows);
    /// The same for a matrix in memory, rows one after the other.
    void pack(Context& context, std::int64_t columns, std::int64_t depth, Storage storage,
              const float* bias, const float* matrix);

    /// The same for a matrix that lies transposed in memory: (depth, columns), rows one after the
    /// other. Nothing is transposed, so this is cheap enough for every use of a matrix.
    void pack_transposed(Context& context, std::int64_t columns, std::int64_t depth,
                         const float* matrix);

    std::int64_t columns() const { return columns_; }
    std::int64_t depth() const { return depth_; }
    std::int64_t panels() const { return panels_; }
    Storage storage() const { return storage_; }
    std::int64_t panel_bytes() const { return panel_bytes_; }
    const std::byte* panel(std::int64_t index) const { return data_.data() + index * panel_bytes_; }
    /// What column `first` and those after it are multiplied by, or null; padded to whole panels.
    const float* scale(std::int64_t first) const {
        return scale_.empty() ? nullptr : scale_.f32() + first;
    }
    const float* bias(std::int64_t first) const {
        return bias_.empty() ? nullptr : bias_.f32() + first;
    }
    /// Multiplies every result by `scale`; for panels without a scale of their own.
    void set_scale(float scale);

  private:
    /// Takes the sizes of a matrix, and memory for it where there is not enough.
    void resize(std::int64_t columns, std::int64_t depth, std::int64_t panel, Storage storage);

    std::int64_t columns_ = 0, depth_ = 0, panels_ = 0, panel_ = 0, panel_bytes_ = 0;
    Storage storage_ = Storage::f32;
    Buffer data_;
    Tensor scale_, bias_;
};

/// Errors: unsupported (a dtype that weights are not kept in).
Storage storage_of(DType dtype);

} // namespace clip::cpu
