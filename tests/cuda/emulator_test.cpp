// SPDX-License-Identifier: MIT
// The emulation catches what it says it does: each fault is made on purpose, beside the same kernel
// without it.
#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "backend/cuda/device_api.hpp"
#include "backend/cuda/emulation/emulator.hpp"
#include "base/error.hpp"

namespace clip::cuda {

namespace {

/// Device memory of a test.
template <typename T>
class Memory {
  public:
    explicit Memory(std::size_t count, bool written = false) : data_(count + 64) {
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

  private:
    std::vector<T> data_;
};

void run(const std::function<void()>& body, unsigned threads = 64, unsigned blocks = 1,
         std::size_t shared_bytes = 4096) {
    emulation::run_grid("test_kernel", {{blocks}, {threads}, shared_bytes}, body);
}

/// The message that running `body` ends with, under five orders of threads; empty without a fault.
std::string fault_of(const std::function<void()>& body, unsigned threads = 64, unsigned blocks = 1,
                     std::size_t shared_bytes = 4096) {
    std::string message;
    for (std::uint64_t seed = 0; seed < 5; ++seed) {
        emulation::set_order_seed(seed);
        try {
            run(body, threads, blocks, shared_bytes);
            CHECK_MESSAGE((seed == 0 || message.empty()), "an order of threads hid the fault");
        } catch (const Error& error) {
            CHECK(error.code() == ErrorCode::device_failure);
            CHECK_MESSAGE((seed == 0 || !message.empty()), "an order of threads shows a fault");
            message = error.what();
        }
    }
    return message;
}

bool says(const std::string& message, const std::string& part) {
    if (message.find(part) != std::string::npos)
        return true;
    MESSAGE(message);
    return false;
}

} // namespace

TEST_CASE("emulator: threads, barriers, shuffles and votes do what they do on a GPU") {
    Memory<int> result(64 * 3);
    const Global<int> y = result.at();
    CHECK(fault_of(
              [&] {
                  const Shared<int> s = shared_memory<int>(0);
                  s[thread_x()] = thread_x() * 10;
                  block_barrier();
                  int v = s[threads_x() - 1 - thread_x()];
                  for (int mask = 16; mask > 0; mask /= 2)
                      v += shuffle_xor(v, mask);
                  const unsigned odd = ballot(lane() % 2 == 1);
                  const int up = shuffle_up(lane(), 3), down = shuffle_down(lane(), 5);
                  const int first = shuffle(v, 0);
                  y[block_x() * 64 + thread_x()] =
                      first + (odd == 0xaaaaaaaaU ? 1 : 0) +
                      (up == (lane() < 3 ? lane() : lane() - 3)) +
                      (down == (lane() + 5 < 32 ? lane() + 5 : lane())) +
                      (any(lane() == 7) ? 1 : 0) + (all(lane() < 32) ? 1 : 0) +
                      (all(lane() < 31) ? 100 : 0);
              },
              64, 3)
              .empty());
    for (int i = 0; i < 64 * 3; ++i)
        CHECK(result.at()[i] == (i % 64 < 32 ? 15200 : 4960) + 5);
}

TEST_CASE("emulator: an access out of bounds names its place") {
    Memory<float> x(100, true);
    const Global<float> p = x.at();
    CHECK(says(fault_of([&] { p[100 + thread_x()] = 1.0F; }), "out of bounds: 4 bytes of global"));
    CHECK(says(fault_of([&] { p[thread_x() - 1] = 1.0F; }), "not allocated"));
    CHECK(says(fault_of([&] {
                   if (thread_x() == 0) {
                       const float read = p[100];
                       p[0] = read;
                   }
               }),
               "out of bounds"));
    CHECK(says(fault_of([] { shared_memory<float>(0)[1024 + thread_x()] = 0; }),
               "of 4096 of shared memory"));
    CHECK(says(fault_of([] { shared_memory<float>(2)[thread_x()] = 0; }), "misaligned"));
    CHECK(says(fault_of([&] { store<4>(p + 1, Vec<float, 4>{}); }, 32), "misaligned: 16 bytes"));
    CHECK(says(fault_of([&] {
                   const Global<float> null = nullptr;
                   null[0] = 1;
               }),
               "null pointer"));
}

TEST_CASE("emulator: reading what nobody wrote is a fault") {
    Memory<float> x(64), y(64);
    const Global<float> from = x.at(), to = y.at();
    const auto copy = [&] {
        const float v = from[thread_x()];
        to[thread_x()] = v;
    };
    CHECK(says(fault_of(copy), "never written"));
    emulation::mark_written(x.at(), 64 * sizeof(float));
    CHECK(fault_of(copy).empty());
    CHECK(emulation::is_written(y.at(), 64 * sizeof(float)));
    CHECK(says(fault_of([&] {
                   const float v = shared_memory<float>(0)[thread_x()];
                   to[thread_x()] = v;
               }),
               "read of shared memory that was never written"));
}

TEST_CASE("emulator: a missing barrier is a race, in global and in shared memory") {
    Memory<float> y(64);
    const Global<float> to = y.at();
    for (const bool barrier : {true, false}) {
        const auto reverse = [&](auto memory) {
            memory[thread_x()] = static_cast<float>(thread_x());
            if (barrier)
                block_barrier();
            const float v = memory[63 - thread_x()];
            if (barrier)
                block_barrier();
            memory[thread_x()] = v;
        };
        const std::string shared = fault_of([&] { reverse(shared_memory<float>(0)); });
        const std::string global = fault_of([&] { reverse(to); });
        CHECK((barrier ? shared.empty() : says(shared, "")));
        CHECK(shared.empty() == barrier);
        CHECK(global.empty() == barrier);
    }
    // A barrier of the warp orders its lanes, and nobody else.
    const auto within = [&](int distance) {
        return fault_of([&] {
            const Shared<float> s = shared_memory<float>(0);
            s[thread_x()] = 1.0F;
            warp_barrier();
            const float v = s[(thread_x() + distance) % 64];
            to[thread_x()] = v;
        });
    };
    CHECK(says(within(32), "race: written by thread"));
    CHECK(fault_of([&] {
              const Shared<float> s = shared_memory<float>(0);
              s[thread_x()] = 1.0F;
              warp_barrier();
              const float v = s[warp() * 32 + (lane() + 1) % 32];
              to[thread_x()] = v;
          }).empty());
}

TEST_CASE("emulator: writing over what others may still read is a race") {
    Memory<float> y(64);
    const Global<float> to = y.at();
    for (const bool barrier : {true, false}) {
        const std::string found = fault_of([&] {
            const Shared<float> s = shared_memory<float>(0);
            if (thread_x() == 0)
                s[0] = 1.0F;
            block_barrier();
            const float v = s[0];
            to[thread_x()] = v;
            if (barrier)
                block_barrier();
            if (thread_x() == 40)
                s[0] = 2.0F;
        });
        CHECK(found.empty() == barrier);
        if (!barrier)
            CHECK(says(found, "race: read by"));
    }
}

TEST_CASE("emulator: what all have read, its writer may read again behind a barrier") {
    Memory<float> y(65, true);
    const Global<float> to = y.at();
    for (const bool barrier : {true, false})
        for (const bool another : {true, false}) { // reads behind the barrier, too
            const std::string found = fault_of([&] {
                const float seen = to[64];
                to[thread_x()] = seen;
                if (barrier)
                    block_barrier();
                if (thread_x() == 40 || (another && thread_x() == 3)) {
                    const float again = to[64];
                    to[thread_x()] = again;
                }
                if (thread_x() == 40)
                    to[64] = 2.0F;
            });
            CHECK(found.empty() == (barrier && !another));
            if (!found.empty())
                CHECK(says(found, "race: "));
        }
}

TEST_CASE("emulator: blocks of a grid are not ordered") {
    Memory<float> y(64, true);
    const Global<float> to = y.at();
    CHECK(says(fault_of([&] { to[thread_x()] = static_cast<float>(block_x()); }, 64, 2), "race"));
    CHECK(says(fault_of(
                   [&] {
                       const float v = to[0];
                       if (block_x() == 1)
                           to[0] = v + 1;
                   },
                   32, 2),
               "race"));
    Memory<int> sum(1, true);
    *sum.at() = 0;
    const Global<int> counter = sum.at();
    CHECK(fault_of([&] { atomic_add(counter, 1); }, 64, 3).empty());
    CHECK(*sum.at() == 64 * 3 * 5);
}

TEST_CASE("emulator: a barrier or a shuffle that some threads never reach is divergence") {
    CHECK(says(fault_of([] {
                   if (thread_x() != 5)
                       block_barrier();
               }),
               "divergence: waits for ever at a barrier of the block"));
    CHECK(says(fault_of([] {
                   if (lane() < 16)
                       shuffle_xor(1, 1);
               }),
               "shuffle_xor"));
    CHECK(says(fault_of([] {
                   if (lane() < 16)
                       shuffle_xor(1, 1);
                   else
                       any(true);
               }),
               "divergence"));
    CHECK(fault_of([] {
              if (warp() == 0)
                  named_barrier(1, 32);
              else
                  named_barrier(2, 32);
          }).empty());
    CHECK(says(fault_of([] { named_barrier(1, 96); }), "a named barrier"));
}

TEST_CASE("emulator: an asynchronous copy is there when it has been waited for, and not before") {
    Memory<float> x(256, true), y(256);
    for (int i = 0; i < 256; ++i)
        x.at()[i] = static_cast<float>(i);
    const Global<float> from = x.at(), to = y.at();
    const auto copy = [&](bool wait, bool barrier, int bytes) {
        return fault_of([&, wait, barrier, bytes] {
            const Shared<float> s = shared_memory<float>(0);
            copy_async(s + thread_x() * 4, from + thread_x() * 4, bytes);
            copy_async_commit();
            if (wait)
                copy_async_wait<0>();
            if (barrier)
                block_barrier();
            const int other = barrier ? 63 - thread_x() : thread_x();
            const Vec<float, 4> v = load<4>(s + other * 4);
            store<4>(to + other * 4, v);
        });
    };
    CHECK(copy(true, true, 16).empty());
    for (int i = 0; i < 256; ++i)
        CHECK(y.at()[i] == static_cast<float>(i));
    CHECK(copy(true, true, 8).empty());
    for (int i = 0; i < 256; ++i)
        CHECK(y.at()[i] == (i % 4 < 2 ? static_cast<float>(i) : 0.0F));
    CHECK(copy(true, false, 0).empty()); // one's own copy needs no barrier
    CHECK(says(copy(false, true, 16), "before the asynchronous copy"));
    CHECK(says(fault_of([&] {
                   const Shared<float> s = shared_memory<float>(0);
                   store<4>(s + thread_x() * 4, Vec<float, 4>{});
                   block_barrier();
                   copy_async(s + thread_x() * 4, from + thread_x() * 4, 16);
                   copy_async_commit();
                   copy_async_wait<0>();
                   const float v = s[(thread_x() * 4 + 128) % 256];
                   to[thread_x()] = v;
               }),
               "shared memory"));
    for (const int bytes : {16, 0})
        CHECK(says(fault_of(
                       [&] {
                           copy_async(shared_memory<float>(0) + thread_x() * 4,
                                      from + thread_x() * 4 + 1, bytes);
                       },
                       32),
                   "misaligned"));
    // Two groups in flight: waiting for all but one says nothing of the second.
    CHECK(says(fault_of([&] {
                   const Shared<float> s = shared_memory<float>(0);
                   copy_async(s + thread_x() * 4, from + thread_x() * 4, 16);
                   copy_async_commit();
                   copy_async(s + 256 + thread_x() * 4, from + thread_x() * 4, 16);
                   copy_async_commit();
                   copy_async_wait<1>();
                   const float first = s[thread_x() * 4], second = s[256 + thread_x() * 4];
                   to[thread_x()] = first + second;
               }),
               "before the asynchronous copy"));
}

TEST_CASE("emulator: threads run in other orders under other seeds") {
    std::set<std::vector<int>> orders;
    for (std::uint64_t seed = 0; seed < 5; ++seed) {
        std::vector<int> order;
        emulation::set_order_seed(seed);
        run([&] { order.push_back(thread_x()); });
        CHECK(order.size() == 64);
        orders.insert(order);
        run([&] { order.push_back(thread_x()); });
    }
    CHECK(orders.size() == 5);
}

TEST_CASE("emulator: a shape that no GPU launches is refused") {
    const auto code = [](const emulation::Grid& grid) {
        try {
            emulation::run_grid("test_kernel", grid, [] {});
        } catch (const Error& error) {
            return error.code();
        }
        return ErrorCode::internal;
    };
    CHECK(code({{1}, {33}, 0}) == ErrorCode::invalid_argument);
    CHECK(code({{1}, {2048}, 0}) == ErrorCode::invalid_argument);
    CHECK(code({{0}, {32}, 0}) == ErrorCode::invalid_argument);
    CHECK(code({{1, 70000}, {32}, 0}) == ErrorCode::invalid_argument);
    CHECK(code({{1}, {32}, 300000}) == ErrorCode::invalid_argument);
}

TEST_CASE("emulator: a foreign exception comes out of the launch as it is, and the next one runs") {
    CHECK_THROWS_AS(run([] { throw std::bad_alloc(); }), std::bad_alloc);
    CHECK(fault_of([] { block_barrier(); }).empty());
}

} // namespace clip::cuda
