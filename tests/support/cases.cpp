// SPDX-License-Identifier: MIT
#include "support/cases.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <map>
#include <memory>
#include <tuple>

#include "backend/registry.hpp"
#include "base/concat.hpp"

namespace clip::test {

namespace {

constexpr std::size_t kThreads[] = {1, 2, 3};
constexpr int kDeviceRuns = 5;

// SplitMix64, so that the values are the same with every standard library.
class Random {
  public:
    explicit Random(std::uint64_t seed) : state_(seed) {}
    // The sum of four uniform values, with mean 0 and deviation 1: bounded, unlike a true normal.
    double next() {
        double sum = 0;
        for (int i = 0; i < 4; ++i)
            sum += uniform() - 0.5;
        return sum * std::sqrt(3.0);
    }

  private:
    double uniform() {
        state_ += 0x9e3779b97f4a7c15u;
        std::uint64_t z = state_;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
    }
    std::uint64_t state_;
};

CpuImplementation implementation_called(const std::string& name) {
    if (name == "ref")
        return CpuImplementation::ref;
    return name == "onednn" ? CpuImplementation::onednn : CpuImplementation::automatic;
}

void report(const std::string& where, const Comparison& comparison) {
    // Not FAIL_CHECK, which --abort-after does not end, and mutants then run to the end.
    CHECK_MESSAGE(comparison.ok, concat(where, ": ", comparison.problem));
}

// Items [first, first + count) alone must have the bits that they have in the whole.
void check_part(const OpCase& test, Backend& backend, const std::string& where,
                const Results& whole, std::int64_t first, std::int64_t count) {
    const Results part = test.run(backend, first, count);
    REQUIRE(part.size() == whole.size());
    for (std::size_t o = 0; o < whole.size(); ++o) {
        const auto at = [&](std::int64_t i) {
            return test.begin ? test.begin(o, i)
                              : whole[o].size() / static_cast<std::size_t>(test.items) *
                                    static_cast<std::size_t>(i);
        };
        const std::span<const float> want(whole[o].data() + at(first),
                                          at(first + count) - at(first));
        report(concat(where, " output ", o, ", items ", first, " to ", first + count - 1, " alone"),
               compare_bits(part[o], want));
    }
}

} // namespace

std::string_view regime_name(Regime regime) {
    switch (regime) {
    case Regime::normal:
        return "normal";
    case Regime::large_mean:
        return "large mean";
    case Regime::huge:
        return "huge";
    case Regime::tiny:
        return "tiny";
    case Regime::all_equal:
        return "all equal";
    }
    return "";
}

std::vector<float> values(std::int64_t count, std::uint64_t seed, Regime regime) {
    Random random(seed);
    std::vector<float> out(static_cast<std::size_t>(count));
    for (float& value : out) {
        const double x = random.next();
        switch (regime) {
        case Regime::normal:
            value = static_cast<float>(x);
            break;
        case Regime::large_mean:
            value = static_cast<float>(100 + x);
            break;
        case Regime::huge:
            value = static_cast<float>(1e12 * x);
            break;
        case Regime::tiny:
            value = static_cast<float>(1e-12 * x);
            break;
        case Regime::all_equal:
            value = 1.5f;
            break;
        }
    }
    return out;
}

std::vector<float> scaled_values(std::int64_t count, std::uint64_t seed, float scale) {
    std::vector<float> out = values(count, seed);
    for (float& value : out)
        value *= scale;
    return out;
}

std::vector<float> storable_weights(std::int64_t out, std::int64_t in) {
    std::vector<float> weight = scaled_values(out * in, 5, 30);
    for (std::size_t i = 0; i < weight.size(); ++i) {
        const bool first = static_cast<std::int64_t>(i) % in == 0;
        weight[i] = 0x1p-10f * (first ? 127.0f : static_cast<float>(static_cast<int>(weight[i])));
    }
    return weight;
}

std::vector<float> rounded(std::vector<float> values, DType dtype) {
    if (dtype == DType::f32)
        return values;
    std::vector<std::uint16_t> bits(values.size());
    convert_from_f32(bits.data(), dtype, values.data(), values.size());
    convert_to_f32(values.data(), bits.data(), dtype, values.size());
    return values;
}

bool on_cuda() {
    static const bool asked = [] {
        const char* device = std::getenv("CLIP_TEST_DEVICE");
        return device != nullptr && std::string_view(device) == "cuda";
    }();
    return asked;
}

std::vector<std::string> backend_names() {
    if (on_cuda())
        return {"cuda"};
    std::vector<std::string> names{"ref", "automatic"};
    for (const std::string& line : describe_backends())
        if (line.starts_with("onednn ")) // "onednn: not in this build" does not
            names.emplace_back("onednn");
    return names;
}

std::unique_ptr<Backend> make_cuda(ThreadPool& pool, DType compute) {
    const char* plugin = std::getenv("CLIP_CUDA_PLUGIN");
    return make_backend(
        {Device::Kind::cuda, 0}, pool,
        {.cuda = {.compute = compute}, .cuda_plugin = plugin == nullptr ? "" : plugin});
}

Backend& backend(const std::string& name, std::size_t threads, DType compute) {
    struct Made {
        explicit Made(const std::string& which, std::size_t count, DType products)
            : pool(count),
              backend(which == "cuda"
                          ? make_cuda(pool, products)
                          : make_backend({}, pool, {.cpu = implementation_called(which)})) {}
        ThreadPool pool;
        std::unique_ptr<Backend> backend;
    };
    static std::map<std::tuple<std::string, std::size_t, DType>, std::unique_ptr<Made>> made;
    const bool device = name == "cuda";
    auto& slot = made[{name, device ? 2 : threads, device ? compute : DType::f32}];
    if (!slot)
        slot = std::make_unique<Made>(name, threads, compute);
    return *slot->backend;
}

CallMemory::CallMemory() : CallMemory(on_cuda() ? backend("cuda", 1).memory() : host_memory()) {}

ConstView CallMemory::in(const std::vector<float>& values, const Shape& shape, DType dtype) {
    if (values.empty() && shape.numel() > 0)
        return {};
    REQUIRE(static_cast<std::int64_t>(values.size()) == shape.numel());
    std::vector<std::byte> bytes(values.size() * dtype_size(dtype));
    convert_from_f32(bytes.data(), dtype, values.data(), values.size());
    return {this->bytes(bytes.data(), bytes.size()), shape, dtype, memory_.device()};
}

const void* CallMemory::bytes(const void* from, std::size_t count) {
    const auto* begin = static_cast<const std::byte*>(from);
    inputs_.push_back(std::unique_ptr<Input>(new Input{{begin, begin + count}, {memory_, count}}));
    inputs_.back()->buffer.write(from);
    return inputs_.back()->buffer.data();
}

MutView CallMemory::add(std::unique_ptr<Output> output, const Shape& shape) {
    outputs_.push_back(std::move(output));
    const Output& made = *outputs_.back();
    return {made.buffer.data(), shape, made.dtype, memory_.device()};
}

MutView CallMemory::out(const Shape& shape, DType dtype) {
    const std::size_t bytes = static_cast<std::size_t>(shape.numel()) * dtype_size(dtype);
    return add(std::unique_ptr<Output>(new Output{dtype, {memory_, bytes}}), shape);
}

MutView CallMemory::in_out(const std::vector<float>& values, const Shape& shape, DType dtype) {
    REQUIRE(static_cast<std::int64_t>(values.size()) == shape.numel());
    return add(std::unique_ptr<Output>(new Output{dtype, {memory_, values, dtype}}), shape);
}

MutView CallMemory::through(std::vector<float>& values, const Shape& shape) {
    const MutView view = in_out(values, shape);
    outputs_.back()->home = &values;
    return view;
}

Results CallMemory::results() const {
    for (const auto& input : inputs_) {
        const PlacedBuffer::Found found = input->buffer.read();
        CHECK(found.intact);
        CHECK(found.bytes == input->bytes);
    }
    Results results;
    for (const auto& output : outputs_) {
        const PlacedBuffer::Found found = output->buffer.read();
        CHECK(found.intact);
        std::vector<float> values(found.bytes.size() / dtype_size(output->dtype));
        convert_to_f32(values.data(), found.bytes.data(), output->dtype, values.size());
        results.push_back(std::move(values));
    }
    return results;
}

void CallMemory::write_back() const {
    Results all = results();
    for (std::size_t i = 0; i < all.size(); ++i)
        if (outputs_[i]->home != nullptr)
            *outputs_[i]->home = std::move(all[i]);
}

void check_op(const OpCase& test) {
    for (const std::string& name : backend_names()) {
        Results first;
        for (std::size_t threads : kThreads) {
            if (name == "cuda" && threads > 1)
                break; // of the host's pool, which no kernel uses
            const std::string where = concat(test.name, " [", name, ", threads ", threads, "]");
            INFO(where);
            Backend& used = backend(name, threads, test.compute);
            const Results got = test.run(used, 0, test.items);
            REQUIRE(got.size() == test.oracle.size());
            if (threads == 1) {
                first = got;
                for (std::size_t o = 0; o < got.size(); ++o) {
                    const DType dtype = test.dtypes.empty() ? DType::f32 : test.dtypes[o];
                    const double bound =
                        dtype == DType::f32 ? test.nmse_bound : reduction_nmse(dtype);
                    report(concat(where, " output ", o),
                           compare(got[o], test.oracle[o], test.naive[o], dtype, bound));
                }
                for (int run = 2; run <= (on_cuda() ? kDeviceRuns : 2); ++run) {
                    const Results again = test.run(used, 0, test.items);
                    for (std::size_t o = 0; o < got.size(); ++o)
                        report(concat(where, " output ", o, ", run ", run),
                               compare_bits(again[o], got[o]));
                }
            }
            for (std::size_t o = 0; o < got.size(); ++o)
                report(concat(where, " output ", o, " against 1 thread"),
                       compare_bits(got[o], first[o]));
            if (test.items > 1) {
                check_part(test, used, where, first, 0, 1);
                check_part(test, used, where, first, test.items - 1, 1);
                check_part(test, used, where, first, 1, test.items - 1);
            }
        }
    }
}

void check_error(ErrorCode code, const std::function<void()>& call, std::string_view what) {
    try {
        call();
        FAIL_CHECK(concat(what, ": nothing was thrown, want ", error_code_name(code)));
    } catch (const Error& error) {
        if (error.code() != code)
            FAIL_CHECK(concat(what, ": got ", error_code_name(error.code()), " (", error.what(),
                              "), want ", error_code_name(code)));
    }
}

} // namespace clip::test
