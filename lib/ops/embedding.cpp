// SPDX-License-Identifier: MIT
#include "ops/embedding.hpp"

#include "ops/argument_check.hpp"

namespace clip::ops {

void embedding(Backend& backend, const EmbeddingArgs& args) {
    ArgumentCheck check("embedding", backend);
    check.rank("table", args.table, 2);
    check.rank("positions", args.positions, 2);
    const auto rows = static_cast<std::int64_t>(args.ids.size());
    const std::int64_t width = args.table.shape[1];
    check.require(args.places.size() == args.ids.size(), ErrorCode::shape_mismatch,
                  "ids and places differ in number");
    check.require(is_floating(args.table.dtype), ErrorCode::dtype_mismatch,
                  "table is not of a floating type");
    check.require(args.table.device == backend.device(), ErrorCode::device_mismatch,
                  "table is on another device");
    check.memory("table", args.table.data, args.table.bytes(), 1, false);
    check.input("positions", args.positions, {args.positions.shape[0], width});
    check.indices("ids", args.ids, args.table.shape[0]);
    check.indices("places", args.places, args.positions.shape[0]);
    check.memory("ids", args.ids.data(), args.ids.size_bytes(), alignof(std::int32_t), false);
    check.memory("places", args.places.data(), args.places.size_bytes(), alignof(std::int32_t),
                 false);
    check.output("y", args.y, {rows, width});
    check.overlaps();
    if (rows > 0 && width > 0)
        backend.embedding(args);
}

void embedding_backward(Backend& backend, const EmbeddingBackwardArgs& args) {
    ArgumentCheck check("embedding backward", backend);
    check.rank("grad_y", args.grad_y, 2);
    const auto rows = static_cast<std::int64_t>(args.ids.size());
    const std::int64_t width = args.grad_y.shape[1];
    check.require(args.places.size() == args.ids.size(), ErrorCode::shape_mismatch,
                  "ids and places differ in number");
    check.input("grad_y", args.grad_y, {rows, width});
    check.memory("ids", args.ids.data(), args.ids.size_bytes(), alignof(std::int32_t), false);
    check.memory("places", args.places.data(), args.places.size_bytes(), alignof(std::int32_t),
                 false);
    if (args.grad_table.data != nullptr) {
        check.rank("grad_table", args.grad_table, 2);
        check.output("grad_table", args.grad_table, {args.grad_table.shape[0], width});
        check.indices("ids", args.ids, args.grad_table.shape[0]);
    }
    if (args.grad_positions.data != nullptr) {
        check.rank("grad_positions", args.grad_positions, 2);
        check.output("grad_positions", args.grad_positions, {args.grad_positions.shape[0], width});
        check.indices("places", args.places, args.grad_positions.shape[0]);
    }
    check.overlaps();
    if (rows > 0 && width > 0)
        backend.embedding_backward(args);
}

} // namespace clip::ops
