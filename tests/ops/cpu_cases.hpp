// SPDX-License-Identifier: MIT
// What the tests of the hand-written CPU kernels share. Unlike the op tests, which compare every
// backend with the truth, these know the exact bits: one chain of fused multiply-adds an element.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "backend/cpu/cpu_backend.hpp"
#include "support/guarded_buffer.hpp"

namespace clip::test {

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
    return a.size() == b.size() &&
           (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

/// The CPU backend of an instruction set and a number of threads.
struct CpuRun {
    CpuRun(Isa isa, std::size_t threads)
        : pool(threads), backend(make_cpu_backend(pool, nullptr, isa)),
          name(std::string(isa_name(isa)) + ", " + std::to_string(threads) + " threads") {}
    ThreadPool pool;
    std::unique_ptr<Backend> backend;
    std::string name;
};

/// Every usable instruction set with 1, 2 and 3 threads, made once.
inline std::vector<std::unique_ptr<CpuRun>>& cpu_runs() {
    static std::vector<std::unique_ptr<CpuRun>> runs = [] {
        std::vector<std::unique_ptr<CpuRun>> made;
        for (const Isa isa : usable_isas())
            for (const std::size_t threads : {1, 2, 3})
                made.push_back(std::make_unique<CpuRun>(isa, threads));
        return made;
    }();
    return runs;
}

/// Values between -scale and scale; the same for the same seed everywhere.
inline std::vector<float> spread(std::int64_t count, std::uint64_t seed, float scale = 1) {
    std::vector<float> values(static_cast<std::size_t>(count));
    std::uint64_t state = 2 * seed + 1;
    for (float& value : values) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        value = scale * (static_cast<float>(state >> 40) / 8388608.0f - 1.0f);
    }
    return values;
}

/// `values` behind a guard and one float off any alignment.
class Unaligned {
  public:
    explicit Unaligned(const std::vector<float>& values) : buffer_(values.size() + 1) {
        std::copy(values.begin(), values.end(), data());
    }
    /// `count` NaN.
    explicit Unaligned(std::size_t count) : buffer_(count + 1) {}
    float* data() { return buffer_.data() + 1; }
    bool intact() const { return buffer_.intact() && std::isnan(buffer_.data()[0]); }
    std::vector<float> copy() const {
        return {buffer_.data() + 1, buffer_.data() + buffer_.size()};
    }
    ConstView view(const Shape& shape) { return {data(), shape, DType::f32, {}}; }
    MutView out(const Shape& shape) { return {data(), shape, DType::f32, {}}; }

  private:
    GuardedBuffer<float> buffer_;
};

} // namespace clip::test
