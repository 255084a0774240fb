// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "tensor/arena.hpp"

using namespace clip;

namespace {

/// The host's memory under another name, which counts what is alive.
class CountedMemory final : public Memory {
  public:
    Device device() const override { return {Device::Kind::cuda, 3}; }
    void* allocate(std::size_t bytes) override {
        ++alive;
        return host_memory().allocate(bytes + 256);
    }
    void release(void* at, std::size_t) noexcept override {
        --alive;
        host_memory().release(at, 0);
    }
    void upload(void* to, const void* from, std::size_t bytes) override {
        ++uploads;
        host_memory().upload(to, from, bytes);
    }
    void download(void* to, const void* from, std::size_t bytes) override {
        host_memory().download(to, from, bytes);
    }
    void copy(void* to, const void* from, std::size_t bytes) override {
        host_memory().copy(to, from, bytes);
    }
    void clear(void* at, std::size_t bytes) override { host_memory().clear(at, bytes); }

    int alive = 0, uploads = 0;
};

} // namespace

TEST_CASE("tensor: views say where its memory is, and it goes back there once") {
    CountedMemory memory;
    {
        Tensor first(Shape{4}, DType::f16, memory);
        CHECK(first.view().device == Device{Device::Kind::cuda, 3});
        CHECK(part_of(first.view(), 1, Shape{2}).data == first.as<Half>() + 1);
        CHECK(part_of(first.view(), 1, Shape{2}).device == first.device());
        Tensor second(Shape{8}, DType::f32, memory);
        CHECK(memory.alive == 2);
        first = std::move(second);
        CHECK(memory.alive == 1);
        CHECK(first.numel() == 8);
        const Tensor third = std::move(first);
        CHECK(memory.alive == 1);
        CHECK(third.device() == Device{Device::Kind::cuda, 3});
    }
    CHECK(memory.alive == 0);
    CHECK(Tensor().device() == Device{});
}

TEST_CASE("tensor: goes to another memory and back") {
    CountedMemory memory;
    Tensor host(Shape{3});
    for (int i = 0; i < 3; ++i)
        host.f32()[i] = static_cast<float>(i);
    const Tensor there = to_memory(host.view(), memory);
    CHECK(memory.uploads == 1);
    const Tensor back = download(there, memory);
    CHECK(std::vector<float>(back.f32(), back.f32() + 3) == std::vector<float>{0, 1, 2});
    CHECK(back.device() == Device{});
    const float* before = host.f32();
    const Tensor same = to_memory(std::move(host), host_memory());
    CHECK(same.f32() == before);
    CHECK_THROWS_AS(download(same, memory), const Error&);
}

TEST_CASE("arena: its tensors are where it is told, each at a multiple of 256 bytes on a device") {
    CountedMemory memory;
    {
        Arena arena(memory);
        const MutView one = arena.take(Shape{3}), two = arena.take(Shape{5});
        CHECK(one.device == Device{Device::Kind::cuda, 3});
        CHECK(static_cast<std::byte*>(two.data) - static_cast<std::byte*>(one.data) == 256);
    }
    CHECK(memory.alive == 0);
}
