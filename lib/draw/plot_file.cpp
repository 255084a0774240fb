// SPDX-License-Identifier: MIT
#include "base/concat.hpp"
#include "base/error.hpp"
#include "data/png_writer.hpp"
#include "draw/picture_file.hpp"
#include "draw/plot.hpp"
#include "draw/raster_canvas.hpp"
#include "draw/svg_canvas.hpp"
#include "io/atomic_file.hpp"
#include "io/output_stream.hpp"

namespace clip {

namespace {

constexpr int kPngScale = 2; // sharp on paper and on dense screens

std::string_view as_text(std::span<const std::uint8_t> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

} // namespace

bool has_ending(const std::string& path, std::string_view ending) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    if (path.size() <= ending.size() || path[path.size() - ending.size() - 1] == '/')
        return false;
    for (std::size_t i = 0; i < ending.size(); ++i)
        if (lower(path[path.size() - ending.size() + i]) != ending[i])
            return false;
    return true;
}

void write_picture(const std::string& path, const std::function<void(Canvas&)>& draw) {
    check_plot_path(path);
    io::AtomicFile file(path);
    if (has_ending(path, ".svg")) {
        SvgCanvas canvas;
        draw(canvas);
        io::write_all(file.fd(), std::move(canvas).finish(), path);
    } else {
        RasterCanvas canvas(kPngScale);
        draw(canvas);
        io::OutputStream stream(file.fd(), path);
        PngWriter writer(
            canvas.width(), canvas.height(), PngPixels::rgb,
            [&stream](std::span<const std::uint8_t> bytes) { stream.write(as_text(bytes)); });
        writer.write_rows(canvas.pixels().data(), canvas.height());
        writer.finish();
        stream.flush();
    }
    file.commit();
}

void check_plot_path(const std::string& path) {
    if (has_ending(path, ".svg"))
        return;
    if (!has_ending(path, ".png"))
        fail(ErrorCode::invalid_argument,
             concat("write plot ", path, ": its name ends in neither .png nor .svg"));
    try {
        static_cast<void>(RasterCanvas(kPngScale).text_width("x", {}));
    } catch (const Error& error) {
        fail(error.code(),
             concat("write plot ", path, ": ", error.what(), " (hint: .svg does without)"));
    }
}

} // namespace clip
