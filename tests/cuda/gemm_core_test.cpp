// SPDX-License-Identifier: MIT
// The product of gemm_core.hpp by itself: each kind of product, layout, tile shape and loader,
// against sums in double; the same bits whatever the shape, the loader and the company of a row.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "backend/cuda/context.hpp"
#include "backend/cuda/emulation/emulator.hpp"
#include "backend/cuda/gemm_core.hpp"
#include "backend/cuda/gemm_epilogue.hpp"
#include "base/concat.hpp"
#include "support/cases.hpp"

using namespace clip;
using namespace clip::cuda;
using namespace clip::test;

namespace {

Context& context() {
    static ThreadPool pool(1);
    static auto* instance = new Context(0, {}, pool); // never gone: the device goes first
    return *instance;
}

/// A matrix (lines, width) of T on the device, its rows `pitch` apart, NaN between them.
template <typename T>
struct Placed {
    Placed(const std::vector<float>& values, std::int64_t line_count, std::int64_t line_width,
           std::int64_t line_pitch)
        : lines(line_count), width(line_width), pitch(line_pitch),
          memory(context().allocator(), static_cast<std::size_t>(lines * pitch) * sizeof(T)) {
        std::vector<T> host(static_cast<std::size_t>(lines * pitch),
                            T(std::numeric_limits<float>::quiet_NaN()));
        for (std::int64_t i = 0; i < lines; ++i)
            for (std::int64_t j = 0; j < width; ++j)
                host[static_cast<std::size_t>(i * pitch + j)] =
                    T(values[static_cast<std::size_t>(i * width + j)]);
        context().transfer().upload(memory.data(), host.data(), host.size() * sizeof(T));
    }
    template <typename Loader>
    Loader loader() const {
        return {Global<const T>(static_cast<const T*>(memory.data())), lines, width, pitch};
    }

    std::int64_t lines, width, pitch;
    DeviceBuffer memory;
};

template <typename T>
std::vector<float> rounded(std::vector<float> values) {
    for (float& value : values)
        value = static_cast<float>(T(value));
    return values;
}

std::vector<float> transposed(const std::vector<float>& x, std::int64_t rows, std::int64_t width) {
    std::vector<float> y(x.size());
    for (std::int64_t i = 0; i < rows; ++i)
        for (std::int64_t j = 0; j < width; ++j)
            y[static_cast<std::size_t>(j * rows + i)] = x[static_cast<std::size_t>(i * width + j)];
    return y;
}

/// a (M, K), b (N, K) and a b^T in double.
struct Problem {
    std::int64_t m, n, k;
    std::vector<float> a, b;

