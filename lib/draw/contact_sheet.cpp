// SPDX-License-Identifier: MIT
#include "draw/contact_sheet.hpp"

#include "base/concat.hpp"
#include "base/error.hpp"
#include "draw/picture_file.hpp"
#include "draw/plot.hpp"

namespace clip {

void check_sheet_path(const std::string& path) {
    if (has_ending(path, ".html"))
        return;
    if (!has_ending(path, ".png"))
        fail(ErrorCode::invalid_argument,
             concat("write contact sheet ", path, ": its name ends in neither .png nor .html"));
    check_plot_path(path);
}

void write_contact_sheet(const std::string& path, std::span<const SheetQuery>, const SheetOptions&,
                         ThreadPool&) {
    check_sheet_path(path);
    fail(ErrorCode::unsupported, "write contact sheet: not there yet");
}

} // namespace clip
