// SPDX-License-Identifier: MIT
// The host side on the emulated machine: what goes wrong and how it is told, memory that is kept,
// uploads that overlap, spans that are sent once, work that is recorded and played.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "backend/cuda/context.hpp"
#include "backend/cuda/cuda_backend.hpp"
#include "backend/cuda/device_api.hpp"
#include "backend/cuda/emulation/machine.hpp"
#include "base/error.hpp"
#include "support/cases.hpp"

namespace clip::cuda {

namespace {

using emulation::Machine;

/// The machine of a test; the usual one is back after it.
struct On {
    explicit On(const Machine& machine) { emulation::set_machine(machine); }
    explicit On(std::string_view text) : On(emulation::parse_machine(text)) {}
    ~On() { emulation::set_machine({}); }
};

CLIP_KERNEL(32, 1)
void add_one_kernel(Global<float> y, Global<const float> x, std::int64_t count) {
    const std::int64_t i = std::int64_t{block_x()} * threads_x() + thread_x();
    if (i < count)
        y[i] = x[i] + 1;
}

void add_one(Context& context, float* y, const float* x, std::int64_t count) {
    context.launch("add_one", add_one_kernel,
                   {.grid = {static_cast<unsigned>((count + 31) / 32)}, .block = {32}}, y, x,
                   count);
}

Context make_context(int device = 0) {
    static ThreadPool pool(2);
    return Context(device, {}, pool);
}

std::string message_of(ErrorCode code, const std::function<void()>& call) {
    try {
        call();
    } catch (const Error& error) {
        CHECK(error_code_name(error.code()) == error_code_name(code));
        return error.what();
    }
    FAIL_CHECK("nothing was thrown");
    return "";
}

std::vector<float> ramp(std::size_t count) {
    std::vector<float> values(count);
    std::iota(values.begin(), values.end(), 0.0F);
    return values;
}

std::vector<float> download(Context& context, const void* from, std::size_t count) {
    std::vector<float> values(count);
    context.memory().download(values.data(), from, count * sizeof(float));
    return values;
}

} // namespace

TEST_CASE("cuda device: what stands in the way of it is named") {
    const auto why = [](std::string_view machine, int device) {
        const On on(machine);
        return message_of(ErrorCode::unsupported, [&] { open_device(device); });
    };
    CHECK(why("driver=none", 0) == "use cuda:0: there is no NVIDIA driver on this machine");
    CHECK(why("driver=old", 0) == "use cuda:0: the NVIDIA driver is too old (it knows CUDA 11.4, "
                                  "want 13.0 or newer)");
    CHECK(why("devices=0", 0) == "use cuda:0: the NVIDIA driver sees no GPU");
    CHECK(why("devices=1", 7) == "use cuda:7: there is no such GPU (there is 1, numbered from 0)");
    CHECK(why("devices=3", 3) == "use cuda:3: there is no such GPU (there are 3, numbered from 0)");
    CHECK(why("capability=75", 0) == "use cuda:0: emulated GPU is too old (it has compute "
                                     "capability 7.5, want 8.0 or newer)");
    const On on("devices=2,capability=89");
    CHECK(open_device(1).capability() == 89);
}

TEST_CASE("emulated machine: words that it does not know are refused") {
    for (const char* wrong :
         {"gpus=1", "devices", "devices=x", "memory=1T", "driver=new", "lazy=1k"})
        message_of(ErrorCode::invalid_argument, [&] { emulation::parse_machine(wrong); });
    CHECK(emulation::parse_machine("memory=64M").memory_bytes == std::size_t{64} << 20);
}

TEST_CASE("cuda launch: a refused kernel is named, and the next one runs") {
    const On on("fail_launch=2");
    Context context = make_context();
    const std::vector<float> x = ramp(100);
    auto* at = static_cast<float*>(context.memory().allocate(400));
    context.memory().upload(at, x.data(), 400);
    add_one(context, at, at, 100);
    const std::string said =
        message_of(ErrorCode::device_failure, [&] { add_one(context, at, at, 100); });
    CHECK(said.starts_with("cuda: run kernel add_one: "));
    add_one(context, at, at, 100);
    CHECK(download(context, at, 100)[99] == 101);
    add_one(context, at, at, 0); // no block, no launch
    CHECK(emulation::counts().launches == 3);
    context.memory().release(at, 400);
}

TEST_CASE("cuda launch: more threads than a block has, or more shared memory, are refused") {
    const On on("");
    Context context = make_context();
    auto* at = static_cast<float*>(context.memory().allocate(4));
    const auto refused = [&](const LaunchShape& shape) {
        message_of(ErrorCode::device_failure,
                   [&] { context.launch("add_one", add_one_kernel, shape, at, at, 1); });
    };
    refused({.grid = {1}, .block = {1056}});
    refused({.grid = {1, 65536}, .block = {32}});
    // What is launched for sm_80 runs on cards with 99 KiB, too.
    refused({.grid = {1}, .block = {32}, .shared_bytes = 100 << 10});
    context.memory().release(at, 4);
    const On hopper("capability=90");
    refused({.grid = {1}, .block = {32}, .shared_bytes = 228 << 10});
    context.launch("add_one", add_one_kernel,
                   {.grid = {1}, .block = {32}, .shared_bytes = 227 << 10}, nullptr, nullptr, 0);
}

TEST_CASE("cuda launch: the thread's device is not that of the stream") {
    const On on("devices=2");
    Context first = make_context(0);
    Context second = make_context(1); // from here on this thread's device
    auto* at = static_cast<float*>(second.memory().allocate(4));
    second.memory().clear(at, 4);
    add_one(second, at, at, 1);
    const std::string said =
        message_of(ErrorCode::device_failure, [&] { add_one(first, at, at, 1); });
    CHECK(said.find("invalid resource handle") != std::string::npos);
    set_device(0);
    add_one(first, at, at, 1);
    second.memory().release(at, 4);
}

TEST_CASE("cuda launch: a kernel that faults is told of at the next wait, and ever after") {
    const On on("fault_launch=1");
    Context context = make_context();
    auto* at = static_cast<float*>(context.memory().allocate(128));
    context.memory().clear(at, 128);
    add_one(context, at, at, 32);
    for (int i = 0; i < 2; ++i) {
        const std::string said =
            message_of(ErrorCode::device_failure, [&] { context.stream().synchronise(); });
        CHECK(said.find("cudaErrorIllegalAddress") != std::string::npos);
    }
    message_of(ErrorCode::device_failure, [&] { context.memory().allocate(std::size_t{1} << 30); });
    message_of(ErrorCode::device_failure, [&] { add_one(context, at, at, 32); });
}

TEST_CASE("cuda memory: freed blocks are handed out again, and given back where room is short") {
    // Contexts of other tests may hold memory.
    const std::size_t held = emulation::counts().memory_bytes;
    const On on({.memory_bytes = held + (std::size_t{100} << 20)});
    DeviceAllocator allocator;
    void* first = allocator.allocate(std::size_t{40} << 20);
    void* small = allocator.allocate(1000);
    CHECK(reinterpret_cast<std::uintptr_t>(small) % 256 == 0);
    allocator.release(first);
    CHECK(allocator.kept_bytes() == std::size_t{40} << 20);
    CHECK(allocator.allocate((std::size_t{39} << 20)) == first); // nearly its size
    CHECK(allocator.device_allocations() == 2);
    allocator.release(first);
    void* other = allocator.allocate(std::size_t{10} << 20); // much smaller: the large one is kept
    CHECK(other != first);
    CHECK(emulation::counts().allocations == 3);
    void* large = allocator.allocate(std::size_t{80} << 20); // the kept one has to go
    CHECK(allocator.kept_bytes() == 0);
    const std::string said =
        message_of(ErrorCode::out_of_memory, [&] { allocator.allocate(std::size_t{20} << 20); });
    CHECK(said.starts_with("cuda: allocate device memory: no room for 20971520 bytes ("));
    CHECK(said.ends_with(" MiB are free, this run has 90)"));
    allocator.release(large);
    allocator.release(other);
    allocator.release(small);
    CHECK(allocator.used_bytes() == 0);
    CHECK(allocator.peak_bytes() > std::size_t{90} << 20);
    allocator.trim();
    CHECK(emulation::counts().memory_bytes == held);
}

TEST_CASE("cuda memory: an allocation that fails leaves everything as it was") {
    const On on("fail_allocation=2");
    DeviceAllocator allocator;
    void* at = allocator.allocate(100);
    message_of(ErrorCode::out_of_memory, [&] { allocator.allocate(2000); });
    CHECK(allocator.used_bytes() == 512);
    void* again = allocator.allocate(2000);
    allocator.release(again);
    allocator.release(at);
}

TEST_CASE("cuda workspace: scopes nest, and a second round allocates nothing") {
    const On on("");
    Context context = make_context();
    const auto round = [&] {
        Workspace::Scope outer(context.workspace());
        auto* a = outer.take<float>(3 << 20);
        {
            Workspace::Scope inner(context.workspace());
            auto* b = inner.take<float>(4 << 20);
            CHECK(b != a);
        }
        auto* c = outer.take<std::int64_t>(1);
        CHECK(reinterpret_cast<std::uintptr_t>(c) % 256 == 0);
        CHECK(static_cast<void*>(c) != a);
    };
    round();
    CHECK(context.workspace().generation() == 1); // several blocks became one
    const std::uint64_t before = emulation::counts().allocations;
    round();
    round();
    CHECK(emulation::counts().allocations == before);
    CHECK(context.workspace().generation() == 1);
}

TEST_CASE("cuda transfer: sources may be used at once, and what is queued sees its own bytes") {
    // A lazy machine runs nothing before somebody waits: what forgets to wait reads other bytes.
    for (const char* machine : {"lazy=0", "lazy=1"}) {
        const On on(machine);
        INFO(machine);
        Context context = make_context();
        for (const std::size_t count :
             {std::size_t{1}, std::size_t{16384}, std::size_t{16385}, std::size_t{5'000'001}}) {
            const std::size_t bytes = count * sizeof(float);
            auto* at = static_cast<float*>(context.memory().allocate(bytes));
            std::vector<void*> copies;
            for (int batch = 0; batch < 5; ++batch) {
                std::vector<float> source(count, static_cast<float>(batch));
                context.memory().upload(at, source.data(), bytes);
                std::fill(source.begin(), source.end(), -1.0F);
                // Batch after batch goes to one place, and each is used before the next is there.
                copies.push_back(context.memory().allocate(bytes));
                context.memory().copy(copies.back(), at, bytes);
            }
            for (std::size_t batch = 0; batch < copies.size(); ++batch) {
                const std::vector<float> got = download(context, copies[batch], count);
                CHECK(got == std::vector<float>(count, static_cast<float>(batch)));
                context.memory().release(copies[batch], bytes);
            }
            context.memory().release(at, bytes);
        }
    }
}

TEST_CASE("cuda transfer: parts come to lie one behind the other") {
    for (const char* machine : {"lazy=0", "lazy=1"}) {
        const On on(machine);
        Context context = make_context();
        // Once in two pieces (8 MiB), and once in many parts; borders lie anywhere in both.
        for (const std::size_t largest : {Transfer::kLargestPart, (std::size_t{1} << 20) + 7}) {
            Transfer transfer(context.allocator(), context.stream(), context.pool(), largest);
            std::vector<std::vector<std::byte>> sources;
            std::vector<std::byte> joined;
            for (const std::size_t bytes : {0, 1, 3, 70'000, 9'000'001, 0, 0, 2, 600'000, 0}) {
                sources.emplace_back(bytes);
                for (std::byte& byte : sources.back()) {
                    byte = static_cast<std::byte>(joined.size() * 2654435761U >> 24U);
                    joined.push_back(byte);
                }
            }
            const std::vector<HostBytes> parts(sources.begin(), sources.end());
            const DeviceBuffer to(context.allocator(), joined.size());
            transfer.upload(to.data(), parts);
            CHECK(transfer.uploads() == (joined.size() + largest - 1) / largest);
            for (std::vector<std::byte>& source : sources)
                std::ranges::fill(source, std::byte{0});
            std::vector<std::byte> got(joined.size());
            transfer.download(got.data(), to.data(), got.size());
            CHECK((got == joined)); // not to be printed
            transfer.upload(nullptr, std::span<const HostBytes>{});
        }
    }
}

TEST_CASE("cuda spans: what was sent is not sent again; what is used least goes first") {
    const On on("lazy=1");
    Context context = make_context();
    SpanCache cache(context.allocator(), context.transfer(), 10 * 800);
    const auto numbers = [](std::int64_t first) {
        std::vector<std::int64_t> made(100);
        std::iota(made.begin(), made.end(), first);
        return made;
    };
    const auto put = [&](std::int64_t first) {
        const std::vector<std::int64_t> bytes_of = numbers(first);
        return cache.put(std::as_bytes(std::span(bytes_of)));
    };
    const void* zero = put(0);
    CHECK(put(0) == zero);
    CHECK(cache.uploads() == 1);
    for (std::int64_t i = 1; i < 10; ++i)
        put(i);
    CHECK(put(0) == zero);
    CHECK(cache.uploads() == 10);
    put(10); // no room: 1 was used longest ago
    CHECK(cache.held_bytes() == 8000);
    CHECK(put(0) == zero);
    CHECK(cache.uploads() == 11);
    put(1);
    CHECK(cache.uploads() == 12);

    std::vector<SpanCache::Pin> pins;
    cache.collect(&pins);
    const void* pinned = put(5);
    cache.collect(nullptr);
    for (std::int64_t i = 20; i < 40; ++i)
        put(i);
    std::vector<std::int64_t> got(100);
    context.memory().download(got.data(), pinned, 800);
    CHECK(got == numbers(5)); // gone from the cache, but not from memory
}

TEST_CASE("cuda repeat: runs, records, plays; contents may change, and errors come through") {
    for (const char* machine : {"lazy=0", "lazy=1"}) {
        const On on(machine);
        Context context = make_context();
        const std::vector<float> x = ramp(100);
        auto* from = static_cast<float*>(context.memory().allocate(400));
        auto* to = static_cast<float*>(context.memory().allocate(400));
        int runs = 0;
        const std::vector<std::int64_t> places = {1, 2, 3};
        const auto body = [&] {
            ++runs;
            context.on_device(std::span(places));
            Workspace::Scope scope(context.workspace());
            auto* between = scope.take<float>(100);
            add_one(context, between, from, 100);
            add_one(context, to, between, 100);
        };
        const RepeatKey key{.owner = &context, .parts = {1}};
        for (int i = 0; i < 5; ++i) {
            std::vector<float> now = x;
            now[7] = static_cast<float>(1000 * i);
            context.memory().upload(from, now.data(), 400);
            context.graphs().repeat(key, body);
            const std::vector<float> got = download(context, to, 100);
            CHECK(got[7] == static_cast<float>(1000 * i + 2));
            CHECK(got[99] == 101);
        }
        CHECK(runs == 2);
        CHECK(context.graphs().recorded() == 1);
        CHECK(context.graphs().played() == 4);
        CHECK(emulation::counts().graph_launches == 4);
        context.graphs().forget(&context);
        context.graphs().repeat(key, body);
        CHECK(runs == 3);
        message_of(ErrorCode::invalid_argument, [&] {
            for (int i = 0; i < 2; ++i)
                context.graphs().repeat({.owner = &key}, [&] {
                    if (i == 1)
                        fail(ErrorCode::invalid_argument, "of the body");
                });
        });
        CHECK_FALSE(context.stream().capturing());
        context.memory().release(from, 400);
        context.memory().release(to, 400);
    }
}

TEST_CASE("cuda repeat: work that cannot be recorded runs every time") {
    const On on("");
    Context context = make_context();
    const std::vector<float> x = ramp(100);
    auto* at = static_cast<float*>(context.memory().allocate(400));
    int runs = 0;
    const auto repeat = [&](std::uintptr_t which, const std::function<void()>& more) {
        runs = 0;
        context.memory().upload(at, x.data(), 400);
        for (int i = 0; i < 6; ++i)
            context.graphs().repeat({.owner = &context, .parts = {which}}, [&] {
                ++runs;
                more();
                add_one(context, at, at, 100);
            });
        CHECK(download(context, at, 100)[99] == 105);
    };
    const std::uint64_t played = context.graphs().played();
    std::vector<float> host(100);
    repeat(1, [&] { context.memory().download(host.data(), at, 400); });
    CHECK(runs == 9); // three of them in vain
    repeat(2, [&] { context.memory().release(context.memory().allocate(64), 64); });
    CHECK(context.graphs().played() == played);
    emulation::set_machine({.no_graphs = true});
    repeat(3, [] {});
    CHECK(context.graphs().played() == played);
    context.memory().release(at, 400);
}

TEST_CASE("cuda repeat: a workspace that moved makes recorded work stale") {
    const On on("");
    Context context = make_context();
    auto* at = static_cast<float*>(context.memory().allocate(400));
    context.memory().clear(at, 400);
    int runs = 0;
    const auto play = [&] {
        context.graphs().repeat({.owner = &context}, [&] {
            ++runs;
            Workspace::Scope scope(context.workspace());
            auto* between = scope.take<float>(100);
            add_one(context, between, at, 100);
            add_one(context, at, between, 100);
        });
    };
    play();
    play();
    play();
    CHECK(runs == 2);
    {
        Workspace::Scope scope(context.workspace());
        scope.take<float>(100);
        scope.take<float>(4 << 20);
    }
    play();
    CHECK(runs == 3);
    play();
    CHECK(runs == 3);
    CHECK(download(context, at, 100)[50] == 10);
    context.memory().release(at, 400);
}

TEST_CASE("cuda backend: a lost device does not keep the process from ending it") {
    const On on("fault_launch=1");
    static ThreadPool pool(1);
    auto backend = std::make_unique<CudaBackend>(0, CudaOptions{}, pool);
    auto* at = static_cast<float*>(backend->memory().allocate(128));
    add_one(backend->context(), at, at, 32);
    backend->memory().release(at, 128);
    CHECK_NOTHROW(backend.reset());
}

} // namespace clip::cuda
