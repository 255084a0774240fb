// SPDX-License-Identifier: MIT
// The pictures of a contact sheet, read ahead by all threads and handed out in order.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "data/thumbnail.hpp"
#include "draw/contact_sheet.hpp"

namespace clip {

/// One picture of a sheet.
struct SheetTile {
    Thumbnail thumbnail;  ///< its pixels are gone where the tile was encoded
    std::string data_url; ///< `data:image/...;base64,...`, where it was
    std::string problem;  ///< why there is no picture; else empty
};

enum class TileForm : unsigned char {
    pixels,  ///< thumbnails of the full size, for a PNG
    encoded, ///< JPEG, or PNG where there is alpha, no larger than the picture, for HTML
};

/// Gives the tiles of `queries` one after the other: for each query its own picture if it is one,
/// then its hits that are pictures. What is held at a time is bounded: some dozens of thumbnails,
/// and one whole picture a thread.
///
/// `query_side` is the longer side of the queries' own thumbnails.
class SheetTiles {
  public:
    SheetTiles(std::span<const SheetQuery> queries, const SheetOptions& options, TileForm form,
               int query_side, ThreadPool& pool);

    /// The next tile; there must be one. Errors: out_of_memory; whatever the pool throws.
    SheetTile next();

  private:
    struct Job {
        const std::string* path;
        int side;
    };
    void read_ahead();
    SheetTile make(const Job& job) const;

    std::vector<Job> jobs_;
    SheetOptions options_;
    TileForm form_;
    ThreadPool& pool_;
    std::size_t batch_;
    std::size_t read_ = 0; ///< of jobs_
    std::vector<SheetTile> ready_;
    std::size_t given_ = 0; ///< of ready_
};

/// "0.3127": four decimals where these say something, else three significant digits.
std::string format_score(double score);

/// What follows a path's last slash.
std::string_view file_name_of(std::string_view path);

/// "3 queries, 30 hits"
std::string describe_sheet(std::span<const SheetQuery> queries);

void write_html_sheet(const std::string& path, std::span<const SheetQuery> queries,
                      const SheetOptions& options, ThreadPool& pool);
void write_png_sheet(const std::string& path, std::span<const SheetQuery> queries,
                     const SheetOptions& options, ThreadPool& pool);

} // namespace clip
