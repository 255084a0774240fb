// SPDX-License-Identifier: MIT
#include "ops/preprocess.hpp"

#include "base/concat.hpp"
#include "ops/argument_check.hpp"

namespace clip::ops {

namespace {

void check_axis(const ArgumentCheck& check, std::string_view name, const ResizeAxis& axis,
                std::int64_t outputs, std::int64_t inputs) {
    const auto count = static_cast<std::size_t>(outputs);
    check.require(axis.first.size() == count && axis.count.size() == count && axis.stride >= 1 &&
                      axis.weight.size() == count * static_cast<std::size_t>(axis.stride),
                  ErrorCode::shape_mismatch, concat(name, " has not one row for each output"));
    for (std::size_t i = 0; i < count; ++i)
        if (axis.first[i] < 0 || axis.count[i] < 1 || axis.count[i] > axis.stride ||
            axis.first[i] > inputs - axis.count[i])
            fail(ErrorCode::invalid_argument,
                 concat("preprocess: ", name, "[", i, "] is not inside of the picture (got ",
                        axis.first[i], " and ", axis.count[i], ", of ", inputs, ")"));
}

} // namespace

void preprocess(Backend& backend, const PreprocessArgs& args) {
    ArgumentCheck check("preprocess", backend);
    check.rank("picture", args.picture, 3);
    check.rank("y", args.y, 3);
    const Shape& picture = args.picture.shape;
    const std::int64_t side = args.y.shape[1];
    check.require(side >= 1, ErrorCode::shape_mismatch, "y has no elements");
    check.input_of(DType::u8, "picture", args.picture, {picture[0], picture[1], 3});
    check.output("y", args.y, {3, side, side});
    check_axis(check, "across", args.across, side, picture[1]);
    check_axis(check, "down", args.down, side, picture[0]);
    check.overlaps();
    backend.preprocess(args);
}

} // namespace clip::ops
