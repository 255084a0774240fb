// SPDX-License-Identifier: MIT
#include "ops/patch_embedding.hpp"

#include "ops/argument_check.hpp"

namespace clip::ops {

void patch_embedding(Backend& backend, const PatchEmbeddingArgs& args) {
    ArgumentCheck check("patch embedding", backend);
    check.require(args.projection != nullptr, ErrorCode::invalid_argument,
                  "projection is a null pointer");
    check.rank("pictures", args.pictures, 4);
    const std::int64_t pictures = args.pictures.shape[0];
    const std::int64_t side = args.pictures.shape[3];
    check.require(args.patch >= 1 && side >= args.patch && side % args.patch == 0,
                  ErrorCode::invalid_argument, "the patch's side does not divide the picture's");
    const std::int64_t grid = side / args.patch;
    const std::int64_t width = args.projection->out_features();
    check.require(args.projection->in_features() == 3 * std::int64_t{args.patch} * args.patch,
                  ErrorCode::shape_mismatch, "the projection takes patches of another size");
    check.input("pictures", args.pictures, {pictures, 3, side, side});
    check.input("class_token", args.class_token, {width});
    check.input("positions", args.positions, {grid * grid + 1, width});
    check.output("y", args.y, {pictures, grid * grid + 1, width});
    check.overlaps();
    if (pictures > 0)
        backend.patch_embedding(args);
}

void patch_embedding_backward(Backend& backend, const PatchEmbeddingBackwardArgs& args) {
    ArgumentCheck check("patch embedding backward", backend);
    check.rank("pictures", args.pictures, 4);
    check.rank("grad_y", args.grad_y, 3);
    const std::int64_t pictures = args.pictures.shape[0];
    const std::int64_t side = args.pictures.shape[3];
    const std::int64_t width = args.grad_y.shape[2];
    check.require(args.patch >= 1 && side >= args.patch && side % args.patch == 0,
                  ErrorCode::invalid_argument, "the patch's side does not divide the picture's");
    const std::int64_t grid = side / args.patch;
    check.input("pictures", args.pictures, {pictures, 3, side, side});
    check.input("grad_y", args.grad_y, {pictures, grid * grid + 1, width});
    check.optional_output("grad_projection", args.grad_projection,
                          {width, 3 * std::int64_t{args.patch} * args.patch});
    check.optional_output("grad_class_token", args.grad_class_token, {width});
    check.optional_output("grad_positions", args.grad_positions, {grid * grid + 1, width});
    check.overlaps();
    if (pictures > 0 && width > 0)
        backend.patch_embedding_backward(args);
}

} // namespace clip::ops
