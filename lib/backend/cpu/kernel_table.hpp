// SPDX-License-Identifier: MIT
// What one instruction set offers to the drivers of this folder: a table of functions.
//
// The kernels_<isa>.cpp files are compiled with flags of their own. Nothing that they emit may be
// shared with other files (the linker could pick the AVX-512 copy of an inline function for every
// CPU), so this header declares plain data only.
#pragma once

#include <cstdint>

#include "backend/op_args.hpp"

namespace clip::cpu {

/// How packed weights are kept.
enum class Storage : std::uint8_t { f32, bf16, f16, i8 };
constexpr int kStorages = 4;

/// Rows and panels are counted in units of this many lanes on every instruction set; reductions
/// inside a row keep this many partial results, whatever the width of a register.
constexpr int kLanes = 16;
/// The most rows and columns that a tile has on any instruction set (attention uses 32 columns).
constexpr int kMostRows = 14;
constexpr int kMostPanel = 32;

/// One register tile: c (rows, columns) = a b, every element one chain of fused
/// multiply-adds in ascending order of the inner index.
struct TileArgs {
    std::int64_t depth = 0;   ///< inner extent
    const float* a = nullptr; ///< (depth, rows), a_step elements apart
    std::int64_t a_step = 0;
    const void* b = nullptr;   ///< (depth, panel) packed
    std::int64_t b_second = 0; ///< bytes from `b` to the next panel (pairs only)
    float* c = nullptr;        ///< (rows, panel) or (rows, 2 * panel), c_step elements apart
    std::int64_t c_step = 0;
    const void* ahead = nullptr;  ///< memory that will be read after this tile
    std::int64_t ahead_lines = 0; ///< cache lines of it to fetch every 8 steps of the depth
};

/// What happens to a tile of sums on its way to memory, in this order: scale, bias, save, then
/// activation and residual (or residual and activation).
struct FinishArgs {
    const float* sums = nullptr; ///< (rows, columns), sums_step apart
    std::int64_t sums_step = 0;
    int rows = 0;
    int columns = 0;
    const float* scale = nullptr; ///< (columns), or null
    const float* bias = nullptr;  ///< (columns), or null
    Activation activation = Activation::none;
    bool activation_last = false;           ///< after the residual, as a convolution wants it
    float* const* y = nullptr;              ///< one pointer a row
    const float* const* residual = nullptr; ///< one pointer a row, or null
    float* const* save = nullptr;           ///< pre-activations, one pointer a row, or null
};

/// Attention of up to `panel` queries of one sequence and head. Shapes as in AttentionArgs.
struct AttentionTask {
    const float* q = nullptr; ///< first query of the block
    std::int64_t q_stride = 0;
    int queries = 0;       ///< of this block
    std::int64_t keys = 0; ///< of the sequence
    std::int64_t first_visible =
        0; ///< keys that the block's first query sees; later ones see one more each
    bool causal = false;
    int width = 0; ///< head width
    float scale = 0;
    float* y = nullptr; ///< first row of the block, y_stride apart
    std::int64_t y_stride = 0;
    float* log_sum_exp = nullptr; ///< first of the block, lse_stride apart, or null
    std::int64_t lse_stride = 0;
    const float* packed_k = nullptr; ///< by pack_keys
    const float* packed_v = nullptr; ///< by pack_values
    float* scratch = nullptr;        ///< attention_scratch(keys, width) elements
};

constexpr int kMostDots = 4;

/// What quantize_row says of a row: u is near `step` times its bytes.
struct QuantizedRow {
    float step = 0;       ///< of the unit vector u a unit of int8
    float error = 0;      ///< the length of u minus its approximation, rounded up
    std::int32_t sum = 0; ///< of the bytes
};

/// One row of layer_norm_backward. Shapes as in LayerNormBackwardArgs.
struct LayerNormBackwardRow {
    const float* x = nullptr;
    const float* gamma = nullptr;
    const float* grad_y = nullptr;
    const float* residual = nullptr; ///< or null
    float mean = 0, rstd = 0;
    std::int64_t width = 0;
    float* grad_x = nullptr;     ///< or null
    float* gamma_sums = nullptr; ///< (width) added to, or null
    float* beta_sums = nullptr;  ///< (width) added to, or null
};

/// The backward pass of one sequence and head. Shapes as in AttentionBackwardArgs; pointers are
/// to the sequence's first row, at the head's first column.
struct AttentionBackwardTask {
    const float *q = nullptr, *k = nullptr, *v = nullptr;
    std::int64_t q_stride = 0, kv_stride = 0;
    std::int64_t queries = 0, keys = 0;
    bool causal = false;
    int width = 0; ///< head width
    float scale = 0;
    const float *y = nullptr, *grad_y = nullptr; ///< rows y_stride apart
    std::int64_t y_stride = 0;
    const float* log_sum_exp = nullptr; ///< lse_stride apart
    std::int64_t lse_stride = 0;
    float *grad_q = nullptr, *grad_k = nullptr, *grad_v = nullptr;
    std::int64_t grad_q_stride = 0, grad_kv_stride = 0;
    float* scratch = nullptr; ///< attention_backward_scratch(queries, keys, width) elements
    /// What will be worked on next, to be fetched meanwhile: heads are a few lines of each of many
    /// rows, which no processor foresees. Null after the last.
    const AttentionBackwardTask* next = nullptr;
};

struct KernelTable {
    int panel;     ///< columns of a packed panel
    int max_rows;  ///< the most rows of a tile
    int pair_rows; ///< the most rows of a tile over two panels

