// SPDX-License-Identifier: MIT
#include "draw/sheet_tiles.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "data/jpeg_writer.hpp"
#include "data/png_writer.hpp"
#include "draw/axis.hpp"
#include "draw/markup.hpp"

namespace clip {

namespace {

constexpr int kJpegQuality = 85;
constexpr std::size_t kReadAheadBytes = std::size_t{32} << 20;

void encode(SheetTile& tile) {
    Thumbnail& thumbnail = tile.thumbnail;
    tile.data_url = thumbnail.alpha
                        ? concat("data:image/png;base64,",
                                 to_base64(encode_png(thumbnail.width, thumbnail.height,
                                                      PngPixels::rgba, thumbnail.pixels.data())))
                        : concat("data:image/jpeg;base64,",
                                 to_base64(encode_jpeg(thumbnail.width, thumbnail.height,
                                                       thumbnail.pixels.data(), kJpegQuality)));
    thumbnail.pixels = {};
}

/// What is left of a message where it is plain that a picture was being read.
std::string reason_of(const Error& error) {
    std::string_view message = error.what();
    constexpr std::string_view kAttempt = "read picture: ";
    if (message.starts_with(kAttempt))
        message.remove_prefix(kAttempt.size());
    return std::string(message.substr(0, message.find(" (hint: ")));
}

} // namespace

SheetTiles::SheetTiles(std::span<const SheetQuery> queries, const SheetOptions& options,
                       TileForm form, int query_side, ThreadPool& pool)
    : options_(options), form_(form), pool_(pool) {
    for (const SheetQuery& query : queries) {
        if (query.is_picture)
            jobs_.push_back({&query.name, query_side});
        for (const SheetHit& hit : query.hits)
            if (!hit.is_text)
                jobs_.push_back({&hit.item, options.thumbnail});
    }
    const auto side = static_cast<std::size_t>(options.thumbnail);
    batch_ = std::clamp(kReadAheadBytes / (side * side * 4), pool.size(), 16 * pool.size());
}

SheetTile SheetTiles::make(const Job& job) const {
    ThumbnailOptions thumbnail;
    thumbnail.side = job.side;
    thumbnail.enlarge = form_ == TileForm::pixels;
    thumbnail.orientation = options_.honour_orientation ? Orientation::exif : Orientation::ignore;
    DecodeOptions decode;
    decode.max_pixels = options_.max_pixels;
    SheetTile tile;
    try {
        tile.thumbnail = read_thumbnail(*job.path, thumbnail, decode).value();
        if (form_ == TileForm::encoded)
            encode(tile);
    } catch (const Error& error) {
        tile.problem = reason_of(error);
    }
    return tile;
}

void SheetTiles::read_ahead() {
    const std::size_t count = std::min(batch_, jobs_.size() - read_);
    ready_ = std::vector<SheetTile>(count);
    given_ = 0;
    pool_.parallel_for(count, 1, [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i)
            ready_[i] = make(jobs_[read_ + i]);
    });
    read_ += count;
}

SheetTile SheetTiles::next() {
    if (given_ == ready_.size()) {
        expect(read_ < jobs_.size(), "a contact sheet has as many tiles as pictures");
        read_ahead();
    }
    return std::move(ready_[given_++]);
}

std::string format_score(double score) {
    const double size = std::fabs(score);
    if (size == 0.0 || (size >= 0.001 && size < 1e6))
        return format_fixed(score, 4);
    char buffer[48];
    const auto end =
        std::to_chars(buffer, buffer + sizeof buffer, score, std::chars_format::general, 3);
    return {buffer, end.ptr};
}

std::string_view file_name_of(std::string_view path) {
    const std::size_t slash = path.rfind('/');
    // A path that ends in a slash has no name of its own.
    return slash == std::string_view::npos || slash + 1 == path.size() ? path
                                                                       : path.substr(slash + 1);
}

std::string describe_sheet(std::span<const SheetQuery> queries) {
    std::size_t hits = 0;
    for (const SheetQuery& query : queries)
        hits += query.hits.size();
    return concat(format_count(queries.size()), queries.size() == 1 ? " query, " : " queries, ",
                  format_count(hits), hits == 1 ? " hit" : " hits");
}

} // namespace clip
