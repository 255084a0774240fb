// SPDX-License-Identifier: MIT
// The packed matrix product behind linear layers, convolutions, patches and similarities.
#pragma once

#include "backend/cpu/packed_panels.hpp"

namespace clip::cpu {

/// Where the rows of the left matrix come from.
class RowSource {
  public:
    virtual ~RowSource() = default;
    /// to[k * count + r] = element k of row first + r, for `count` <= kMostRows rows. `work` is the
    /// scratch of the running part; up to kLanes elements after the last one may be overwritten.
    virtual void pack(const KernelTable& kernels, ThreadScratch& work, std::int64_t first,
                      int count, float* to) const = 0;
};

/// Rows one after the other in memory, `step` floats apart.
class DenseRows : public RowSource {
  public:
    DenseRows(const float* x, std::int64_t depth) : x_(x), depth_(depth) {}
    void pack(const KernelTable& kernels, ThreadScratch& work, std::int64_t first, int count,
              float* to) const override;

  private:
    const float* x_;
    std::int64_t depth_;
};

/// Where the results go, and what is done to them on the way.
struct GemmOutput {
    float* y = nullptr; ///< (rows, columns), y_step apart
    std::int64_t y_step = 0;
    const float* residual = nullptr; ///< rows y_step apart, or null; may be y
    float* save = nullptr;           ///< pre-activations, rows y_step apart, or null
    Activation activation = Activation::none;
    bool activation_last = false; ///< after the residual
    /// `residual` holds pre-activations: results are multiplied by the activation's slope at them,
    /// and nothing else is done.
    bool backward = false;
    /// Where not 0: results lie in groups of this many rows with one more row before each group,
    /// and the residual is one such group for all of them (patches after a class token).
    std::int64_t group = 0;
};

/// Every result is one chain of fused multiply-adds in the order of the inner index, whatever
/// `rows`, the number of threads and the instruction set are.
void run_gemm(Context& context, std::int64_t rows, const RowSource& source,
              const PackedPanels& weights, const GemmOutput& output);

} // namespace clip::cpu
