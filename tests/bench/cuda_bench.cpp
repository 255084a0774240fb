// SPDX-License-Identifier: MIT
// Times the CUDA backend's ops on the shapes of ViT-B/32 and ViT-L/14, batch 256.
//
//   cuda_bench [--check | --list] [--filter TEXT] [--repeat N] [--gemm own|cublaslt]
//              [--compute fp32|fp16|bf16]
//
// Prints one JSON object an op on standard output, and a table on standard error. Each run is timed
// on the device, after a write over more memory than L2 holds; the median of the runs counts.
// --check runs each op once on tiny shapes and looks whether what it wrote is finite. --compute is
// what training's products run in. Exits with 2 where there is no GPU, and says so.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "base/concat.hpp"
#include "base/dtype.hpp"
#include "cuda_cases.hpp"

namespace {

using namespace clip;
using namespace clip::bench;

constexpr Architecture kArchitectures[] = {{"ViT-B/32", 256, 32, 224, 768, 12, 512},
                                           {"ViT-L/14", 256, 14, 224, 1024, 24, 768}};
constexpr Architecture kTiny{"tiny", 2, 8, 16, 64, 1, 32};

struct Options {
    bool check = false, list = false;
    std::string filter;
    std::size_t repeat = 20;
    CudaOptions cuda;
};

Options parse(int argc, char** argv) {
    Options options;
    for (int i = 1; i < argc; ++i) {
        const std::string word = argv[i];
        const std::string value = i + 1 < argc ? argv[i + 1] : "";
        if (word == "--check")
            options.check = true;
        else if (word == "--list")
            options.list = true;
        else if (word == "--filter")
            options.filter = value, ++i;
        else if (word == "--repeat")
            options.repeat = std::max(1UL, std::stoul(value)), ++i;
        else if (word == "--gemm" && (value == "own" || value == "cublaslt"))
            options.cuda.gemm = value == "own" ? CudaGemm::own : CudaGemm::cublaslt, ++i;
        else if (word == "--compute" && (value == "fp32" || value == "fp16" || value == "bf16"))
            options.cuda.compute = value == "fp32"   ? DType::f32
                                   : value == "fp16" ? DType::f16
                                                     : DType::bf16,
            ++i;
        else
            fail(ErrorCode::invalid_argument, concat("cuda_bench: no such option: ", word));
    }
    return options;
}

/// Dense products of 16 bits with float32 sums, FLOP a cycle of one SM; from the whitepapers of
/// A100 (312 TFLOP/s of 108 SMs at 1.41 GHz), GA102, AD102, H100 (989 of 132 at 1.83), B200 and
/// GB202; of Ampere and Ada, cards for servers have twice that. TF32 has half of it.
double flop_a_cycle(int capability) {
    switch (capability) {
    case 80:
        return 2048;
    case 90:
        return 4096;
    case 100:
    case 103:
        return 8192;
    default:
        return 512;
    }
}

/// What the device could do at most, a second.
double peak_of(const cuda::Properties& device, Peak peak) {
    if (peak == Peak::memory)
        return 2e3 * device.memory_clock_khz * (device.memory_bus_bits / 8.0);
    const double products =
        flop_a_cycle(device.capability()) * device.multiprocessors * (1e3 * device.clock_khz);
    return peak == Peak::tensor_16 ? products : products / 6;
}

void check_finite(Backend& backend, const GpuCase& each, const ReadyOp& op) {
    for (const ConstView& output : op.outputs) {
        const Tensor found = Tensor::to_f32(download(output, backend.memory()).view());
        for (std::int64_t i = 0; i < found.numel(); ++i)
            if (!std::isfinite(found.f32()[i]))
                fail(ErrorCode::internal, concat("cuda_bench: ", each.op, " ", each.shape, " ",
                                                 each.dtype, ": element ", i, " is not finite"));
    }
}

struct Times {
    double median = 0, low = 0, high = 0; ///< microseconds; low and high: 1 in 10 is beyond
};

Times time_op(cuda::CudaBackend& backend, const ReadyOp& op, std::size_t repeat) {
    constexpr std::size_t kWarmUp = 3;
    cuda::Context& context = backend.context();
    const std::size_t flushed = 2 * context.properties().l2_bytes;
    cuda::Workspace::Scope scope(context.workspace());
    auto* scratch = scope.take<std::byte>(static_cast<std::int64_t>(flushed));
    std::vector<cuda::Event> from(repeat), to(repeat);
    for (std::size_t i = 0; i < kWarmUp; ++i)
        op.run();
    for (std::size_t i = 0; i < repeat; ++i) {
        cuda::fill_device(scratch, static_cast<int>(i), flushed, context.stream());
        from[i].record(context.stream());
        op.run();
        to[i].record(context.stream());
    }
    context.stream().synchronise();
    std::vector<double> times;
    for (std::size_t i = 0; i < repeat; ++i)
        times.push_back(1e3 * cuda::elapsed_ms(from[i], to[i]));
    std::sort(times.begin(), times.end());
    return {times[repeat / 2], times[repeat / 10], times[repeat - 1 - repeat / 10]};
}

void print(const cuda::Properties& device, const Architecture& of, const GpuCase& each,
           const Times& times) {
    const double seconds = times.median * 1e-6;
    const double tflops = each.flop / seconds * 1e-12, gbs = each.bytes / seconds * 1e-9;
    const double done = (each.peak == Peak::memory ? each.bytes : each.flop) / seconds;
    const double share = done / peak_of(device, each.peak);
    std::printf("{\"op\":\"%s\",\"model\":\"%s\",\"shape\":\"%s\",\"dtype\":\"%s\",\"us\":%.2f,"
                "\"us_p10\":%.2f,\"us_p90\":%.2f,\"tflops\":%.2f,\"gbs\":%.1f,\"bound\":\"%s\","
                "\"share\":%.3f,\"device\":\"%s\"}\n",
                each.op.c_str(), of.name, each.shape.c_str(), each.dtype.c_str(), times.median,
                times.low, times.high, tflops, gbs, each.peak == Peak::memory ? "memory" : "tensor",
                share, device.name.c_str());
    std::fprintf(stderr, "%-9s %-26s %-22s %-5s %9.1f us %8.1f TFLOP/s %8.0f GB/s %5.1f %%\n",
                 of.name, each.op.c_str(), each.shape.c_str(), each.dtype.c_str(), times.median,
                 tflops, gbs, 100 * share);
}

/// Runs an op that this build may not have, such as products by cuBLASLt.
void run_case(cuda::CudaBackend& backend, const Options& options, const Architecture& of,
              const GpuCase& each) {
    try {
        const ReadyOp op = each.make(backend);
        if (!options.check) {
            print(backend.context().properties(), of, each, time_op(backend, op, options.repeat));
            return;
        }
        op.run();
        check_finite(backend, each, op);
    } catch (const Error& error) {
        if (error.code() != ErrorCode::unsupported || options.check)
            throw;
        std::fprintf(stderr, "cuda_bench: %s: skipped: %s\n", each.op.c_str(), error.what());
    }
}

int run(const Options& options) {
    ThreadPool pool(0);
    std::vector<Architecture> architectures(std::begin(kArchitectures), std::end(kArchitectures));
    if (options.check)
        architectures.assign(1, kTiny);
    cuda::CudaBackend backend(0, options.cuda, pool);
    std::size_t ran = 0;
    for (const Architecture& of : architectures)
        for (const GpuCase& each : gpu_cases(of)) {
            const std::string name =
                concat(each.op, " ", of.name, " ", each.shape, " ", each.dtype);
            if (name.find(options.filter) == std::string::npos)
                continue;
            ++ran;
            if (options.list)
                std::printf("%s\n", name.c_str());
            else
                run_case(backend, options, of, each);
        }
    if (options.check)
        std::printf("cuda_bench: %zu ops ran\n", ran);
    return ran > 0 ? 0 : 2;
}

} // namespace

int main(int argc, char** argv) {
    try {
        return run(parse(argc, argv));
    } catch (const clip::Error& error) {
        std::fprintf(stderr, "cuda_bench: %s\n", error.what());
        return 2;
    }
}
