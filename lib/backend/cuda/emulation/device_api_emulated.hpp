// SPDX-License-Identifier: MIT
// device_api.hpp on the host: every access checked, every instruction of a warp done on all lanes'
// operands. What each function does is said in device_api.hpp.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <type_traits>

#include "backend/cuda/device_types.hpp"
#include "backend/cuda/emulation/fragments.hpp"
#include "backend/cuda/emulation/thread_ops.hpp"

#define CLIP_DEVICE inline
#define CLIP_KERNEL(threads, blocks)
#define CLIP_UNROLL

namespace clip::cuda {

/// An element of checked memory: reads where it is converted, writes where it is assigned to.
template <typename T, auto Check>
class Checked {
  public:
    explicit Checked(T* at) : at_(at) {}
    operator T() const {
        Check(at_, sizeof(T), emulation::Access::read);
        return *at_;
    }
    const Checked& operator=(T value) const {
        Check(at_, sizeof(T), emulation::Access::write);
        *at_ = value;
        return *this;
    }
    const Checked& operator=(const Checked& other) const { return *this = static_cast<T>(other); }
    const Checked& operator+=(T value) const { return *this = static_cast<T>(*this) + value; }
    const Checked& operator-=(T value) const { return *this = static_cast<T>(*this) - value; }
    const Checked& operator*=(T value) const { return *this = static_cast<T>(*this) * value; }

  private:
    T* at_;
};

template <typename T>
struct Global {
    T* at = nullptr;

    Global() = default;
    constexpr Global(T* address) : at(address) {}
    template <typename U>
    requires std::is_same_v<const U, T>
    constexpr Global(Global<U> other) : at(other.at) {}
    auto operator[](std::int64_t i) const {
        if constexpr (std::is_const_v<T>) {
            emulation::check_global(at + i, sizeof(T), emulation::Access::read);
            return static_cast<std::remove_const_t<T>>(at[i]);
        } else {
            return Checked<T, emulation::check_global>(at + i);
        }
    }
    Global operator+(std::int64_t i) const { return {at + i}; }
    operator Global<const T>() const requires(!std::is_const_v<T>) { return {at}; }
    bool operator==(decltype(nullptr)) const { return at == nullptr; }
};

template <typename T>
struct Shared {
    T* at = nullptr;