    template <typename T>
    static Problem make(std::int64_t m, std::int64_t n, std::int64_t k) {
        return {m, n, k, rounded<T>(values(m * k, 1)), rounded<T>(values(n * k, 2))};
    }
    template <typename T>
    std::vector<T> solve() const {
        std::vector<T> y(static_cast<std::size_t>(m * n));
        for (std::int64_t i = 0; i < m; ++i)
            for (std::int64_t j = 0; j < n; ++j) {
                T sum = 0;
                for (std::int64_t l = 0; l < k; ++l)
                    sum += static_cast<T>(a[static_cast<std::size_t>(i * k + l)]) *
                           static_cast<T>(b[static_cast<std::size_t>(j * k + l)]);
                y[static_cast<std::size_t>(i * n + j)] = sum;
            }
        return y;
    }
};

enum class How { wide, narrow, elements };

template <typename Math, How Which>
struct ShapeOf {
    using Type = ElementShape;
};
template <typename Math>
struct ShapeOf<Math, How::wide> {
    using Type = std::conditional_t<Math::kSplit, WideSplitShape, WideShape>;
};
template <typename Math>
struct ShapeOf<Math, How::narrow> {
    using Type = std::conditional_t<Math::kSplit, NarrowSplitShape, NarrowShape>;
};

template <typename Math, How Which, bool AContiguous, bool BContiguous>
std::vector<float> multiply(const Problem& p) {
    using T = typename Math::Element;
    using Shape = typename ShapeOf<Math, Which>::Type;
    constexpr bool kElements = Which == How::elements;
    constexpr auto kChunk = static_cast<std::int64_t>(16 / sizeof(T));
    const auto pitch = [&](std::int64_t width) {
        return kElements ? width + 1 : (width + kChunk - 1) / kChunk * kChunk;
    };
    const auto place = [&](const std::vector<float>& x, std::int64_t rows, bool contiguous) {
        return contiguous ? Placed<T>(x, rows, p.k, pitch(p.k))
                          : Placed<T>(transposed(x, rows, p.k), p.k, rows, pitch(rows));
    };
    const Placed<T> a = place(p.a, p.m, AContiguous), b = place(p.b, p.n, BContiguous);
    const auto count = static_cast<std::size_t>(p.m * p.n);
    const DeviceBuffer y(context().allocator(), count * sizeof(float));
    ForwardEpilogue epilogue;
    epilogue.y = {y.data(), DType::f32, p.n};
    const GemmExtents extents{p.m, p.n, p.k, p.k};
    const auto run = [&]<typename A, typename B>(const A& from_a, const B& from_b) {
        launch_gemm_shape<Shape, Math>(context(), "gemm", extents, from_a, from_b, epilogue);
    };
    if constexpr (kElements)
        run(a.template loader<ElementLoader<T, T, AContiguous>>(),
            b.template loader<ElementLoader<T, T, BContiguous>>());
    else
        run(a.template loader<MatrixLoader<T, AContiguous>>(),
            b.template loader<MatrixLoader<T, BContiguous>>());
    std::vector<float> result(count);
    context().transfer().download(result.data(), y.data(), count * sizeof(float));
    return result;
}

/// All shapes and layouts of one product: right, and the same bits.
template <typename Math>
void check_math(const char* name, const Problem& p, bool rough = false) {
    CAPTURE(p.m);
    CAPTURE(p.n);
    CAPTURE(p.k);
    const auto first = multiply<Math, How::wide, true, true>(p);
    // One TF32 product has 10 bits: as f16 has.
    const Comparison right = compare(first, p.solve<double>(), p.solve<float>(),
                                     rough ? DType::f16 : DType::f32, rough ? 1e-5 : 1e-7);
    if (!right.ok)
        FAIL_CHECK(concat(name, ": ", right.problem));
    const auto same = [&](const char* what, const std::vector<float>& other) {
        const Comparison bits = compare_bits(other, first);
        if (!bits.ok)
            FAIL_CHECK(concat(name, ", ", what, ": ", bits.problem));
    };
    same("narrow", multiply<Math, How::narrow, true, true>(p));
    same("elements", multiply<Math, How::elements, true, true>(p));
    same("wide, b across", multiply<Math, How::wide, true, false>(p));
    same("narrow, a across", multiply<Math, How::narrow, false, true>(p));
    same("wide, both across", multiply<Math, How::wide, false, false>(p));
    same("elements, both across", multiply<Math, How::elements, false, false>(p));
}

constexpr std::int64_t kSizes[][3] = {{1, 1, 1},    {7, 31, 33},    {33, 64, 100},
                                      {64, 7, 129}, {100, 129, 31}, {129, 100, 64},
                                      {31, 33, 7},  {130, 140, 200}};

} // namespace

TEST_CASE("gemm: every kind of product in every shape and layout") {
    for (const auto& [m, n, k] : kSizes) {
        check_math<Math16<Half>>("f16", Problem::make<Half>(m, n, k));
        check_math<Math16<BFloat16>>("bf16", Problem::make<BFloat16>(m, n, k));
        check_math<MathTf32>("tf32", Problem::make<float>(m, n, k), true);
        check_math<MathTf32x3>("float32", Problem::make<float>(m, n, k));
    }
}

TEST_CASE("gemm: float32 is float32 where one factor is far larger than another") {
    Problem p = Problem::make<float>(40, 24, 96);
    for (std::size_t i = 0; i < p.a.size(); ++i)
        p.a[i] *= std::ldexp(1.0f, static_cast<int>(i % 41) - 20);
    check_math<MathTf32x3>("mixed magnitudes", p);
}

TEST_CASE("gemm: infinities and NaN go where float32 lets them go") {
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
    Problem p = Problem::make<float>(70, 66, 40);
    p.a[3 * 40 + 5] = kNan;
    p.a[9 * 40 + 11] = kInfinity;
    p.a[20 * 40 + 1] = -kInfinity;
    p.a[20 * 40 + 2] = kInfinity;
    p.b[2 * 40 + 11] = 0; // times infinity
    p.b[4 * 40 + 11] = 1; // has no small part
    p.b[50 * 40 + 39] = kInfinity;
    check_math<MathTf32x3>("float32", p);
    check_math<MathTf32>("tf32", p, true);
    p.a = rounded<Half>(p.a);
    p.b = rounded<Half>(p.b);
    check_math<Math16<Half>>("f16", p);

    // Rows in the same block as such keep their bits.
    const Problem clean = Problem::make<float>(70, 66, 40);
    Problem one = clean;
    one.a[9 * 40 + 11] = kInfinity;
    const auto want = multiply<MathTf32x3, How::narrow, true, true>(clean);
    auto got = multiply<MathTf32x3, How::narrow, true, true>(one);
    std::copy_n(want.begin() + 9 * 66, 66, got.begin() + 9 * 66);
    CHECK(compare_bits(got, want).ok);
}

