// SPDX-License-Identifier: MIT
// Element types, alignments and variants of what surrounds a ResNet's convolutions: the tokens of
// the attention pool, and pictures with their channels last.
#include "ops/mean_token.hpp"

#include "backend/ref/channels_last.hpp"
#include "backend/ref/mean_token.hpp"
#include "cuda/device_call.hpp"
#include "ops/channels_last.hpp"
#include "support/cases.hpp"

using namespace clip;
using namespace clip::test;

namespace {

struct Row {
    std::int64_t pictures, places, width, offset;
};

constexpr Row kRows[] = {{2, 49, 128, 0}, {3, 3, 132, 0}, {1, 9, 64, 1}, {2, 10, 33, 0}};

template <typename T>
std::vector<T> forward(const Row& row, const std::vector<T>& x, const std::vector<T>& positions) {
    const std::int64_t each = row.places * row.width;
    std::vector<T> y(static_cast<std::size_t>(row.pictures * (each + row.width)));
    for (std::int64_t n = 0; n < row.pictures; ++n)
        ref::mean_token(y.data() + n * (each + row.width), x.data() + n * each, positions.data(),
                        row.places, row.width);
    return y;
}

/// grad_x and grad_positions, which begins with 1
template <typename T>
std::vector<std::vector<T>> backward(const Row& row, const std::vector<T>& grad_y) {
    const std::int64_t each = row.places * row.width;
    std::vector<T> grad_x(static_cast<std::size_t>(row.pictures * each));
    std::vector<T> grad_positions(static_cast<std::size_t>(each + row.width), 1);
    for (std::int64_t n = 0; n < row.pictures; ++n)
        ref::mean_token_grad_x(grad_x.data() + n * each, grad_y.data() + n * (each + row.width),
                               row.places, row.width);
    for (std::int64_t i = 0; i < each + row.width; ++i)
        ref::add_over_batch(grad_positions.data(), grad_y.data(), row.pictures, each + row.width,
                            i);
    return {grad_x, grad_positions};
}

} // namespace

TEST_CASE("cuda mean token: every type of x and of y, and every alignment") {
    EmulatedDevice device;
    for (const Row& row : kRows)
        for (const DType x_type : kLayerTypes)
            for (const DType y_type : kLayerTypes) {
                const auto x = rounded(values(row.pictures * row.places * row.width, 1), x_type);
                const auto positions = values((row.places + 1) * row.width, 2);
                DeviceCall call(device);
                MeanTokenArgs args;
                args.x = call.in(x, {row.pictures, row.places, row.width}, x_type, row.offset);
                args.positions = call.in(positions, {row.places + 1, row.width});
                args.y = call.out({row.pictures, row.places + 1, row.width}, y_type);
                ops::mean_token(device.backend(), args);
                check_close(concat("mean token ", row.places, " x ", row.width, ", ",
                                   dtype_name(x_type), " to ", dtype_name(y_type)),
                            call.results()[0], forward(row, as<double>(x), as<double>(positions)),
                            forward(row, x, positions), y_type);
            }
}

TEST_CASE("cuda mean token backward: every alignment, and more pictures than a slice") {
    EmulatedDevice device;
    for (const Row& row : {kRows[0], kRows[1], kRows[2], kRows[3], Row{300, 2, 4, 0}}) {
        const Shape x_shape{row.pictures, row.places, row.width};
        const Shape y_shape{row.pictures, row.places + 1, row.width};
        const Shape positions{row.places + 1, row.width};
        const auto grad_y = values(y_shape.numel(), 1);
        DeviceCall call(device);
        MeanTokenBackwardArgs args;
        args.grad_y = call.in(grad_y, y_shape, DType::f32, row.offset);
        args.grad_x = call.out(x_shape);
        args.grad_positions = call.in_out(
            std::vector<float>(static_cast<std::size_t>(positions.numel()), 1), positions);
        ops::mean_token_backward(device.backend(), args);
        const auto oracle = backward(row, as<double>(grad_y));
        const auto naive = backward(row, grad_y);
        const Results got = call.results();
        for (std::size_t o = 0; o < 2; ++o)
            check_close(
                concat("mean token backward ", row.places, " x ", row.width, ", output ", o),
                got[o], oracle[o], naive[o]);
    }
}

TEST_CASE("cuda channels last: every type, alignment and number of channels") {
    struct Picture {
        std::int64_t pictures, channels, height, width, offset;
    };
    EmulatedDevice device;
    for (const Picture& row :
         {Picture{2, 3, 16, 16, 0}, Picture{2, 3, 12, 16, 0}, Picture{1, 3, 13, 11, 0},
          Picture{1, 3, 16, 16, 1}, Picture{1, 1, 5, 8, 0}, Picture{2, 32, 12, 12, 0},
          Picture{1, 70, 9, 15, 0}})
        for (const DType dtype : kLayerTypes) {
            const std::int64_t places = row.height * row.width;
            const auto x = values(row.pictures * row.channels * places, 1);
            DeviceCall call(device);
            ChannelsLastArgs args;
            args.x = call.in(x, {row.pictures, row.channels, row.height, row.width}, DType::f32,
                             row.offset);
            args.y =
                call.out({row.pictures, row.height, row.width, row.channels}, dtype, row.offset);
            ops::channels_last(device.backend(), args);
            std::vector<float> want(x.size());
            for (std::int64_t n = 0; n < row.pictures; ++n)
                ref::channels_last(want.data() + n * row.channels * places,
                                   x.data() + n * row.channels * places, row.channels, places);
            check_same_bits(
                concat("channels last of ", row.channels, " x ", places, ", ", dtype_name(dtype)),
                call.results()[0], rounded(want, dtype));
        }
}
