// SPDX-License-Identifier: MIT
// What all op tests share: values of each regime, the backends, and the checks every op must pass.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "backend/backend.hpp"
#include "support/guarded_buffer.hpp"
#include "support/placed_buffer.hpp"
#include "support/tolerance.hpp"

namespace clip::test {

/// What the values of an input look like.
enum class Regime {
    normal,     ///< mean 0, deviation 1
    large_mean, ///< mean 100, deviation 1
    huge,       ///< deviation 1e12: products still fit float32
    tiny,       ///< deviation 1e-12
    all_equal,  ///< 1.5 everywhere
};
constexpr Regime kRegimes[] = {Regime::normal, Regime::large_mean, Regime::huge, Regime::tiny,
                               Regime::all_equal};
std::string_view regime_name(Regime regime);

/// `count` values; the same for the same seed on every machine.
std::vector<float> values(std::int64_t count, std::uint64_t seed, Regime regime = Regime::normal);
/// Normal values times `scale`, such as weights.
std::vector<float> scaled_values(std::int64_t count, std::uint64_t seed, float scale);
/// Weights (out, in) that every storage type holds exactly, so that only the arithmetic is
/// compared: whole multiples of 2^-10, up to 127 of them, of which each row's first is the largest.
std::vector<float> storable_weights(std::int64_t out, std::int64_t in);
/// The values as `dtype` (f32, f16 or bf16) holds them.
std::vector<float> rounded(std::vector<float> values, DType dtype);
/// The same values in another precision.
template <typename T>
std::vector<T> as(const std::vector<float>& from) {
    return {from.begin(), from.end()};
}
template <typename T>
const T* data_or_null(const std::vector<T>& from) {
    return from.empty() ? nullptr : from.data();
}

/// Whether the device is what is tested: CLIP_TEST_DEVICE=cuda in the environment. The plugin is
/// then CLIP_CUDA_PLUGIN where that is set, and a GPU that is not there is a failure.
bool on_cuda();
/// "ref", "onednn" where it is built, and "automatic"; or "cuda" alone.
std::vector<std::string> backend_names();
/// One backend a name and number of threads, made once; of a device, one for all numbers, so that
/// the memory of a call is in order with its ops. `compute`: what training's products run in there;
/// a CPU has float32 only.
Backend& backend(const std::string& name, std::size_t threads, DType compute = DType::f32);
/// Another backend of the device that is tested.
std::unique_ptr<Backend> make_cuda(ThreadPool& pool, DType compute = DType::f32);

using Results = std::vector<std::vector<float>>;

/// The memory of one call of an op, on the device where one is tested. Inputs and outputs lie
/// between guards; `results` checks the guards, and that the inputs are what they were, before it
/// gives the outputs.
class CallMemory {
  public:
    /// The memory of what backend_names() has.
    CallMemory();
    /// That of one backend.
    explicit CallMemory(Backend& used) : CallMemory(used.memory()) {}
    explicit CallMemory(Memory& memory) : memory_(memory) {}

    /// An empty vector gives an empty view. Values are rounded to `dtype`.
    ConstView in(const std::vector<float>& values, const Shape& shape, DType dtype = DType::f32);
    MutView out(const Shape& shape, DType dtype = DType::f32);
    /// An output that begins as a copy of `values`: for ops that may work in place.
    MutView in_out(const std::vector<float>& values, const Shape& shape, DType dtype = DType::f32);
    /// The same, and write_back() puts what it has become into `values`, which must stay.
    MutView through(std::vector<float>& values, const Shape& shape);
    /// Bytes of another type.
    const void* bytes(const void* from, std::size_t count);

    /// Outputs as float32, in the order in which they were asked for.
    Results results() const;
    void write_back() const;

  private:
    struct Input {
        std::vector<std::byte> bytes;
        PlacedBuffer buffer;
    };
    struct Output {
        DType dtype;
        PlacedBuffer buffer;
        std::vector<float>* home = nullptr;
    };
    MutView add(std::unique_ptr<Output> output, const Shape& shape);

    Memory& memory_;
    std::vector<std::unique_ptr<Input>> inputs_;
    std::vector<std::unique_ptr<Output>> outputs_;
};

/// One row of a case table.
struct OpCase {
    std::string name;                        ///< printed when it fails
    std::vector<std::vector<double>> oracle; ///< one vector an output
    Results naive;
    /// Runs the op on items [first, first + count) of the case and returns its outputs.
    std::function<Results(Backend&, std::int64_t first, std::int64_t count)> run;
    std::int64_t items = 0; ///< what does not depend on each other: rows, pictures, sequences
    /// Where item `i` begins in output `o`, for i in [0, items]; by default evenly spaced.
    std::function<std::size_t(std::size_t o, std::int64_t i)> begin;
    double nmse_bound = kReductionNmse;
    DType compute = DType::f32; ///< of the backend
    /// By output: the coarsest type that its factors or itself are rounded to; empty: float32.
    std::vector<DType> dtypes;
};

/// Runs the case on every backend with 1, 2 and 3 threads: values against the oracle, the same bits
/// in a second run (and in five on a device, where threads come in another order each time), with
/// other threads, and for items computed in other company. A doctest check
/// fails with one line that names the case, the backend and the threads.
void check_op(const OpCase& test);

/// Checks that `call` throws an Error with this code.
void check_error(ErrorCode code, const std::function<void()>& call, std::string_view what);

} // namespace clip::test