TEST_CASE("gemm: a row has the same bits alone as among others") {
    const Problem all = Problem::make<float>(300, 70, 90);
    const auto whole = multiply<MathTf32x3, How::wide, true, true>(all);
    for (const std::int64_t row : {0, 63, 128, 299}) {
        Problem one = all;
        one.m = 1;
        one.a.assign(all.a.begin() + row * 90, all.a.begin() + (row + 1) * 90);
        const auto alone = multiply<MathTf32x3, How::narrow, true, true>(one);
        CHECK(compare_bits(alone, std::span(whole).subspan(static_cast<std::size_t>(row) * 70, 70))
                  .ok);
    }
}

TEST_CASE("gemm: tiles come in bands, each once") {
    for (const auto& [rows, columns] : {std::pair{1, 1}, {3, 5}, {8, 2}, {9, 7}, {25, 4}}) {
        std::vector<int> seen(static_cast<std::size_t>(rows * columns));
        for (int i = 0; i < rows * columns; ++i) {
            const TilePlace place = tile_place(i, rows, columns);
            REQUIRE((place.row >= 0 && place.row < rows));
            REQUIRE((place.column >= 0 && place.column < columns));
            ++seen[static_cast<std::size_t>(place.row * columns + place.column)];
        }
        CHECK(seen == std::vector<int>(seen.size(), 1));
    }
}

namespace {

/// Whether accesses of `bytes` at these addresses, 128 bytes at a time, meet each bank once.
bool conflict_free(const std::vector<int>& addresses, int bytes) {
    const auto at_once = static_cast<std::size_t>(128 / bytes);
    for (std::size_t first = 0; first < addresses.size(); first += at_once) {
        std::vector<int> banks(static_cast<std::size_t>(32));
        for (std::size_t i = first; i < first + at_once; ++i)
            for (int word = 0; word < bytes / 4; ++word)
                if (++banks[static_cast<std::size_t>(addresses[i] / 4 + word) % 32] > 1)
                    return false;
    }
    return true;
}

template <typename Tile>
void check_banks() {
    constexpr int kSize = sizeof(typename Tile::Element);
    // Copies: threads in order take chunks in order.
    std::vector<int> copies;
    for (int i = 0; i < Tile::kLines * Tile::kChunks; ++i)
        copies.push_back(Tile::offset(i / Tile::kChunks, i % Tile::kChunks) * kSize);
    CHECK(conflict_free(copies, 16));
    for (int chunk = 0; chunk < Tile::kChunks; ++chunk)
        for (int line = 0; line < Tile::kLines; line += 8) {
            std::vector<int> rows; // of one matrix of ldmatrix
            for (int i = 0; i < 8; ++i)
                rows.push_back(Tile::offset(line + i, chunk) * kSize);
            if (Tile::kContiguous || kSize == 2)
                CHECK(conflict_free(rows, 16));
        }
    if constexpr (!Tile::kContiguous && kSize == 4)
        for (int at = 0; at < Tile::kExtent; at += 8)
            for (int k = 0; k < Tile::kDepth; k += 4) {
                std::vector<int> lanes;
                for (int lane = 0; lane < 32; ++lane) {
                    const int column = at + lane / 4;
                    lanes.push_back((Tile::offset(k + lane % 4, column / 4) + column % 4) * kSize);
                }
                CHECK(conflict_free(lanes, 4));
            }
}

} // namespace

TEST_CASE("gemm: no access to a tile meets a bank twice") {
    check_banks<OperandTile<Half, 64, true>>();
    check_banks<OperandTile<Half, 128, true>>();
    check_banks<OperandTile<Half, 64, false>>();
    check_banks<OperandTile<Half, 128, false>>();
    check_banks<OperandTile<float, 64, true>>();
    check_banks<OperandTile<float, 128, true>>();
    check_banks<OperandTile<float, 64, false>>();
    check_banks<OperandTile<float, 128, false>>();
}
