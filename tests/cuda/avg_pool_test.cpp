// SPDX-License-Identifier: MIT
// Element types, alignments and variants that tests/ops/avg_pool_test.cpp does not have.
#include "backend/ref/avg_pool.hpp"
#include "cuda/device_call.hpp"
#include "ops/avg_pool.hpp"
#include "support/cases.hpp"

using namespace clip;
using namespace clip::test;

namespace {

struct Row {
    std::int64_t pictures, height, width, channels;
    int window;
};

constexpr Row kRows[] = {
    {2, 6, 8, 16, 2}, // vectors
    {1, 5, 7, 24, 3}, // vectors, a window that is not unrolled, and what fills none
    {2, 4, 5, 20, 2}, // vectors of float32 only
    {1, 9, 4, 7, 2},  // element by element
    {1, 2, 70, 64, 2} // more vectors than a block
};

template <typename T>
std::vector<T> forward(const Row& row, const std::vector<T>& x) {
    const std::int64_t each = row.height * row.width * row.channels;
    const std::int64_t out = row.height / row.window * (row.width / row.window) * row.channels;
    std::vector<T> y(static_cast<std::size_t>(row.pictures * out));
    for (std::int64_t n = 0; n < row.pictures; ++n)
        ref::avg_pool(y.data() + n * out, x.data() + n * each, row.height, row.width, row.channels,
                      std::int64_t{row.window});
    return y;
}

template <typename T>
std::vector<T> backward(const Row& row, const std::vector<T>& grad_y) {
    const std::int64_t each = row.height * row.width * row.channels;
    const auto out = static_cast<std::int64_t>(grad_y.size()) / row.pictures;
    std::vector<T> grad_x(static_cast<std::size_t>(row.pictures * each));
    for (std::int64_t n = 0; n < row.pictures; ++n)
        ref::avg_pool_backward(grad_x.data() + n * each, grad_y.data() + n * out, row.height,
                               row.width, row.channels, std::int64_t{row.window});
    return grad_x;
}

} // namespace

TEST_CASE("cuda avg pool: every type and alignment") {
    EmulatedDevice device;
    for (const Row& row : kRows)
        for (const DType dtype : kLayerTypes)
            for (const std::int64_t offset : {0, 1}) {
                const Shape x_shape{row.pictures, row.height, row.width, row.channels};
                const Shape y_shape{row.pictures, row.height / row.window, row.width / row.window,
                                    row.channels};
                const auto x = rounded(values(x_shape.numel(), 1), dtype);
                DeviceCall call(device);
                AvgPoolArgs args;
                args.x = call.in(x, x_shape, dtype, offset);
                args.window = row.window;
                args.y = call.out(y_shape, dtype);
                ops::avg_pool(device.backend(), args);
                check_close(concat("avg pool of ", row.channels, " channels, ", dtype_name(dtype),
                                   ", offset ", offset),
                            call.results()[0], forward(row, as<double>(x)), forward(row, x), dtype);
            }
}

TEST_CASE("cuda avg pool backward: every alignment") {
    EmulatedDevice device;
    for (const Row& row : kRows)
        for (const std::int64_t offset : {0, 1}) {
            const Shape x_shape{row.pictures, row.height, row.width, row.channels};
            const Shape y_shape{row.pictures, row.height / row.window, row.width / row.window,
                                row.channels};
            const auto grad_y = values(y_shape.numel(), 1);
            DeviceCall call(device);
            AvgPoolBackwardArgs args;
            args.grad_y = call.in(grad_y, y_shape);
            args.window = row.window;
            args.grad_x = call.out(x_shape, DType::f32, offset);
            ops::avg_pool_backward(device.backend(), args);
            check_close(concat("avg pool backward of ", row.channels, " channels, offset ", offset),
                        call.results()[0], backward(row, as<double>(grad_y)),
                        backward(row, grad_y));
        }
}
