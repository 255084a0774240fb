// SPDX-License-Identifier: MIT
#include "draw/contact_sheet.hpp"

#include "base/concat.hpp"
#include "base/error.hpp"
#include "draw/picture_file.hpp"
#include "draw/raster_canvas.hpp"
#include "draw/sheet_tiles.hpp"

namespace clip {

namespace {

constexpr int kLeastThumbnail = 16, kMostThumbnail = 2048;
constexpr int kMostColumns = 1000;

void check_range(const char* what, int value, int low, int high) {
    if (value < low || value > high)
        fail(ErrorCode::invalid_argument,
             concat("write contact sheet: ", what, " out of range (got ", value, ", want ", low,
                    " to ", high, ")"));
}

} // namespace

void check_sheet_path(const std::string& path) {
    if (has_ending(path, ".html"))
        return;
    if (!has_ending(path, ".png"))
        fail(ErrorCode::invalid_argument,
             concat("write contact sheet ", path, ": its name ends in neither .png nor .html"));
    try {
        static_cast<void>(RasterCanvas(1).text_width("x", {}));
    } catch (const Error& error) {
        fail(error.code(), concat("write contact sheet ", path, ": ", error.what(),
                                  " (hint: .html does without)"));
    }
}

void write_contact_sheet(const std::string& path, std::span<const SheetQuery> queries,
                         const SheetOptions& options, ThreadPool& pool) {
    check_sheet_path(path);
    check_range("the thumbnails' side", options.thumbnail, kLeastThumbnail, kMostThumbnail);
    check_range("columns", options.columns, 0, kMostColumns);
    if (has_ending(path, ".html"))
        write_html_sheet(path, queries, options, pool);
    else
        write_png_sheet(path, queries, options, pool);
}

} // namespace clip
