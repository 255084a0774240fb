// SPDX-License-Identifier: MIT
#include "app/model_pixels.hpp"

#include <vector>

#include "io/npy.hpp"

namespace clip::app {

void write_pixels(const std::string& path, const DecodeOptions& decode,
                  const PreprocessOptions& options, const std::string& output) {
    const Result<Image> image = read_image(path, decode);
    if (!image)
        fail(image.error().code(), path + ": " + image.error().what());
    const auto side = static_cast<std::size_t>(options.size);
    std::vector<float> pixels(3 * side * side);
    preprocess(image.value(), options, pixels.data());
    io::write_npy(output == "-" ? "/dev/stdout" : output, pixels,
                  Shape{3, options.size, options.size});
}

} // namespace clip::app
