// SPDX-License-Identifier: MIT
// device_api.hpp by CUDA intrinsics and PTX. What each function does is said there.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cuda_runtime.h>
#include <type_traits>

#include "backend/cuda/device_types.hpp"

#define CLIP_DEVICE __device__ __forceinline__
#define CLIP_KERNEL(threads, blocks)                                                               \
    __global__ __launch_bounds__(threads, (threads) * (blocks) > ::clip::cuda::kThreadsOfSm        \
                                              ? ::clip::cuda::kThreadsOfSm / (threads)             \
                                              : (blocks))
#define CLIP_UNROLL _Pragma("unroll")

namespace clip::cuda {

// The threads that an SM of this architecture has room for; ptxas refuses bounds above it.
#if defined(__CUDA_ARCH__) && (__CUDA_ARCH__ == 860 || __CUDA_ARCH__ == 870 ||                     \
                               __CUDA_ARCH__ == 890 || __CUDA_ARCH__ >= 1200)
constexpr int kThreadsOfSm = 1536;
#else
constexpr int kThreadsOfSm = 2048;
#endif

template <typename T>
struct Global {
    T* at = nullptr;

    Global() = default;
    __host__ __device__ constexpr Global(T* address) : at(address) {}
    /// What may be written may be read.
    template <typename U>
    requires std::is_same_v<const U, T> __host__ __device__ constexpr Global(Global<U> other)
        : at(other.at) {}
    CLIP_DEVICE T& operator[](std::int64_t i) const { return at[i]; }
    CLIP_DEVICE Global operator+(std::int64_t i) const { return {at + i}; }
    CLIP_DEVICE bool operator==(decltype(nullptr)) const { return at == nullptr; }
};

template <typename T>
struct Shared {
    T* at = nullptr;

    CLIP_DEVICE Shared() {}
    CLIP_DEVICE explicit Shared(T* address) : at(address) {}
    CLIP_DEVICE T& operator[](std::int64_t i) const { return at[i]; }
    CLIP_DEVICE Shared operator+(std::int64_t i) const { return Shared(at + i); }
    /// The address as PTX wants it.
    CLIP_DEVICE std::uint32_t address() const {
        return static_cast<std::uint32_t>(__cvta_generic_to_shared(at));
    }
};

extern __shared__ __align__(kSharedAlignment) unsigned char clip_shared_bytes[];

template <typename T>
CLIP_DEVICE Shared<T> shared_memory(int byte_offset) {
    return Shared<T>(reinterpret_cast<T*>(clip_shared_bytes + byte_offset));
}

template <int N, typename T>
CLIP_DEVICE Vec<std::remove_const_t<T>, N> load(Global<T> p) {
    return *reinterpret_cast<const Vec<std::remove_const_t<T>, N>*>(p.at);
}
template <int N, typename T>
CLIP_DEVICE Vec<T, N> load(Shared<T> p) {
    return *reinterpret_cast<const Vec<T, N>*>(p.at);
}
/// A vector as the registers that a store takes.
template <int N>
struct Words {
    std::uint32_t at[N];
};
// By PTX: where the other side of a branch stores the same elements one by one, the compiler puts
// both together, and every store becomes one of an element.
template <int N, typename T>
CLIP_DEVICE void store(Global<T> p, const Vec<T, N>& value) {
    constexpr std::size_t kBytes = sizeof(value);
    if constexpr (kBytes == 16) {
        const auto words = std::bit_cast<Words<4>>(value);
        asm volatile(
            "st.global.v4.b32 [%0], {%1, %2, %3, %4};" ::"l"(__cvta_generic_to_global(p.at)),
            "r"(words.at[0]), "r"(words.at[1]), "r"(words.at[2]), "r"(words.at[3])
            : "memory");
    } else if constexpr (kBytes == 8) {
        const auto words = std::bit_cast<Words<2>>(value);
        asm volatile("st.global.v2.b32 [%0], {%1, %2};" ::"l"(__cvta_generic_to_global(p.at)),
                     "r"(words.at[0]), "r"(words.at[1])
                     : "memory");
    } else if constexpr (kBytes == 4) {
        const auto words = std::bit_cast<Words<1>>(value);
        asm volatile("st.global.b32 [%0], %1;" ::"l"(__cvta_generic_to_global(p.at)),
                     "r"(words.at[0])
                     : "memory");
    } else {
        static_assert(N == 1);
        *p.at = value.at[0];
    }
}
template <int N, typename T>
CLIP_DEVICE void store(Shared<T> p, const Vec<T, N>& value) {
    *reinterpret_cast<Vec<T, N>*>(p.at) = value;
}

