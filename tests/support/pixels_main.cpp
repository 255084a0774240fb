// SPDX-License-Identifier: MIT
// Prepares one picture without a model, for tests/parity/pixels.py:
//   clip_pixels_driver IMAGE -o FILE.npy [--size N] [--crop center|none]
//                      [--orientation exif|ignore] [--time REPETITIONS]
// writes what a tower would be given, float32 (3, n, n). --time prints milliseconds of decoding and
// of preparing, the least of each.
#include <algorithm>
#include <chrono>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "data/image_decode.hpp"
#include "data/preprocess.hpp"

namespace {

void write_npy(const std::string& path, const std::vector<float>& values, int n) {
    std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, " +
                         std::to_string(n) + ", " + std::to_string(n) + "), }";
    header.resize((header.size() + 11 + 63) / 64 * 64 - 11, ' ');
    header += '\n';
    std::ofstream out(path, std::ios::binary);
    out << "\x93NUMPY\x01" << '\0' << static_cast<char>(header.size() & 0xFF)
        << static_cast<char>(header.size() >> 8) << header;
    out.write(reinterpret_cast<const char*>(values.data()),
              static_cast<std::streamsize>(values.size() * sizeof(float)));
}

double milliseconds_since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
        .count();
}

} // namespace

int main(int argc, char** argv) {
    std::string path, out;
    clip::PreprocessOptions options;
    int repetitions = 1;
    for (int i = 1; i < argc; ++i) {
        const std::string word = argv[i];
        if (word.substr(0, 1) != "-" || i + 1 == argc)
            path = word;
        else if (word == "-o")
            out = argv[++i];
        else if (word == "--size")
            options.size = std::stoi(argv[++i]);
        else if (word == "--crop")
            options.crop = std::string(argv[++i]) == "none" ? clip::Crop::none : clip::Crop::center;
        else if (word == "--orientation")
            options.orientation = std::string(argv[++i]) == "exif" ? clip::Orientation::exif
                                                                   : clip::Orientation::ignore;
        else if (word == "--time")
            repetitions = std::stoi(argv[++i]);
    }
    const auto n = static_cast<std::size_t>(options.size);
    std::vector<float> values(3 * n * n);
    double decode = 1e9, prepare = 1e9;
    for (int i = 0; i < repetitions; ++i) {
        auto start = std::chrono::steady_clock::now();
        const auto image = clip::read_image(path, {});
        decode = std::min(decode, milliseconds_since(start));
        if (!image) {
            std::cerr << image.error().what() << '\n';
            return 1;
        }
        start = std::chrono::steady_clock::now();
        clip::preprocess(image.value(), options, values.data());
        prepare = std::min(prepare, milliseconds_since(start));
    }
    if (repetitions > 1)
        std::cout << decode << ' ' << prepare << '\n';
    if (!out.empty())
        write_npy(out, values, options.size);
}
