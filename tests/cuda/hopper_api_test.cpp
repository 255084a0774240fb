// SPDX-License-Identifier: MIT
// The emulation of sm_90a's instructions: where elements lie, against tables typed from the PTX
// manual's figures, and that each mistake in using them is a fault, beside the same kernel without.
#include <doctest/doctest.h>

#include <array>
#include <functional>
#include <string>
#include <vector>

#include "backend/cuda/device_api_hopper.hpp"
#include "backend/cuda/emulation/emulator.hpp"
#include "base/error.hpp"

namespace clip::cuda {

namespace {

/// Device memory of a test, aligned to 64 bytes.
template <typename T>
class Memory {
  public:
    explicit Memory(std::size_t count, bool written = true) : data_(count + 64), count_(count) {
        emulation::register_allocation(at(), count * sizeof(T));
        if (written)
            emulation::mark_written(at(), count * sizeof(T));
    }
    ~Memory() { emulation::unregister_allocation(at()); }
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;
    T* at() {
        const auto address = reinterpret_cast<std::uintptr_t>(data_.data());
        return reinterpret_cast<T*>((address + 63) / 64 * 64);
    }
    T& operator[](int i) { return at()[i]; }
    std::size_t size() const { return count_; }

  private:
    std::vector<T> data_;
    std::size_t count_;
};

/// Small integers, so that all sums are exact.
template <typename T>
void fill(Memory<T>& memory, int seed) {
    for (int i = 0; i < static_cast<int>(memory.size()); ++i)
        memory[i] = T(static_cast<float>((i * 7 + i / 5 + seed) % 9 - 4));
}

void run(const std::function<void()>& body, unsigned threads, std::size_t shared_bytes) {
    emulation::run_grid("test_kernel", {{1}, {threads}, shared_bytes}, body);
}

bool says(const std::string& message, const std::string& part) {
    if (message.find(part) != std::string::npos)
        return true;
    MESSAGE(message);
    return false;
}

// PTX ISA, figure "WGMMA .m64nNk16 register fragment layout for accumulator matrix D", rows 0 to 7
// and columns 0 to 7: the thread of warp 0 that holds each element; its registers are d0 and d1.
// The rows 8 to 15 are d2 and d3 of the same threads, the columns 8 j to 8 j + 7 registers 4 j on,
// and rows 16 w to 16 w + 15 those of threads 32 w on.
constexpr int kThreads[8][8] = {{0, 0, 1, 1, 2, 2, 3, 3},         {4, 4, 5, 5, 6, 6, 7, 7},
                                {8, 8, 9, 9, 10, 10, 11, 11},     {12, 12, 13, 13, 14, 14, 15, 15},
                                {16, 16, 17, 17, 18, 18, 19, 19}, {20, 20, 21, 21, 22, 22, 23, 23},
                                {24, 24, 25, 25, 26, 26, 27, 27}, {28, 28, 29, 29, 30, 30, 31, 31}};
constexpr int kRegister[2] = {0, 1};

/// d of all threads, (128, N / 2), at a row and column.
float accumulator(Memory<float>& d, int columns, int row, int column) {
    const int thread = kThreads[row % 8][column % 8] + (row / 16) * 32;
    const int element = kRegister[column % 2] + (row % 16 >= 8 ? 2 : 0) + column / 8 * 4;
    return d[thread * (columns / 2) + element];
}

// Chunks of 16 bytes in the rows of a tile with a swizzle of 128 bytes, as the figure of the CUDA
// programming guide has them ("128-byte swizzle"): what lies at each place of rows 0 to 7.
constexpr int kChunkAt[8][8] = {{0, 1, 2, 3, 4, 5, 6, 7}, {1, 0, 3, 2, 5, 4, 7, 6},
                                {2, 3, 0, 1, 6, 7, 4, 5}, {3, 2, 1, 0, 7, 6, 5, 4},
                                {4, 5, 6, 7, 0, 1, 2, 3}, {5, 4, 7, 6, 1, 0, 3, 2},
                                {6, 7, 4, 5, 2, 3, 0, 1}, {7, 6, 5, 4, 3, 2, 1, 0}};

constexpr int kBarrierBytes = 1024; // in front of the tiles

/// Brings two tiles by TMA, for all threads.
template <typename T>
void load_two(const TensorMap& a, int a_rows, const TensorMap& b, int b_rows) {
    const Shared<Barrier> full = shared_memory<Barrier>(0);
    const Shared<T> tile = shared_memory<T>(kBarrierBytes);
    if (thread_x() == 0) {
        barrier_init(full, 1);
        fence_barrier_init();
    }
    block_barrier();
    if (thread_x() == 0) {
        barrier_arrive_expect(full, (a_rows + b_rows) * 128);
        tma_load_2d(tile, a, 0, 0, full);
        tma_load_2d(tile + a_rows * kTileColumns, b, 0, 0, full);
    }
    barrier_wait(full, 0);
}

template <typename T, int N>
void check_product(DType dtype, int k) {
    CAPTURE(N);
    CAPTURE(k);
    Memory<T> a(64 * 64), b(N * 64);
    Memory<float> d(128 * N / 2);
    fill(a, 1);
    fill(b, 5);
    const TensorMap a_map = make_tensor_map_2d(a.at(), dtype, 64, 64, 64, 64);
    const TensorMap b_map = make_tensor_map_2d(b.at(), dtype, N, 64, 64, N);
    const Global<float> result = d.at();
    run(
        [&] {
            load_two<T>(a_map, 64, b_map, N);
            const Shared<T> tile = shared_memory<T>(kBarrierBytes);
            float sum[N / 2];
            for (int i = 0; i < N / 2; ++i)
                sum[i] = 1000;
            wgmma_fence(sum);
            wgmma<T, N>(sum, rows_operand(tile, k), rows_operand(tile + 64 * 64, k), false);
            wgmma<T, N>(sum, rows_operand(tile, k), rows_operand(tile + 64 * 64, k), true);
            wgmma_commit();
            wgmma_wait<0>(sum);
            for (int i = 0; i < N / 2; ++i)
                result[thread_x() * (N / 2) + i] = sum[i];
        },
        128, kBarrierBytes + (64 + N) * 128);
    int wrong = 0;
    for (int row = 0; row < 64; ++row)
        for (int column = 0; column < N; ++column) {
            float want = 0;
            for (int i = k; i < k + 16; ++i)
                want += 2 * static_cast<float>(a[row * 64 + i]) *
                        static_cast<float>(b[column * 64 + i]);
            wrong += accumulator(d, N, row, column) != want;
        }
    CHECK(wrong == 0);
}

} // namespace

TEST_CASE("hopper: wgmma's accumulators are where the manual's figure has them") {
    for (const int k : {0, 16, 32, 48}) {
        check_product<Half, 64>(DType::f16, k);
        check_product<BFloat16, 128>(DType::bf16, k);
    }
    check_product<Half, 128>(DType::f16, 32);
    check_product<Half, 256>(DType::f16, 16);
    check_product<BFloat16, 256>(DType::bf16, 48);
}

TEST_CASE("hopper: wgmma takes A from registers and B by columns") {
    Memory<BFloat16> a(64 * 16), b(64 * 64);
    Memory<float> d(128 * 32);
    fill(a, 2);
    fill(b, 3);
    const TensorMap b_map = make_tensor_map_2d(b.at(), DType::bf16, 64, 64, 64, 64);
    const Global<float> result = d.at();
    for (const int k : {0, 16, 32, 48}) {
        run(
            [&] {
                load_two<BFloat16>(b_map, 64, b_map, 64);
                // Of A the figure has the same threads as of D; registers of two columns each: the
                // lower half is a1, columns 8 to 15 are a2 and a3.
                std::uint32_t registers[4] = {};
                for (int row = 0; row < 64; ++row)
                    for (int column = 0; column < 16; ++column)
                        if (thread_x() == kThreads[row % 8][column % 8] + row / 16 * 32)
                            registers[(row % 16 >= 8 ? 1 : 0) + (column >= 8 ? 2 : 0)] |=
                                static_cast<std::uint32_t>(a[row * 16 + column].bits)
                                << (column % 2 * 16);
                float sum[32] = {};
                wgmma_fence(sum, registers);
                wgmma_registers<BFloat16>(
                    sum, registers, columns_operand(shared_memory<BFloat16>(kBarrierBytes), k),
                    true);
                wgmma_commit();
                wgmma_wait<0>(sum, registers);
                for (int i = 0; i < 32; ++i)
                    result[thread_x() * 32 + i] = sum[i];
            },
            128, kBarrierBytes + 128 * 128);
        int wrong = 0;
        for (int row = 0; row < 64; ++row)
            for (int column = 0; column < 64; ++column) {
                float want = 0;
                for (int i = 0; i < 16; ++i)
                    want += static_cast<float>(a[row * 16 + i]) *
                            static_cast<float>(b[(k + i) * 64 + column]);
                wrong += accumulator(d, 64, row, column) != want;
            }
        CHECK(wrong == 0);
    }
}

TEST_CASE("hopper: TMA swizzles tiles, and what lies outside of the matrix is zero") {
    constexpr int kRows = 21, kColumns = 75, kStride = 80;
    Memory<Half> x(kRows * kStride);
    for (int i = 0; i < kRows * kStride; ++i)
        x[i].bits = static_cast<std::uint16_t>(i + 1);
    const TensorMap map = make_tensor_map_2d(x.at(), DType::f16, kRows, kColumns, kStride, 16);
    Memory<std::uint16_t> y(16 * 64);
    const Global<std::uint16_t> result = y.at();
    const std::array<std::array<int, 2>, 5> corners = {
        {{0, 0}, {13, 40}, {-3, -5}, {30, 0}, {5, 64}}};
    for (const auto& [first_row, first_column] : corners) {
        const int row = first_row, column = first_column;
        run(
            [&] {
                const Shared<Barrier> full = shared_memory<Barrier>(2048);
                if (thread_x() == 0) {
                    barrier_init(full, 1);
                    fence_barrier_init();
                    barrier_arrive_expect(full, 16 * 128);
                    tma_load_2d(shared_memory<Half>(0), map, column, row, full);
                }
                block_barrier();
                barrier_wait(full, 0);
                for (int i = thread_x(); i < 16 * 64; i += threads_x()) {
                    const std::uint16_t bits = shared_memory<std::uint16_t>(0)[i];
                    result[i] = bits;
                }
            },
            64, 4096);
        int wrong = 0;
        for (int r = 0; r < 16; ++r)
            for (int place = 0; place < 8; ++place)
                for (int i = 0; i < 8; ++i) {
                    const int at_row = row + r, at_column = column + kChunkAt[r % 8][place] * 8 + i;
                    const bool inside =
                        at_row >= 0 && at_row < kRows && at_column >= 0 && at_column < kColumns;
                    const int want = inside ? at_row * kStride + at_column + 1 : 0;
                    wrong += y[r * 64 + place * 8 + i] != want;
                    if (r < 8)
                        CHECK(swizzled(r, kChunkAt[r][place] * 8 + i) == r * 64 + place * 8 + i);
                }
        CHECK(wrong == 0);
    }
}

TEST_CASE("hopper: a descriptor has the fields of the manual") {
    // Matrix descriptor: bits 0-13 address, 16-29 leading, 32-45 stride (all without their last
    // four bits), 62-63 swizzle, of which 128 bytes are 1.
    CHECK(matrix_descriptor(0x12340, 16, 1024) == 0x4000004000011234ULL);
    CHECK(matrix_descriptor(0x3fff0, 2048, 1024) == 0x4000004000803fffULL);
}

namespace {

enum class Mistake {
    none,
    no_full_wait,
    one_warp_waits,
    wrong_phase,
    fewer_bytes,
    more_bytes,
    no_empty_wait,
    early_release,
    no_fence,
    written_after_fence,
    no_commit,
    no_wgmma_wait,
    not_named_wait,
    written_before_wait,
    no_init_fence,
    no_init_barrier,
    misaligned,
    extra_arrival,
    ends_early,
    too_few_arrivals,
    other_operands,
};

constexpr int kStages = 2, kSteps = 5, kTileBytes = 64 * 128, kPipeline = 5 * 32;

/// a (64, 320) times b (64, 320) transposed, by one warp that loads and four that multiply.
void pipeline(const TensorMap& a, const TensorMap& b, Global<float> result, Mistake mistake) {
    const Shared<Barrier> full = shared_memory<Barrier>(0), empty = full + kStages;
    const auto tile = [&](int stage, int operand) {
        return shared_memory<Half>(kBarrierBytes + (stage * 2 + operand) * kTileBytes +
                                   (mistake == Mistake::misaligned ? 128 : 0));
    };
    if (thread_x() == 0) {
        for (int s = 0; s < kStages; ++s) {
            barrier_init(full + s, 1);
            barrier_init(empty + s, mistake == Mistake::too_few_arrivals ? 5 : 4);
        }
        if (mistake != Mistake::no_init_fence)
            fence_barrier_init();
    }
    if (mistake != Mistake::no_init_barrier)
        block_barrier();
    if (warp() == 4) {
        for (int step = 0; step < kSteps && lane() == 0; ++step) {
            const int s = step % kStages, round = step / kStages;
            if (mistake != Mistake::no_empty_wait)
                barrier_wait(empty + s, round + 1); // the first round finds the stages free
            const int off = mistake == Mistake::fewer_bytes  ? -128
                            : mistake == Mistake::more_bytes ? 128
                                                             : 0;
            barrier_arrive_expect(full + s, 2 * kTileBytes + off);
            tma_load_2d(tile(s, 0), a, step * 64, 0, full + s);
            tma_load_2d(tile(s, 1), b, step * 64, 0, full + s);
            if (mistake == Mistake::ends_early)
                break;
        }
        return;
    }
    if (mistake == Mistake::ends_early)
        return;
    float sum[32] = {};
    for (int step = 0; step < kSteps; ++step) {
        const int s = step % kStages, round = step / kStages;
        if (mistake == Mistake::wrong_phase && step == 2)
            barrier_wait(full + s, round + 1);
        else if (mistake != Mistake::no_full_wait &&
                 (mistake != Mistake::one_warp_waits || warp() == 0))
            barrier_wait(full + s, round);
        if (mistake != Mistake::no_fence || step == 0)
            wgmma_fence(sum);
        if (mistake == Mistake::written_after_fence && step == 1)
            sum[3] += 1;
        for (int k = 0; k < 64; k += 16) {
            const int own = mistake == Mistake::other_operands && thread_x() == 77 ? 0 : k;
            wgmma<Half, 64>(sum, rows_operand(tile(s, 0), own), rows_operand(tile(s, 1), k), true);
        }
        if (mistake != Mistake::no_commit)
            wgmma_commit();
        if (mistake == Mistake::early_release && lane() == 0)
            barrier_arrive(empty + s);
        if (mistake == Mistake::written_before_wait)
            sum[5] = 0;
        if (mistake == Mistake::not_named_wait)
            wgmma_wait<0>();
        if (mistake != Mistake::no_wgmma_wait || step + 1 < kSteps)
            wgmma_wait<0>(sum);
        if (mistake != Mistake::early_release && lane() == 0)
            barrier_arrive(empty + s);
        if (mistake == Mistake::extra_arrival && thread_x() == 1)
            barrier_arrive(empty + s);
    }
    for (int i = 0; i < 32; ++i)
        result[thread_x() * 32 + i] = sum[i];
}

/// How many of ten orders end with a fault, and the last message.
struct Outcome {
    int faults = 0;
    std::string message;
};

Outcome outcome_of(const std::function<void()>& body, unsigned threads, std::size_t shared_bytes) {
    Outcome outcome;
    for (std::uint64_t seed = 0; seed < 10; ++seed) {
        emulation::set_order_seed(seed);
        try {
            run(body, threads, shared_bytes);
        } catch (const Error& error) {
            CHECK(error.code() == ErrorCode::device_failure);
            outcome.message = error.what();
            ++outcome.faults;
        }
    }
    return outcome;
}

} // namespace

TEST_CASE("hopper: every mistake in a pipeline is a fault") {
    Memory<Half> a(64 * 320), b(64 * 320);
    Memory<float> d(128 * 32);
    fill(a, 4);
    fill(b, 8);
    const TensorMap a_map = make_tensor_map_2d(a.at(), DType::f16, 64, 320, 320, 64);
    const TensorMap b_map = make_tensor_map_2d(b.at(), DType::f16, 64, 320, 320, 64);
    const auto outcome = [&](Mistake mistake) {
        return outcome_of([&] { pipeline(a_map, b_map, d.at(), mistake); }, kPipeline,
                          kBarrierBytes + 2 * kStages * kTileBytes + 128);
    };
    const auto fails = [&](Mistake mistake, const char* message) {
        const Outcome got = outcome(mistake);
        CAPTURE(got.message);
        // Where the copies are quick, a block that ends early ends after them.
        CHECK((mistake == Mistake::ends_early ? got.faults > 0 : got.faults == 10));
        CHECK(says(got.message, message));
    };
    const Outcome good = outcome(Mistake::none);
    CHECK_MESSAGE(good.faults == 0, good.message);
    int wrong = 0;
    for (int row = 0; row < 64; ++row)
        for (int column = 0; column < 64; ++column) {
            float want = 0;
            for (int i = 0; i < 320; ++i)
                want +=
                    static_cast<float>(a[row * 320 + i]) * static_cast<float>(b[column * 320 + i]);
            wrong += accumulator(d, 64, row, column) != want;
        }
    CHECK(wrong == 0);

    fails(Mistake::no_full_wait, "wgmma, operand element");
    fails(Mistake::one_warp_waits, "wgmma, operand element");
    fails(Mistake::wrong_phase, "");
    fails(Mistake::fewer_bytes, "bytes");
    fails(Mistake::more_bytes, "waits for ever at a phase of an mbarrier");
    fails(Mistake::no_empty_wait, "");
    fails(Mistake::early_release, "");
    fails(Mistake::no_fence, "no wgmma_fence() has named");
    fails(Mistake::written_after_fence, "written to after the wgmma_fence()");
    fails(Mistake::no_commit, "has not been committed");
    fails(Mistake::no_wgmma_wait, "ends while a wgmma is under way");
    fails(Mistake::not_named_wait, "that ends it does not name");
    fails(Mistake::written_before_wait, "accumulators were written to before");
    fails(Mistake::no_init_fence, "fence_barrier_init()");
    fails(Mistake::no_init_barrier, "");
    fails(Mistake::misaligned, "no multiple of 1024");
    fails(Mistake::extra_arrival, "");
    fails(Mistake::ends_early, "asynchronous copies");
    fails(Mistake::too_few_arrivals, "waits for ever at a phase of an mbarrier");
    fails(Mistake::other_operands, "different operands");
}

TEST_CASE("hopper: what threads wrote is fenced before an asynchronous access") {
    Memory<Half> x(64 * 64);
    fill(x, 1);
    const TensorMap map = make_tensor_map_2d(x.at(), DType::f16, 64, 64, 64, 64);
    const auto kernel = [&](bool fenced) {
        load_two<Half>(map, 64, map, 64);
        const Shared<Half> tile = shared_memory<Half>(kBarrierBytes);
        for (int i = thread_x(); i < 64 * 8; i += threads_x())
            tile[i] = Half(0.0F);
        if (fenced)
            fence_proxy_async();
        block_barrier();
        float sum[32] = {};
        wgmma_fence(sum);
        wgmma<Half, 64>(sum, rows_operand(tile, 0), rows_operand(tile + 64 * 64, 0), true);
        wgmma_commit();
        wgmma_wait<0>(sum);
    };
    constexpr std::size_t kBytes = kBarrierBytes + 2 * kTileBytes;
    const Outcome good = outcome_of([&] { kernel(true); }, 128, kBytes);
    CHECK_MESSAGE(good.faults == 0, good.message);
    const Outcome bad = outcome_of([&] { kernel(false); }, 128, kBytes);
    CHECK(bad.faults == 10);
    CHECK(says(bad.message, "did not fence_proxy_async()"));
}

TEST_CASE("hopper: tensor maps are refused where TMA cannot read") {
    Memory<Half> x(64 * 64);
    CHECK_THROWS_AS(make_tensor_map_2d(x.at() + 1, DType::f16, 8, 64, 64, 64), Error);
    CHECK_THROWS_AS(make_tensor_map_2d(x.at(), DType::f16, 8, 60, 60, 64), Error);
    CHECK_THROWS_AS(make_tensor_map_2d(x.at(), DType::f16, 0, 64, 64, 64), Error);
    CHECK_THROWS_AS(make_tensor_map_2d(x.at(), DType::f16, 8, 64, 64, 257), Error);
    CHECK_THROWS_AS(make_tensor_map_2d(x.at(), DType::f32, 8, 64, 64, 64), Error);
    CHECK(takes_tensor_map(x.at(), 64));
    CHECK(!takes_tensor_map(x.at(), 60));
    CHECK(!takes_tensor_map(x.at() + 4, 64));
}

} // namespace clip::cuda
