// SPDX-License-Identifier: MIT
// What was found for each query, as a page of thumbnails.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/thread_pool.hpp"
#include "data/image_decode.hpp"

namespace clip {

struct SheetHit {
    std::string item;     ///< a picture's path, any bytes but NUL; or a text
    bool is_text = false; ///< shown as a tile with the text in it
    int rank = 0;
    double score = 0.0;
};

struct SheetQuery {
    std::string name;        ///< a text; or a path, whose thumbnail is shown
    bool is_picture = false; ///< name is a path
    std::vector<SheetHit> hits;
};

struct SheetOptions {
    int columns = 0;     ///< 0: as many as make a PNG about 1,600 pixels wide; HTML fits the window
    int thumbnail = 224; ///< pixels, the longer side of a thumbnail
    std::int64_t max_pixels = DecodeOptions().max_pixels; ///< as DecodeOptions::max_pixels
    bool honour_orientation = true;                       ///< turn pictures as EXIF says
};

/// Replaces `path` by a sheet once it is complete: a PNG, or one HTML file that needs no other (the
/// thumbnails are in it; its links lead to the pictures). Pictures are read by all threads of
/// `pool`, a few at a time; the bytes do not depend on how many. One that cannot be read any more
/// is a tile that says why, not an error.
///
/// In a PNG, text is ASCII as in plots; HTML shows everything. HTML is written as it comes to be,
/// and may hold any number of hits.
/// Errors: as check_sheet_path; invalid_argument (thumbnail outside [16, 2048], columns outside
/// [0, 1000], a PNG of over 65,000 pixels a side), not_found, io_failure, out_of_memory.
void write_contact_sheet(const std::string& path, std::span<const SheetQuery> queries,
                         const SheetOptions& options, ThreadPool& pool);

/// Whether a sheet of this name can be written, to check an option before hours of work.
/// Errors: invalid_argument (not .png or .html); unsupported (.png without the OpenCV plugin).
void check_sheet_path(const std::string& path);

} // namespace clip
