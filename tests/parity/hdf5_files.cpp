// SPDX-License-Identifier: MIT
// Writes FOLDER/f32.h5, f16.h5, rows.jsonl, f32.npy and f16.npy with the same rows, for hdf5.py.
#include <cmath>
#include <cstdio>

#include "io/embedding_file.hpp"

using namespace clip;
using namespace clip::io;

int main(int argc, char** argv) {
    if (argc != 2)
        return 2;
    try {
        const std::string folder = argv[1];
        const auto write = [&](const std::string& name, EmbeddingFormat format, DType store) {
            const EmbeddingHeader header{"tiny@0123456789ab", true,         100.0, 512, store,
                                         "clip-embed 0.1",    "crop=center"};
            const auto writer = create_embedding_file(folder + "/" + name, format, header);
            for (int row = 0; row < 1300; ++row) {
                EmbeddingRow out;
                out.is_text = row % 2 == 1;
                out.item = (out.is_text ? "caf\xc3\xa9 " : "caf\xe9 ") + std::to_string(row);
                out.extra = row >= 600 ? "\"id\":" + std::to_string(row) : "";
                for (int i = 0; i < 512; ++i)
                    out.values.push_back(std::sin(static_cast<float>(row * 512 + i)));
                writer->append(out);
            }
            writer->finish();
        };
        write("f32.h5", EmbeddingFormat::h5, DType::f32);
        write("f16.h5", EmbeddingFormat::h5, DType::f16);
        write("rows.jsonl", EmbeddingFormat::jsonl, DType::f32);
        write("f32.npy", EmbeddingFormat::npy, DType::f32);
        write("f16.npy", EmbeddingFormat::npy, DType::f16);
    } catch (const Error& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
    return 0;
}