CLIP_DEVICE int thread_x() {
    return static_cast<int>(threadIdx.x);
}
CLIP_DEVICE int threads_x() {
    return static_cast<int>(blockDim.x);
}
CLIP_DEVICE int block_x() {
    return static_cast<int>(blockIdx.x);
}
CLIP_DEVICE int block_y() {
    return static_cast<int>(blockIdx.y);
}
CLIP_DEVICE int block_z() {
    return static_cast<int>(blockIdx.z);
}
CLIP_DEVICE int grid_x() {
    return static_cast<int>(gridDim.x);
}
CLIP_DEVICE int grid_y() {
    return static_cast<int>(gridDim.y);
}
CLIP_DEVICE int grid_z() {
    return static_cast<int>(gridDim.z);
}
CLIP_DEVICE int lane() {
    return static_cast<int>(threadIdx.x) % kWarpSize;
}
CLIP_DEVICE int warp() {
    return static_cast<int>(threadIdx.x) / kWarpSize;
}

CLIP_DEVICE void block_barrier() {
    __syncthreads();
}
CLIP_DEVICE void warp_barrier() {
    __syncwarp();
}
CLIP_DEVICE void named_barrier(int id, int threads) {
    asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

template <typename T>
CLIP_DEVICE T shuffle(T value, int from) {
    static_assert(sizeof(T) == 4);
    return __shfl_sync(kFullWarp, value, from);
}
template <typename T>
CLIP_DEVICE T shuffle_xor(T value, int mask) {
    static_assert(sizeof(T) == 4);
    return __shfl_xor_sync(kFullWarp, value, mask);
}
template <typename T>
CLIP_DEVICE T shuffle_down(T value, int by) {
    static_assert(sizeof(T) == 4);
    return __shfl_down_sync(kFullWarp, value, static_cast<unsigned>(by));
}
template <typename T>
CLIP_DEVICE T shuffle_up(T value, int by) {
    static_assert(sizeof(T) == 4);
    return __shfl_up_sync(kFullWarp, value, static_cast<unsigned>(by));
}
CLIP_DEVICE unsigned ballot(bool predicate) {
    return __ballot_sync(kFullWarp, predicate);
}
CLIP_DEVICE bool any(bool predicate) {
    return __any_sync(kFullWarp, predicate) != 0;
}
CLIP_DEVICE bool all(bool predicate) {
    return __all_sync(kFullWarp, predicate) != 0;
}

template <typename T>
CLIP_DEVICE T atomic_add(Global<T> p, T value) {
    return atomicAdd(p.at, value);
}
template <typename T>
CLIP_DEVICE T atomic_add(Shared<T> p, T value) {
    return atomicAdd(p.at, value);
}
template <typename T>
CLIP_DEVICE T atomic_max(Global<T> p, T value) {
    return atomicMax(p.at, value);
}
template <typename T>
CLIP_DEVICE T atomic_max(Shared<T> p, T value) {
    return atomicMax(p.at, value);
}

template <typename T>
CLIP_DEVICE void copy_async(Shared<T> to, std::type_identity_t<Global<const T>> from, int bytes) {
    // .cg goes past L1: what is copied here is used from shared memory only.
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to.address()), "l"(from.at),
                 "r"(bytes)
                 : "memory");
}
CLIP_DEVICE void copy_async_commit() {
    asm volatile("cp.async.commit_group;" ::: "memory");
}
template <int N>
CLIP_DEVICE void copy_async_wait() {
    asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}

template <typename T>
CLIP_DEVICE void load_matrix_x4(std::uint32_t (&r)[4], Shared<T> row) {
    static_assert(sizeof(T) == 2 || sizeof(T) == 4);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(row.address())
                 : "memory");
}
template <typename T>
CLIP_DEVICE void load_matrix_x2(std::uint32_t (&r)[2], Shared<T> row) {
    static_assert(sizeof(T) == 2 || sizeof(T) == 4);
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
                 : "=r"(r[0]), "=r"(r[1])
                 : "r"(row.address())
                 : "memory");
}
template <typename T>
CLIP_DEVICE void load_matrix_x4_transposed(std::uint32_t (&r)[4], Shared<T> row) {
    static_assert(sizeof(T) == 2);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(row.address())
                 : "memory");
}
template <typename T>
CLIP_DEVICE void load_matrix_x2_transposed(std::uint32_t (&r)[2], Shared<T> row) {
    static_assert(sizeof(T) == 2);
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
                 : "=r"(r[0]), "=r"(r[1])
                 : "r"(row.address())
                 : "memory");
}

