// SPDX-License-Identifier: MIT
#include <algorithm>

#include "backend/cpu/cpu_ops.hpp"
#include "backend/cpu/linear.hpp"

namespace clip::cpu {

namespace {

/// Rows that are patches of pictures (N, 3, S, S): 3 * P runs of P floats each.
class PatchRows : public RowSource {
  public:
    PatchRows(const float* pictures, std::int64_t side, std::int64_t patch)
        : pictures_(pictures), side_(side), patch_(patch), grid_(side / patch) {}

    void pack(const KernelTable& kernels, ThreadScratch& scratch, std::int64_t first, int count,
              float* to) const override {
        const std::int64_t depth = kChannels * patch_ * patch_;
        float* gathered = scratch.floats(ThreadScratch::work, count * depth);
        const float* rows[kMostRows];
        for (int r = 0; r < count; ++r) {
            const std::int64_t place = (first + r) % (grid_ * grid_);
            const std::int64_t picture = (first + r) / (grid_ * grid_);
            const float* corner = pictures_ + picture * kChannels * side_ * side_ +
                                  place / grid_ * patch_ * side_ + place % grid_ * patch_;
            float* row = gathered + r * depth;
            rows[r] = row;
            for (std::int64_t channel = 0; channel < kChannels; ++channel)
                for (std::int64_t y = 0; y < patch_; ++y, row += patch_)
                    std::copy_n(corner + (channel * side_ + y) * side_, patch_, row);
        }
        kernels.pack_rows(to, count, rows, count, depth);
    }

  private:
    static constexpr std::int64_t kChannels = 3;
    const float* pictures_;
    std::int64_t side_, patch_, grid_;
};

} // namespace

std::unique_ptr<PreparedLinear> prepare_linear(Context& context, const LinearWeights& weights) {
    const std::int64_t out = weights.weight.shape[0];
    const std::int64_t in = weights.weight.shape[1];
    PackedPanels panels;
    panels.pack(context, out, in, storage_of(weights.storage),
                weights.bias.empty() ? nullptr : weights.bias.f32(), weights.weight.f32());
    return std::make_unique<PackedLinear>(in, out, std::move(panels));
}

void update_linear(Context& context, PreparedLinear& prepared, const LinearWeights& weights) {
    static_cast<PackedLinear&>(prepared).panels().pack(
        context, prepared.out_features(), prepared.in_features(), storage_of(weights.storage),
        weights.bias.empty() ? nullptr : weights.bias.f32(), weights.weight.f32());
}

void linear(Context& context, const LinearArgs& args) {
    const auto& weights = static_cast<const PackedLinear&>(*args.weights);
    GemmOutput output;
    output.y = args.y.f32();
    output.y_step = weights.out_features();
    output.residual = args.residual.empty() ? nullptr : args.residual.f32();
    output.save = args.pre_activation.empty() ? nullptr : args.pre_activation.f32();
    output.activation = args.activation;
    run_gemm(context, args.y.numel() / std::max<std::int64_t>(1, weights.out_features()),
             DenseRows(args.x.f32(), weights.in_features()), weights.panels(), output);
}

void patch_embedding(Context& context, const PatchEmbeddingArgs& args) {
    const auto& weights = static_cast<const PackedLinear&>(*args.projection);
    const std::int64_t pictures = args.pictures.shape[0];
    const std::int64_t side = args.pictures.shape[2];
    const std::int64_t grid = side / args.patch;
    const std::int64_t width = weights.out_features();
    const std::int64_t tokens = grid * grid + 1;
    const float* class_token = args.class_token.f32();
    const float* positions = args.positions.f32();
    for (std::int64_t n = 0; n < pictures; ++n)
        for (std::int64_t d = 0; d < width; ++d)
            args.y.f32()[n * tokens * width + d] = class_token[d] + positions[d];
    GemmOutput output;
    output.y = args.y.f32();
    output.y_step = width;
    output.residual = positions;
    output.group = grid * grid;
    run_gemm(context, pictures * grid * grid, PatchRows(args.pictures.f32(), side, args.patch),
             weights.panels(), output);
}

void similarity(Context& context, const SimilarityArgs& args) {
    const std::int64_t rows = args.a.shape[0];
    const std::int64_t width = args.a.shape[1];
    const std::int64_t columns = args.b.shape[0];
    // Candidates are packed some at a time, so that they are still in a cache when they are used:
    // in the second level for a few rows, which use each only once.
    constexpr std::int64_t kFewRows = 64;
    const std::int64_t packed_elements = std::int64_t{1} << (rows < kFewRows ? 18 : 20);
    const std::int64_t panel = context.kernels.panel;
    const std::int64_t most =
        std::max(panel, packed_elements / std::max<std::int64_t>(1, width) / panel * panel);
    PackedPanels packed;
    for (std::int64_t first = 0; first < columns; first += most) {
        const std::int64_t count = std::min(most, columns - first);
        packed.pack(context, count, width, Storage::f32, nullptr, args.b.f32() + first * width);
        packed.set_scale(args.scale);
        GemmOutput output;
        output.y = args.y.f32() + first;
        output.y_step = columns;
        run_gemm(context, rows, DenseRows(args.a.f32(), width), packed, output);
    }
}

} // namespace clip::cpu
