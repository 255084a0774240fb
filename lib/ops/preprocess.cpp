// SPDX-License-Identifier: MIT
#include "ops/preprocess.hpp"

#include <vector>

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

void check_picture(ArgumentCheck& check, const SourcePicture& picture, std::int64_t side) {
    check.require(picture.height >= 1 && picture.width >= 1, ErrorCode::shape_mismatch,
                  "a picture has no pixels");
    check.require(Shape{picture.height, picture.width, 3}.numel() == std::ssize(picture.pixels),
                  ErrorCode::shape_mismatch,
                  "a picture has not as many bytes as its width and height say");
    check_axis(check, "across", picture.across, side, picture.width);
    check_axis(check, "down", picture.down, side, picture.height);
}

} // namespace

void preprocess(Backend& backend, const PreprocessArgs& args) {
    ArgumentCheck check("preprocess", backend);
    check.rank("y", args.y, 4);
    const std::int64_t count = args.y.shape[0], side = args.y.shape[2];
    check.require(side >= 1, ErrorCode::shape_mismatch, "y has no elements");
    check.output("y", args.y, {count, 3, side, side});
    std::vector<bool> written(static_cast<std::size_t>(count));
    for (const SourcePicture& picture : args.pictures) {
        check_picture(check, picture, side);
        check.require(
            picture.to >= 0 && picture.to < count, ErrorCode::invalid_argument,
            concat("a picture becomes none of y's (got ", picture.to, ", of ", count, ")"));
        const auto to = static_cast<std::size_t>(picture.to);
        check.require(!written[to], ErrorCode::invalid_argument,
                      concat("two pictures become y's ", to));
        written[to] = true;
    }
    if (!args.pictures.empty())
        backend.preprocess(args);
}

} // namespace clip::ops
