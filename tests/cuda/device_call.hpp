// SPDX-License-Identifier: MIT
// Calls of ops on the emulated device with tensors of any element type and alignment: what the case
// tables of tests/ops, which are float32 and aligned, do not have.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <vector>

#include "backend/cuda/cuda_backend.hpp"
#include "base/concat.hpp"
#include "support/cases.hpp"
#include "tensor/tensor.hpp"

namespace clip::test {

/// A backend on the emulated device.
class EmulatedDevice {
  public:
    explicit EmulatedDevice(const CudaOptions& options = {})
        : pool_(2), backend_(0, options, pool_) {}
    cuda::CudaBackend& backend() { return backend_; }

  private:
    ThreadPool pool_;
    cuda::CudaBackend backend_;
};

/// The tensors of one call: each begins `offset` elements after an aligned address, with guards on
/// both sides.
class DeviceCall {
  public:
    explicit DeviceCall(EmulatedDevice& device) : memory_(device.backend().memory()) {}

    ConstView in(const std::vector<float>& values, const Shape& shape, DType dtype = DType::f32,
                 std::int64_t offset = 0) {
        return place(values, shape, dtype, offset);
    }
    /// Filled with NaN: what an op forgets to write shows.
    MutView out(const Shape& shape, DType dtype = DType::f32, std::int64_t offset = 0) {
        return in_out(std::vector<float>(static_cast<std::size_t>(shape.numel()),
                                         std::numeric_limits<float>::quiet_NaN()),
                      shape, dtype, offset);
    }
    MutView in_out(const std::vector<float>& values, const Shape& shape, DType dtype = DType::f32,
                   std::int64_t offset = 0) {
        const MutView view = place(values, shape, dtype, offset);
        outputs_.push_back(placed_.size() - 1);
        return view;
    }
    /// Checks the guards; the outputs in the order in which they were asked for.
    std::vector<std::vector<float>> results() {
        for (const Placed& each : placed_) {
            const std::vector<float> all = read(each, 0, each.count + 2 * kGuard + each.offset);
            for (std::size_t i = 0; i < all.size(); ++i)
                if (i < kGuard + each.offset || i >= kGuard + each.offset + each.count)
                    REQUIRE(all[i] == kPattern);
        }
        std::vector<std::vector<float>> results;
        for (const std::size_t i : outputs_)
            results.push_back(read(placed_[i], kGuard + placed_[i].offset, placed_[i].count));
        return results;
    }

  private:
    static constexpr std::size_t kGuard = 64; // elements; a multiple of any alignment
    static constexpr float kPattern = 77;
    struct Placed {
        Tensor tensor;
        std::size_t offset, count;
    };

    MutView place(const std::vector<float>& values, const Shape& shape, DType dtype,
                  std::int64_t offset) {
        REQUIRE(static_cast<std::int64_t>(values.size()) == shape.numel());
        const auto skipped = static_cast<std::size_t>(offset);
        std::vector<float> all(values.size() + 2 * kGuard + skipped, kPattern);
        std::copy(values.begin(), values.end(),
                  all.begin() + static_cast<std::ptrdiff_t>(kGuard + skipped));
        const Shape whole{static_cast<std::int64_t>(all.size())};
        Tensor host(whole, dtype);
        convert_from_f32(host.view().data, dtype, all.data(), all.size());
        placed_.push_back({to_memory(host.view(), memory_), skipped, values.size()});
        return part_of(placed_.back().tensor.view(), static_cast<std::int64_t>(kGuard) + offset,
                       shape);
    }
    std::vector<float> read(const Placed& from, std::size_t first, std::size_t count) {
        const Tensor host = Tensor::to_f32(download(from.tensor.view(), memory_).view());
        return {host.f32() + first, host.f32() + first + count};
    }

    clip::Memory& memory_;
    std::vector<Placed> placed_;
    std::vector<std::size_t> outputs_;
};

/// What an op gives against double arithmetic and a naive computation in float32, rounded to the
/// type of the result as it is.
inline void check_close(const std::string& name, const std::vector<float>& got,
                        const std::vector<double>& oracle, std::vector<float> naive,
                        DType dtype = DType::f32) {
    const Comparison found =
        compare(got, oracle, rounded(std::move(naive), dtype), dtype, reduction_nmse(dtype));
    if (!found.ok)
        FAIL_CHECK(concat(name, ": ", found.problem));
}

inline void check_same_bits(const std::string& name, const std::vector<float>& got,
                            const std::vector<float>& want) {
    const Comparison found = compare_bits(got, want);
    if (!found.ok)
        FAIL_CHECK(concat(name, ": ", found.problem));
}

constexpr DType kLayerTypes[] = {DType::f32, DType::f16, DType::bf16};

} // namespace clip::test
