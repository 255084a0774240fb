// SPDX-License-Identifier: MIT
// Of y = [class_token; patches W^T] + positions:
//
//   grad_projection += sum over pictures and patches of grad_y^T patch     weight_gradient.hpp
//   grad_positions += sum over pictures of grad_y                          column_totals.cu
//   grad_class_token += the same of the first token
//
// Cost at batch 256: the FLOP of the forward (patch_embedding.cu), and one pass over grad_y:
// ViT-B/32 39 MB, ViT-L/14 269 MB (135 us on an A100, 82 us on an H100); in 16 bits grad_y and the
// patches are converted first.
#include "backend/cuda/column_totals.hpp"
#include "backend/cuda/cuda_backend.hpp"
#include "backend/cuda/patch_loader.hpp"
#include "backend/cuda/weight_gradient.hpp"

namespace clip::cuda {

namespace {

/// grad_y (N (G G + 1), D) without the rows of class tokens, read across: k is a patch.
template <typename T>
struct PatchRowLoader : MatrixLoader<T, false> {
    FastDivisor patches; ///< G G

    CLIP_DEVICE typename MatrixLoader<T, false>::Line line(std::int64_t index) const {
        const int picture = patches.quotient(static_cast<int>(index));
        return {this->at + (index + picture + 1) * this->pitch, index < this->lines};
    }
};

template <typename Math>
void launch_projection(Context& context, const PatchEmbeddingBackwardArgs& args) {
    using T = typename Math::Element;
    const DType compute = context.options().compute;
    const PatchGrid grid(args.pictures.shape[0], args.pictures.shape[3], args.patch);
    const std::int64_t width = args.grad_y.shape[2];
    Workspace::Scope scope(context.workspace());
    const AlignedMatrix grad_y =
        align_matrix(context, scope, args.grad_y.data, DType::f32,
                     args.grad_y.shape[0] * args.grad_y.shape[1], width, compute);
    PatchRowLoader<T> rows;
    static_cast<MatrixLoader<T, false>&>(rows) = grad_y.loader<T, false>();
    rows.lines = grid.rows;
    rows.patches = grid.grid_area;
    const auto launch = [&](const auto& patches) {
        launch_weight_gradient<Math>(context, "patch_grad_projection", args.grad_projection.f32(),
                                     rows, patches, grid.rows, width, grid.width);
    };
    if constexpr (std::is_same_v<T, float>)
        if (reads_patches(args.pictures.f32(), args.patch))
            return launch(PatchLoader<false>{args.pictures.f32(), grid});
    launch(copy_patches(context, scope, args.pictures.f32(), grid, compute)
               .template loader<T, false>());
}

} // namespace

void CudaBackend::patch_embedding_backward(const PatchEmbeddingBackwardArgs& args) {
    if (!args.grad_projection.empty())
        visit_math(context_.options(), context_.options().compute,
                   [&]<typename Math>() { launch_projection<Math>(context_, args); });
    const std::int64_t pictures = args.grad_y.shape[0], width = args.grad_y.shape[2];
    const std::int64_t of_picture = args.grad_y.shape[1] * width;
    if (!args.grad_positions.empty() || !args.grad_class_token.empty())
        // Without positions the first token's columns are enough.
        add_column_totals(context_, {args.grad_positions.f32(), args.grad_class_token.f32(), width},
                          args.grad_y.f32(), DType::f32, pictures,
                          args.grad_positions.empty() ? width : of_picture, of_picture);
}

} // namespace clip::cuda
