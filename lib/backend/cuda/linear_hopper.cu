// SPDX-License-Identifier: MIT
// The kernels of gemm_hopper.hpp that linear layers launch: two tiles of each 16-bit type.
#include "backend/cuda/linear_hopper.hpp"

#include "backend/cuda/gemm_hopper.hpp"

namespace clip::cuda {

bool takes_linear_hopper(const Context& context, DType dtype, const HopperOperand& x,
                         const HopperOperand& weight, const GemmExtents& extents) {
    // Coordinates of tiles that begin beyond the matrix still fit 32 bits.
    constexpr std::int64_t kMostExtent = (std::int64_t{1} << 31) - 256;
    return runs_hopper(context.properties().capability()) &&
           (dtype == DType::f16 || dtype == DType::bf16) && extents.depth >= 1 &&
           std::max({extents.rows, extents.columns, extents.depth}) < kMostExtent &&
           takes_tensor_map(x.at, x.pitch) && takes_tensor_map(weight.at, weight.pitch);
}

void launch_linear_hopper(Context& context, DType dtype, const HopperOperand& x,
                          const HopperOperand& weight, const GemmExtents& extents,
                          const ForwardEpilogue& epilogue) {
    if (extents.rows == 0 || extents.columns == 0)
        return;
    const auto launch = [&]<typename T>() {
        if (extents.columns >= kWideColumns)
            launch_gemm_hopper<T>(context, "linear",
                                  hopper_gemm<256>(dtype, x, weight, extents, epilogue));
        else
            launch_gemm_hopper<T>(context, "linear",
                                  hopper_gemm<128>(dtype, x, weight, extents, epilogue));
    };
    if (dtype == DType::f16)
        launch.template operator()<Half>();
    else
        launch.template operator()<BFloat16>();
}

} // namespace clip::cuda
