// SPDX-License-Identifier: MIT
#include "ops/channels_last.hpp"

#include "ops/argument_check.hpp"

namespace clip::ops {

void channels_last(Backend& backend, const ChannelsLastArgs& args) {
    ArgumentCheck check("channels last", backend);
    check.rank("x", args.x, 4);
    const Shape& x = args.x.shape;
    check.input("x", args.x, x);
    check.layer_output("y", args.y, {x[0], x[2], x[3], x[1]});
    check.overlaps();
    if (args.x.numel() > 0)
        backend.channels_last(args);
}

} // namespace clip::ops
