// SPDX-License-Identifier: MIT
// Times the CPU kernels on the shapes of CLIP's towers and prints one JSON object a case.
//
//   kernel_bench [--list | --check | --perf] [--filter TEXT] [--isa NAME] [--threads N] [--backend
//   NAME]
//
// --check compares each case with the reference backend instead of timing it. GFLOP/s is also given
// as a fraction of what the same threads reach with nothing but multiply-adds in registers. With
// one thread times are CPU times, so that a machine that is shared with others can still be used.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backend/cpu/cpu_backend.hpp"
#include "backend/registry.hpp"
#include "base/concat.hpp"
#include "fma_peak.hpp"
#include "tensor/tensor.hpp"

namespace {

using namespace clip;

struct Options {
    enum class Mode { list, check, perf } mode = Mode::perf;
    std::string filter, isa, backend = "cpu";
    std::size_t threads = 1;
};

Tensor random_tensor(Shape shape, float scale, std::uint64_t seed) {
    Tensor tensor(shape);
    std::uint64_t state = seed * 2 + 1;
    for (std::int64_t i = 0; i < tensor.numel(); ++i) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        tensor.f32()[i] = scale * (static_cast<float>(state >> 40) / 8388608.0f - 1.0f);
    }
    return tensor;
}

/// Something to run on a backend; `make` prepares it and returns what is timed.
struct Case {
    std::string op, shape, dtype;
    double flops = 0, bytes = 0; ///< of one run
    std::function<std::function<void()>(Backend&, Tensor& y)> make;
};

Case linear_case(const char* name, std::int64_t rows, std::int64_t in, std::int64_t out,
                 Activation activation, bool residual, DType storage = DType::f32) {
    Case c;
    c.op = "linear";
    c.shape = concat(name, " ", rows, "x", in, "x", out);
    c.dtype = dtype_name(storage);
    c.flops = 2.0 * static_cast<double>(rows * in * out);
    c.bytes = static_cast<double>(in * out) * static_cast<double>(dtype_size(storage)) +
              4.0 * static_cast<double>(rows * (in + out));
    c.make = [=](Backend& backend, Tensor& y) {
        auto x = std::make_shared<Tensor>(random_tensor({rows, in}, 1, 1));
        const Tensor w = random_tensor({out, in}, 0.05f, 2);
        const Tensor b = random_tensor({out}, 1, 3);
        std::shared_ptr<PreparedLinear> prepared = backend.prepare_linear({w, b, storage});
        auto r = std::make_shared<Tensor>(random_tensor({rows, out}, 1, 4));
        y = Tensor({rows, out});
        return [=, &backend, &y] {
            LinearArgs args;
            args.x = *x;
            args.weights = prepared.get();
            args.activation = activation;
            if (residual)
                args.residual = *r;
            args.y = y;
            backend.linear(args);
        };
    };
    return c;
}

Case prepare_case(const char* name, std::int64_t in, std::int64_t out, DType storage) {
    Case c;
    c.op = "prepare_linear";
    c.shape = concat(name, " ", in, "x", out);
    c.dtype = dtype_name(storage);
    c.bytes = static_cast<double>(in * out) * static_cast<double>(4 + dtype_size(storage));
    c.make = [=](Backend& backend, Tensor& y) {
        auto w = std::make_shared<Tensor>(random_tensor({out, in}, 0.05f, 2));
        y = Tensor({1});
        y.f32()[0] = 0;
        return [=, &backend] { backend.prepare_linear({*w, {}, storage}); };
    };
    return c;
}