    Shared() = default;
    explicit Shared(T* address) : at(address) {}
    auto operator[](std::int64_t i) const { return Checked<T, emulation::check_shared>(at + i); }
    Shared operator+(std::int64_t i) const { return Shared(at + i); }
};

template <typename T>
inline Shared<T> shared_memory(int byte_offset) {
    return Shared<T>(reinterpret_cast<T*>(emulation::here().shared + byte_offset));
}

template <int N, typename T>
inline Vec<std::remove_const_t<T>, N> load(Global<T> p) {
    using Result = Vec<std::remove_const_t<T>, N>;
    emulation::check_global(p.at, sizeof(Result), emulation::Access::read);
    return *reinterpret_cast<const Result*>(p.at);
}
template <int N, typename T>
inline Vec<T, N> load(Shared<T> p) {
    emulation::check_shared(p.at, sizeof(Vec<T, N>), emulation::Access::read);
    return *reinterpret_cast<const Vec<T, N>*>(p.at);
}
template <int N, typename T>
inline void store(Global<T> p, const Vec<T, N>& value) {
    emulation::check_global(p.at, sizeof(Vec<T, N>), emulation::Access::write);
    *reinterpret_cast<Vec<T, N>*>(p.at) = value;
}
template <int N, typename T>
inline void store(Shared<T> p, const Vec<T, N>& value) {
    emulation::check_shared(p.at, sizeof(Vec<T, N>), emulation::Access::write);
    *reinterpret_cast<Vec<T, N>*>(p.at) = value;
}

inline int thread_x() {
    return emulation::here().thread;
}
inline int threads_x() {
    return emulation::here().threads;
}
inline int block_x() {
    return static_cast<int>(emulation::here().block.x);
}
inline int block_y() {
    return static_cast<int>(emulation::here().block.y);
}
inline int block_z() {
    return static_cast<int>(emulation::here().block.z);
}
inline int grid_x() {
    return static_cast<int>(emulation::here().grid.x);
}
inline int grid_y() {
    return static_cast<int>(emulation::here().grid.y);
}
inline int grid_z() {
    return static_cast<int>(emulation::here().grid.z);
}
inline int lane() {
    return emulation::here().thread % kWarpSize;
}
inline int warp() {
    return emulation::here().thread / kWarpSize;
}

inline void block_barrier() {
    emulation::block_barrier();
}
inline void warp_barrier() {
    emulation::warp_barrier();
}
inline void named_barrier(int id, int threads) {
    emulation::named_barrier(id, threads);
}

namespace emulation {

/// What a lane brings to a shuffle or a vote.
struct ShuffleOperand {
    std::uint32_t value = 0;
    int from = 0; ///< the lane whose value it gets
    std::uint32_t result = 0;
};

inline void shuffle_lanes(void* const* operands) {
    for (int i = 0; i < kWarpSize; ++i) {
        auto& own = *static_cast<ShuffleOperand*>(operands[i]);
        own.result = static_cast<const ShuffleOperand*>(operands[own.from])->value;
    }
}

inline void vote_lanes(void* const* operands) {
    std::uint32_t votes = 0;
    for (int i = 0; i < kWarpSize; ++i)
        votes |= static_cast<const ShuffleOperand*>(operands[i])->value << static_cast<unsigned>(i);
    for (int i = 0; i < kWarpSize; ++i)
        static_cast<ShuffleOperand*>(operands[i])->result = votes;
}

template <typename T>
T shuffle_from(const char* name, T value, int from) {
    static_assert(sizeof(T) == 4);
    ShuffleOperand operand{std::bit_cast<std::uint32_t>(value), from, 0};
    warp_collective(name, &operand, shuffle_lanes);
    return std::bit_cast<T>(operand.result);
}

} // namespace emulation

template <typename T>
inline T shuffle(T value, int from) {
    return emulation::shuffle_from("shuffle", value, from & (kWarpSize - 1));
}
template <typename T>
inline T shuffle_xor(T value, int mask) {
    return emulation::shuffle_from("shuffle_xor", value, (lane() ^ mask) & (kWarpSize - 1));
}
template <typename T>
inline T shuffle_down(T value, int by) {
    return emulation::shuffle_from("shuffle_down", value,
                                   lane() + by < kWarpSize ? lane() + by : lane());
}
template <typename T>
inline T shuffle_up(T value, int by) {
    return emulation::shuffle_from("shuffle_up", value, lane() >= by ? lane() - by : lane());
}
inline unsigned ballot(bool predicate) {
    emulation::ShuffleOperand operand{predicate ? 1U : 0U, 0, 0};
    emulation::warp_collective("vote", &operand, emulation::vote_lanes);
    return operand.result;
}
inline bool any(bool predicate) {
    return ballot(predicate) != 0;
}
inline bool all(bool predicate) {
    return ballot(predicate) == kFullWarp;
}

template <typename T>
inline T atomic_add(Global<T> p, T value) {
    emulation::check_global(p.at, sizeof(T), emulation::Access::atomic);
    const T old = *p.at;
    *p.at = old + value;
    return old;
}
template <typename T>
inline T atomic_add(Shared<T> p, T value) {
    emulation::check_shared(p.at, sizeof(T), emulation::Access::atomic);
    const T old = *p.at;
    *p.at = old + value;
    return old;
}
template <typename T>
inline T atomic_max(Global<T> p, T value) {
    emulation::check_global(p.at, sizeof(T), emulation::Access::atomic);
    const T old = *p.at;
    *p.at = old < value ? value : old;
    return old;
}
template <typename T>
inline T atomic_max(Shared<T> p, T value) {
    emulation::check_shared(p.at, sizeof(T), emulation::Access::atomic);
    const T old = *p.at;
    *p.at = old < value ? value : old;
    return old;
}

template <typename T>
inline void copy_async(Shared<T> to, std::type_identity_t<Global<const T>> from, int bytes) {
    emulation::copy_async(to.at, from.at, bytes);
}
inline void copy_async_commit() {
    emulation::copy_async_commit();
}
template <int N>
inline void copy_async_wait() {
    emulation::copy_async_wait(N);
}

namespace emulation {

template <int Matrices>
void load_matrix(const char* name, std::uint32_t* r, const void* row, WarpFunction run) {
    LdmatrixOperands operand{r, row};
    if (lane() < Matrices * 8)
        check_shared(row, 16, Access::read);
    warp_collective(name, &operand, run);
}

} // namespace emulation

template <typename T>
inline void load_matrix_x4(std::uint32_t (&r)[4], Shared<T> row) {
    static_assert(sizeof(T) == 2 || sizeof(T) == 4);
    emulation::load_matrix<4>("ldmatrix.x4", r, row.at, emulation::ldmatrix_x4);
}
template <typename T>
inline void load_matrix_x2(std::uint32_t (&r)[2], Shared<T> row) {
    static_assert(sizeof(T) == 2 || sizeof(T) == 4);
    emulation::load_matrix<2>("ldmatrix.x2", r, row.at, emulation::ldmatrix_x2);
}
template <typename T>
inline void load_matrix_x4_transposed(std::uint32_t (&r)[4], Shared<T> row) {
    static_assert(sizeof(T) == 2);
    emulation::load_matrix<4>("ldmatrix.x4.trans", r, row.at, emulation::ldmatrix_x4_transposed);
}
template <typename T>
inline void load_matrix_x2_transposed(std::uint32_t (&r)[2], Shared<T> row) {
    static_assert(sizeof(T) == 2);
    emulation::load_matrix<2>("ldmatrix.x2.trans", r, row.at, emulation::ldmatrix_x2_transposed);
}

template <typename T>
inline void mma_m16n8k16(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
    emulation::MmaOperands operand{d, a, b};
    if constexpr (std::is_same_v<T, Half>)
        emulation::warp_collective("mma.m16n8k16.f16", &operand, emulation::mma_m16n8k16_f16);
    else
        emulation::warp_collective("mma.m16n8k16.bf16", &operand, emulation::mma_m16n8k16_bf16);
}
inline void mma_m16n8k8_tf32(float (&d)[4], const std::uint32_t (&a)[4],
                             const std::uint32_t (&b)[2]) {
    emulation::MmaOperands operand{d, a, b};
    emulation::warp_collective("mma.m16n8k8.tf32", &operand, emulation::mma_m16n8k8_tf32);
}

inline std::uint32_t bits_of(float f) {
    return std::bit_cast<std::uint32_t>(f);
}
inline float float_of(std::uint32_t bits) {
    return std::bit_cast<float>(bits);
}
inline float to_float(float x) {
    return x;
}
inline float to_float(Half x) {
    return static_cast<float>(x);
}
inline float to_float(BFloat16 x) {
    return static_cast<float>(x);
}
template <typename T>
inline T from_float(float f) {
    return T(f);
}
template <typename T>
inline std::uint32_t pack(float low, float high) {
    return T(low).bits | static_cast<std::uint32_t>(T(high).bits) << 16U;
}
template <typename T>
inline void unpack(std::uint32_t bits, float& low, float& high) {
    T first, second;
    first.bits = static_cast<std::uint16_t>(bits & 0xffffU);
    second.bits = static_cast<std::uint16_t>(bits >> 16U);
    low = to_float(first);
    high = to_float(second);
}
inline std::uint32_t round_to_tf32(float f) {
    // To the nearest with 10 bits of mantissa, ties away from zero; NaN stays NaN.
    const std::uint32_t bits = bits_of(f);
    if ((bits & 0x7f800000U) == 0x7f800000U)
        return (bits & 0x7fffffU) != 0 ? 0x7fffe000U : bits;
    return (bits + 0x1000U) & 0xffffe000U;
}

inline float exp2_fast(float x) {
    return std::exp2(x);
}
inline float exp_fast(float x) {
    return std::exp(x);
}
inline float log_fast(float x) {
    return std::log(x);
}
inline float reciprocal_fast(float x) {
    return 1.0F / x;
}
inline float rsqrt(float x) {
    return 1.0F / std::sqrt(x);
}
inline float sqrt(float x) {
    return std::sqrt(x);
}
inline float tanh(float x) {
    return std::tanh(x);
}
inline float erf(float x) {
    return std::erf(x);
}
inline float exp(float x) {
    return std::exp(x);
}
inline float log(float x) {
    return std::log(x);
}
inline float fma(float a, float b, float c) {
    return std::fma(a, b, c);
}
inline float multiply_rounded(float a, float b) {
    return a * b;
}
inline float add_rounded(float a, float b) {
    return a + b;
}
inline float max_number(float a, float b) {
    return std::fmax(a, b);
}
template <typename T>
inline T min(T a, T b) {
    return b < a ? b : a;
}
template <typename T>
inline T max(T a, T b) {
    return a < b ? b : a;
}

} // namespace clip::cuda