    void (*tile)(int rows, Storage storage, const TileArgs& args);
    void (*tile_pair)(int rows, Storage storage, const TileArgs& args);
    void (*finish)(const FinishArgs& args);
    /// y = sums * slope of the activation at `residual`; nothing else of the arguments is used.
    void (*finish_backward)(const FinishArgs& args);

    /// to[k * step + r] = rows[r][k]; up to kLanes elements after the last one may be
    /// overwritten.
    void (*pack_rows)(float* to, std::int64_t step, const float* const* rows, int count,
                      std::int64_t depth);
    /// Columns of a matrix as they lie, tile by tile: tile t has the columns [first[t], first[t +
    /// 1]), at most max_rows; its column r is to[first[t] * depth + k * count + r] for each row k.
    /// Up to kLanes elements after the last one may be overwritten.
    void (*pack_columns)(float* to, const float* from, std::int64_t step, const int* first,
                         int tiles, std::int64_t depth);
    /// Packs `panel` rows of weights into (depth, panel); i8 multiplies by inverse_scale first.
    void (*pack_panel)(void* to, Storage storage, const float* const* rows,
                       const float* inverse_scale, std::int64_t depth);
    /// Expands a packed panel to float32: (depth, panel).
    void (*expand_panel)(float* to, const void* from, Storage storage, std::int64_t depth);
    float (*max_abs)(const float* x, std::int64_t count);

    /// Elements of packed_k, packed_v and scratch for `keys` keys.
    std::int64_t (*packed_keys_size)(std::int64_t keys, int width);
    std::int64_t (*packed_values_size)(std::int64_t keys, int width);
    std::int64_t (*attention_scratch)(std::int64_t keys, int width);
    void (*pack_keys)(float* to, const float* k, std::int64_t stride, std::int64_t keys, int width);
    void (*pack_values)(float* to, const float* v, std::int64_t stride, std::int64_t keys,
                        int width);
    void (*attention)(const AttentionTask& task);
    std::int64_t (*attention_backward_scratch)(std::int64_t queries, std::int64_t keys, int width);
    void (*attention_backward)(const AttentionBackwardTask& task);

    /// One row; mean and rstd may be null.
    void (*layer_norm)(float* y, const float* x, const float* gamma, const float* beta,
                       std::int64_t width, float eps, float* mean, float* rstd);
    /// One row; returns the norm.
    float (*l2_normalize)(float* y, const float* x, std::int64_t width);
    /// One row.
    void (*softmax)(float* y, const float* x, std::int64_t width);

    /// One row (float32, or float16 where `half`) with `count` <= kMostDots queries; dots
    /// (count), norm2 or null. The order of summation is that of ExactDotsArgs.
    void (*exact_dots)(double* dots, double* norm2, const void* row, bool half,
                       const float* const* queries, int count, std::int64_t width);
    void (*widen_halves)(float* to, const void* from, std::int64_t count);
    /// One row times `inverse_norm` as int8, zeros after it up to `padded`, a multiple of
    /// kLanes.
    QuantizedRow (*quantize_row)(std::int8_t* to, const void* row, bool half, float inverse_norm,
                                 std::int64_t width, std::int64_t padded);
    /// Writes the places where scale * estimates[i] >= limits[i] to `found`; returns how many.
    std::int64_t (*scan_estimates)(std::int32_t* found, const float* estimates, float scale,
                                   const float* limits, std::int64_t count);
    /// One row.
    void (*layer_norm_backward)(const LayerNormBackwardRow& row);
    /// y = activation(x), or grad_y * activation'(x) where grad_y is not null; y may be either.
    void (*activation)(float* y, const float* x, const float* grad_y, Activation kind,
                       std::int64_t width);
    /// Goes on with a log-sum-exp: `most` is the largest so far (-infinity at first), `sum` the
    /// sum of e^(x - most).
    void (*add_exponentials)(const float* x, std::int64_t width, float& most, double& sum);
    /// x = factor (e^(x - row_log_sum_exp) + e^(x - column_log_sum_exp)) in place.
    void (*contrastive_gradient)(float* x, float row_log_sum_exp, const float* column_log_sum_exp,
                                 float factor, std::int64_t width);
};

/// Null where this build has no such kernels. None of them checks the CPU.
const KernelTable* portable_kernels();
const KernelTable* neon_kernels();
const KernelTable* avx2_kernels();
const KernelTable* avx512_kernels();

} // namespace clip::cpu