Case attention_case(const char* name, std::int64_t sequences, std::int64_t tokens, int heads,
                    bool causal, std::int64_t queries = 0) {
    Case c;
    constexpr int kWidth = 64;
    if (queries == 0)
        queries = tokens;
    c.op = "attention";
    c.shape = concat(name, " ", sequences, "x", queries, "x", tokens, "x", heads);
    c.dtype = "f32";
    c.flops = 4.0 * static_cast<double>(sequences * queries * tokens * heads * kWidth);
    c.make = [=](Backend& backend, Tensor& y) {
        const std::int64_t width = std::int64_t{heads} * kWidth;
        auto qkv = std::make_shared<Tensor>(random_tensor({sequences * tokens, 3 * width}, 1, 1));
        auto k_offsets = std::make_shared<std::vector<std::int64_t>>();
        auto q_offsets = std::make_shared<std::vector<std::int64_t>>();
        for (std::int64_t i = 0; i <= sequences; ++i) {
            k_offsets->push_back(i * tokens);
            q_offsets->push_back(i * queries);
        }
        y = Tensor({sequences * queries, width});
        return [=, &backend, &y] {
            AttentionArgs args;
            args.q = qkv->f32();
            args.k = qkv->f32() + width;
            args.v = qkv->f32() + 2 * width;
            args.q_stride = args.kv_stride = 3 * width;
            args.q_offsets = *q_offsets;
            args.k_offsets = *k_offsets;
            args.heads = heads;
            args.head_width = kWidth;
            args.scale = 0.125f;
            args.causal = causal;
            args.y = y;
            backend.attention(args);
        };
    };
    return c;
}

Case layer_norm_case(std::int64_t rows, std::int64_t width) {
    Case c;
    c.op = "layer_norm";
    c.shape = concat(rows, "x", width);
    c.dtype = "f32";
    c.bytes = 8.0 * static_cast<double>(rows * width);
    c.make = [=](Backend& backend, Tensor& y) {
        auto x = std::make_shared<Tensor>(random_tensor({rows, width}, 1, 1));
        auto gamma = std::make_shared<Tensor>(random_tensor({width}, 1, 2));
        y = Tensor({rows, width});
        return [=, &backend, &y] {
            LayerNormArgs args;
            args.x = *x;
            args.gamma = *gamma;
            args.beta = *gamma;
            args.y = y;
            backend.layer_norm(args);
        };
    };
    return c;
}

Case conv_case(const char* name, std::int64_t batch, std::int64_t side, std::int64_t in,
               std::int64_t out, std::int64_t window, int stride) {
    Case c;
    const std::int64_t out_side = (side - 1) / stride + 1;
    c.op = "conv2d";
    c.shape = concat(name, " ", batch, "x", side, "x", in, "x", out, " ", window, "x", window, "/",
                     stride);
    c.dtype = "f32";
    c.flops = 2.0 * static_cast<double>(batch * out_side * out_side * in * out * window * window);
    c.make = [=](Backend& backend, Tensor& y) {
        auto x = std::make_shared<Tensor>(random_tensor({batch, side, side, in}, 1, 1));
        const Tensor w = random_tensor({out, in, window, window}, 0.05f, 2);
        const Tensor b = random_tensor({out}, 1, 3);
        std::shared_ptr<PreparedConv2d> prepared =
            backend.prepare_conv2d({w, b, stride, static_cast<int>(window / 2), DType::f32});
        y = Tensor({batch, out_side, out_side, out});
        return [=, &backend, &y] {
            Conv2dArgs args;
            args.x = *x;
            args.weights = prepared.get();
            args.activation = Activation::relu;
            args.y = y;
            backend.conv2d(args);
        };
    };
    return c;
}

Case similarity_case(std::int64_t rows, std::int64_t columns) {
    constexpr std::int64_t kWidth = 512;
    Case c;
    c.op = "similarity";
    c.shape = concat(rows, "x", columns, "x", kWidth);
    c.dtype = "f32";
    c.flops = 2.0 * static_cast<double>(rows * columns * kWidth);
    c.bytes = 4.0 * static_cast<double>(columns * kWidth);
    c.make = [=](Backend& backend, Tensor& y) {
        auto a = std::make_shared<Tensor>(random_tensor({rows, kWidth}, 1, 1));
        auto b = std::make_shared<Tensor>(random_tensor({columns, kWidth}, 1, 2));
        y = Tensor({rows, columns});
        return [=, &backend, &y] { backend.similarity({*a, *b, 100.0f, y}); };
    };
    return c;
}