template <typename T>
CLIP_DEVICE void mma_m16n8k16(float (&d)[4], const std::uint32_t (&a)[4],
                              const std::uint32_t (&b)[2]);
template <>
CLIP_DEVICE void mma_m16n8k16<Half>(float (&d)[4], const std::uint32_t (&a)[4],
                                    const std::uint32_t (&b)[2]) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
template <>
CLIP_DEVICE void mma_m16n8k16<BFloat16>(float (&d)[4], const std::uint32_t (&a)[4],
                                        const std::uint32_t (&b)[2]) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
CLIP_DEVICE void mma_m16n8k8_tf32(float (&d)[4], const std::uint32_t (&a)[4],
                                  const std::uint32_t (&b)[2]) {
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

CLIP_DEVICE std::uint32_t bits_of(float f) {
    return __float_as_uint(f);
}
CLIP_DEVICE float float_of(std::uint32_t bits) {
    return __uint_as_float(bits);
}
CLIP_DEVICE float to_float(float x) {
    return x;
}
CLIP_DEVICE float to_float(Half x) {
    float f = 0;
    asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(x.bits));
    return f;
}
CLIP_DEVICE float to_float(BFloat16 x) {
    return __uint_as_float(static_cast<std::uint32_t>(x.bits) << 16U);
}
template <typename T>
CLIP_DEVICE T from_float(float f);
template <>
CLIP_DEVICE float from_float<float>(float f) {
    return f;
}
template <>
CLIP_DEVICE Half from_float<Half>(float f) {
    Half x;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(x.bits) : "f"(f));
    return x;
}
template <>
CLIP_DEVICE BFloat16 from_float<BFloat16>(float f) {
    BFloat16 x;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(x.bits) : "f"(f));
    return x;
}
template <typename T>
CLIP_DEVICE std::uint32_t pack(float low, float high);
template <>
CLIP_DEVICE std::uint32_t pack<Half>(float low, float high) {
    std::uint32_t bits = 0;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
    return bits;
}
template <>
CLIP_DEVICE std::uint32_t pack<BFloat16>(float low, float high) {
    std::uint32_t bits = 0;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
    return bits;
}
template <typename T>
CLIP_DEVICE void unpack(std::uint32_t bits, float& low, float& high) {
    T first, second;
    first.bits = static_cast<std::uint16_t>(bits & 0xffffU);
    second.bits = static_cast<std::uint16_t>(bits >> 16U);
    low = to_float(first);
    high = to_float(second);
}
CLIP_DEVICE std::uint32_t round_to_tf32(float f) {
    std::uint32_t bits = 0;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(f));
    return bits;
}

CLIP_DEVICE float exp2_fast(float x) {
    float y = 0;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}
CLIP_DEVICE float exp_fast(float x) {
    return __expf(x);
}
CLIP_DEVICE float log_fast(float x) {
    return __logf(x);
}
CLIP_DEVICE float reciprocal_fast(float x) {
    float y = 0;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}
CLIP_DEVICE float rsqrt(float x) {
    return 1.0F / sqrtf(x);
}
CLIP_DEVICE float sqrt(float x) {
    return sqrtf(x);
}
CLIP_DEVICE float tanh(float x) {
    return tanhf(x);
}
CLIP_DEVICE float erf(float x) {
    return erff(x);
}
CLIP_DEVICE float exp(float x) {
    return expf(x);
}
CLIP_DEVICE float log(float x) {
    return logf(x);
}
CLIP_DEVICE float fma(float a, float b, float c) {
    return fmaf(a, b, c);
}
CLIP_DEVICE float multiply_rounded(float a, float b) {
    return __fmul_rn(a, b);
}
CLIP_DEVICE float add_rounded(float a, float b) {
    return __fadd_rn(a, b);
}
CLIP_DEVICE float max_number(float a, float b) {
    return fmaxf(a, b);
}
template <typename T>
CLIP_DEVICE T min(T a, T b) {
    return b < a ? b : a;
}
template <typename T>
CLIP_DEVICE T max(T a, T b) {
    return a < b ? b : a;
}

} // namespace clip::cuda
