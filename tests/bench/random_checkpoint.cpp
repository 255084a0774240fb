// SPDX-License-Identifier: MIT
// Writes a full-size checkpoint of random weights, for benchmarks: what a tower costs does not
// depend on what it has learned.
//
//   random_checkpoint ARCH FOLDER      (such as ViT-L-14)
#include <cstdint>
#include <cstdio>
#include <string_view>

#include "base/error.hpp"
#include "model/architectures.hpp"
#include "model/checkpoint_writer.hpp"

int main(int argc, char** argv) {
    using namespace clip;
    if (argc != 3) {
        std::fprintf(stderr, "usage: random_checkpoint ARCH FOLDER\n");
        return 2;
    }
    try {
        ModelSource source;
        source.name = argv[1];
        source.config = architecture(argv[1]);
        source.read = [](std::string_view weight, std::int64_t first, std::int64_t count,
                         float* out) {
            for (std::int64_t i = 0; i < count; ++i) {
                const auto hash = static_cast<std::uint64_t>(first + i + 1) * 0x9e3779b97f4a7c15U;
                out[i] = 0.04F * (static_cast<float>(hash >> 40U) / 16777216.0F - 0.5F);
            }
            if (weight == "logit_scale")
                out[0] = 1;
        };
        WriteOptions options;
        options.dtype = DType::f16;
        write_checkpoint(argv[2], source, options);
        return 0;
    } catch (const Error& error) {
        std::fprintf(stderr, "random_checkpoint: %s\n", error.what());
        return 2;
    }
}