std::vector<Case> all_cases() {
    std::vector<Case> cases;
    constexpr Activation kNone = Activation::none, kGelu = Activation::quick_gelu;
    for (const std::int64_t batch : {1, 16, 64}) {
        cases.push_back(linear_case("B/32 qkv", 50 * batch, 768, 2304, kNone, false));
        cases.push_back(linear_case("B/32 out", 50 * batch, 768, 768, kNone, true));
        cases.push_back(linear_case("B/32 fc1", 50 * batch, 768, 3072, kGelu, false));
        cases.push_back(linear_case("B/32 fc2", 50 * batch, 3072, 768, kNone, true));
    }
    cases.push_back(linear_case("B/32 patches", 49 * 16, 3072, 768, kNone, false));
    cases.push_back(linear_case("L/14 qkv", 257, 1024, 3072, kNone, false));
    cases.push_back(linear_case("L/14 fc1", 257, 1024, 4096, kGelu, false));
    cases.push_back(linear_case("L/14 fc2", 257, 4096, 1024, kNone, true));
    for (const std::int64_t tokens : {1, 7, 14, 77}) {
        cases.push_back(linear_case("text qkv", tokens, 512, 1536, kNone, false));
        cases.push_back(linear_case("text fc1", tokens, 512, 2048, kGelu, false));
        cases.push_back(linear_case("text fc2", tokens, 2048, 512, kNone, true));
    }
    for (const DType storage : {DType::bf16, DType::f16, DType::i8})
        for (const std::int64_t rows : {7, 50, 800})
            cases.push_back(linear_case("stored", rows, 768, 3072, kGelu, false, storage));
    for (const DType storage : {DType::f32, DType::bf16, DType::f16, DType::i8})
        cases.push_back(prepare_case("B/32 fc1", 768, 3072, storage));
    cases.push_back(attention_case("B/32", 1, 50, 12, false));
    cases.push_back(attention_case("B/32", 16, 50, 12, false));
    cases.push_back(attention_case("B/32 pooled", 16, 50, 12, false, 1));
    cases.push_back(attention_case("L/14", 1, 257, 16, false));
    cases.push_back(attention_case("L/14@336", 1, 577, 16, false));
    cases.push_back(attention_case("text", 1, 77, 8, true));
    cases.push_back(attention_case("text", 64, 9, 8, true));
    cases.push_back(layer_norm_case(50, 768));
    cases.push_back(layer_norm_case(800, 768));
    cases.push_back(conv_case("RN50 stem1", 1, 224, 3, 32, 3, 2));
    cases.push_back(conv_case("RN50 stem2", 1, 112, 32, 32, 3, 1));
    cases.push_back(conv_case("RN50 stem3", 1, 112, 32, 64, 3, 1));
    cases.push_back(conv_case("RN50 layer1", 1, 56, 64, 64, 3, 1));
    cases.push_back(conv_case("RN50 layer1", 1, 56, 64, 256, 1, 1));
    cases.push_back(conv_case("RN50 layer2", 1, 28, 128, 128, 3, 1));
    cases.push_back(conv_case("RN50 layer3", 1, 14, 256, 256, 3, 1));
    cases.push_back(conv_case("RN50 layer3", 1, 14, 256, 1024, 1, 1));
    cases.push_back(conv_case("RN50 layer4", 1, 7, 512, 512, 3, 1));
    cases.push_back(similarity_case(1, 100000));
    cases.push_back(similarity_case(1000, 1000));
    return cases;
}

double percentile(const std::vector<double>& sorted, double fraction) {
    return sorted[static_cast<std::size_t>(fraction * static_cast<double>(sorted.size() - 1))];
}

void perf(const Case& c, Backend& backend, const Options& options, double peak) {
    using Clock = std::chrono::steady_clock;
    Tensor y;
    const auto run = c.make(backend, y);
    run();
    std::vector<double> times;
    const auto begin = Clock::now();
    // At least 20 runs and a fifth of a second, at most 3 seconds.
    while ((times.size() < 20 || Clock::now() - begin < std::chrono::milliseconds(200)) &&
           Clock::now() - begin < std::chrono::seconds(3)) {
        const auto start = Clock::now();
        const double cpu_start = bench::cpu_seconds();
        run();
        const double wall = std::chrono::duration<double>(Clock::now() - start).count();
        times.push_back(options.threads == 1 ? bench::cpu_seconds() - cpu_start : wall);
    }
    std::sort(times.begin(), times.end());
    const double low = percentile(times, 0.1), median = percentile(times, 0.5);
    std::printf(
        "{\"op\":\"%s\",\"shape\":\"%s\",\"dtype\":\"%s\",\"isa\":\"%s\",\"threads\":%zu,"
        "\"us\":%.1f,\"p10\":%.1f,\"p90\":%.1f,\"gflops\":%.1f,\"of_peak\":%.3f,\"gbs\":%.1f}\n",
        c.op.c_str(), c.shape.c_str(), c.dtype.c_str(), backend.implementation(c.op).c_str(),
        options.threads, median * 1e6, low * 1e6, percentile(times, 0.9) * 1e6, c.flops / low / 1e9,
        c.flops / low / 1e9 / peak, c.bytes / low / 1e9);
    std::fflush(stdout);
}

