// SPDX-License-Identifier: MIT
// How pictures come to the device; that their numbers are right is tests/ops' to say.
#include <doctest/doctest.h>

#include <vector>

#include "backend/cuda/cuda_backend.hpp"
#include "backend/cuda/emulation/machine.hpp"
#include "ops/preprocess.hpp"
#include "support/cases.hpp"
#include "support/source_pictures.hpp"
#include "tensor/tensor.hpp"

using namespace clip;
using namespace clip::test;

namespace {

/// What it took to prepare a batch.
struct Taken {
    std::uint64_t uploads, launches;
    bool right; ///< whether the result is the host's
};

Taken prepare(const SourcePictures& pictures) {
    ThreadPool pool(2);
    cuda::CudaBackend backend(0, {}, pool);
    const std::int64_t count = std::ssize(pictures.sources());
    Tensor y(pictures.shape(count), DType::f32, backend.memory());
    const std::uint64_t uploads = backend.context().transfer().uploads();
    const std::uint64_t launches = cuda::emulation::counts().launches;
    ops::preprocess(backend, pictures.args(y));
    Taken taken{backend.context().transfer().uploads() - uploads,
                cuda::emulation::counts().launches - launches, false};
    const Tensor got = download(y, backend.memory());
    const std::vector<float> values(got.f32(), got.f32() + got.numel());
    taken.right = compare_bits(values, pictures.expected(values)).ok;
    return taken;
}

} // namespace

TEST_CASE("cuda preprocess: a batch is one upload and two launches, whatever its pictures") {
    SourcePictures pictures({.size = 8});
    for (int i = 0; i < 40; ++i)
        pictures.add(5 + i * 13 % 37, 4 + i * 7 % 29, i % 3 == 0 ? Crop::none : Crop::center, i);
    const Taken taken = prepare(pictures);
    CHECK(taken.right);
    CHECK(taken.uploads == 1);
    CHECK(taken.launches == 2);
}

TEST_CASE("cuda preprocess: what is more than 64 MiB together goes in several uploads") {
    // Of wide pictures a crop keeps little, so that there is little to compute.
    SUBCASE("bytes that go up") {
        SourcePictures pictures({.size = 2});
        for (int i = 0; i < 4; ++i) // 30 MB each, then a small one
            pictures.add(i == 3 ? 10 : 1'000'000 + i, 10, Crop::center, i);
        const Taken taken = prepare(pictures);
        CHECK(taken.right);
        CHECK(taken.uploads == 2); // two pictures each
        CHECK(taken.launches == 4);
    }
    SUBCASE("one picture is more than that") {
        SourcePictures pictures({.size = 2});
        pictures.add(9, 9, Crop::center, 1);
        pictures.add(2'400'000, 10, Crop::center, 0);
        pictures.add(9, 9, Crop::none, 2);
        const Taken taken = prepare(pictures);
        CHECK(taken.right);
        CHECK(taken.uploads == 3);
    }
    SUBCASE("lines of which nothing is taken stay where they are") {
        SourcePictures pictures({.size = 2});
        for (int i = 0; i < 3; ++i)
            pictures.add(10, 1'000'000, Crop::center, i);
        const Taken taken = prepare(pictures);
        CHECK(taken.right);
        CHECK(taken.uploads == 1);
    }
}
