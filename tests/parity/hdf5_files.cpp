// SPDX-License-Identifier: MIT
// hdf5_files FOLDER           writes f32.h5, f16.h5, rows.jsonl, f32.npy and f16.npy with the same
//                             rows, for hdf5.py
// hdf5_files --small FOLDER   writes ours.h5 and ours16.h5, for fuzz_hdf5.py
#include <cmath>
#include <cstdio>
#include <string_view>

#include "io/embedding_file.hpp"

using namespace clip;
using namespace clip::io;

namespace {

void write(const std::string& path, EmbeddingFormat format, DType store, int rows, int dim) {
    const EmbeddingHeader header{"tiny@0123456789ab", true,         100.0, dim, store,
                                 "clip-embed 0.1",    "crop=center"};
    const auto writer = create_embedding_file(path, format, header);
    for (int row = 0; row < rows; ++row) {
        EmbeddingRow out;
        out.is_text = row % 2 == 1;
        out.item = (out.is_text ? "caf\xc3\xa9 " : "caf\xe9 ") + std::to_string(row);
        out.extra = row >= rows * 6 / 13 ? "\"id\":" + std::to_string(row) : "";
        for (int i = 0; i < dim; ++i)
            out.values.push_back(std::sin(static_cast<float>(row * dim + i)));
        writer->append(out);
    }
    writer->finish();
}

} // namespace

int main(int argc, char** argv) {
    try {
        if (argc == 3 && std::string_view(argv[1]) == "--small") {
            const std::string folder = argv[2];
            write(folder + "/ours.h5", EmbeddingFormat::h5, DType::f32, 300, 8);
            write(folder + "/ours16.h5", EmbeddingFormat::h5, DType::f16, 300, 8);
        } else if (argc == 2) {
            const std::string folder = argv[1];
            write(folder + "/f32.h5", EmbeddingFormat::h5, DType::f32, 1300, 512);
            write(folder + "/f16.h5", EmbeddingFormat::h5, DType::f16, 1300, 512);
            write(folder + "/rows.jsonl", EmbeddingFormat::jsonl, DType::f32, 1300, 512);
            write(folder + "/f32.npy", EmbeddingFormat::npy, DType::f32, 1300, 512);
            write(folder + "/f16.npy", EmbeddingFormat::npy, DType::f16, 1300, 512);
        } else {
            return 2;
        }
    } catch (const Error& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
    return 0;
}