bool check(const Case& c, Backend& backend, Backend& reference) {
    Tensor got, want;
    c.make(backend, got)();
    c.make(reference, want)();
    double worst = 0, largest = 0;
    for (std::int64_t i = 0; i < want.numel(); ++i) {
        worst = std::max(worst, std::fabs(static_cast<double>(got.f32()[i]) - want.f32()[i]));
        largest = std::max(largest, std::fabs(static_cast<double>(want.f32()[i])));
    }
    // Two naive float32 computations of up to 4608 terms, each off by a few roundings of a random
    // walk.
    const bool good = worst <= 2e-5 * largest;
    std::printf("{\"op\":\"%s\",\"shape\":\"%s\",\"dtype\":\"%s\",\"error\":%.3g,\"ok\":%s}\n",
                c.op.c_str(), c.shape.c_str(), c.dtype.c_str(),
                largest > 0 ? worst / largest : worst, good ? "true" : "false");
    return good;
}

bool parse(int argc, char** argv, Options& options) {
    for (int i = 1; i < argc; ++i) {
        const std::string name = argv[i];
        if (name == "--list")
            options.mode = Options::Mode::list;
        else if (name == "--check")
            options.mode = Options::Mode::check;
        else if (name == "--perf")
            options.mode = Options::Mode::perf;
        else if (i + 1 == argc)
            return false;
        else if (name == "--filter")
            options.filter = argv[++i];
        else if (name == "--isa")
            options.isa = argv[++i];
        else if (name == "--backend")
            options.backend = argv[++i];
        else if (name == "--threads")
            options.threads = static_cast<std::size_t>(std::max(1, std::atoi(argv[++i])));
        else
            return false;
    }
    return true;
}

std::unique_ptr<Backend> make(ThreadPool& pool, const Options& options) {
    if (options.backend == "ref")
        return make_backend({}, pool, {.cpu = CpuImplementation::ref});
    if (options.backend == "onednn")
        return make_backend({}, pool, {.cpu = CpuImplementation::onednn});
    std::optional<Isa> isa;
    for (const Isa usable : usable_isas())
        if (isa_name(usable) == options.isa)
            isa = usable;
    return make_cpu_backend(pool, nullptr, isa);
}

} // namespace

int main(int argc, char** argv) {
    Options options;
    if (!parse(argc, argv, options)) {
        std::fprintf(stderr,
                     "usage: kernel_bench [--list|--check|--perf] [--filter TEXT] [--isa NAME] "
                     "[--threads N] [--backend cpu|onednn|ref]\n");
        return 2;
    }
    ThreadPool pool(options.threads);
    const auto backend = make(pool, options);
    const auto reference = make_backend({}, pool, {.cpu = CpuImplementation::ref});
    const double peak = options.mode == Options::Mode::perf
                            ? bench::fma_peak() * static_cast<double>(options.threads)
                            : 1;
    if (options.mode == Options::Mode::perf)
        std::printf("{\"fma_peak_gflops\":%.1f,\"threads\":%zu}\n", peak, options.threads);
    bool good = true;
    for (const Case& c : all_cases()) {
        if (concat(c.op, " ", c.shape, " ", c.dtype).find(options.filter) == std::string::npos)
            continue;
        if (options.mode == Options::Mode::list)
            std::printf("%s %s %s\n", c.op.c_str(), c.shape.c_str(), c.dtype.c_str());
        else if (options.mode == Options::Mode::check)
            good = check(c, *backend, *reference) && good;
        else
            perf(c, *backend, options, peak);
    }
    return good ? 0 : 1;
}
