// SPDX-License-Identifier: MIT
// A contact sheet as one PNG. It is drawn in bands of one row of tiles, so that a sheet of any
// height takes the memory of one row.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "data/png_writer.hpp"
#include "draw/axis.hpp"
#include "draw/raster_canvas.hpp"
#include "draw/sheet_tiles.hpp"
#include "io/atomic_file.hpp"
#include "io/output_stream.hpp"

namespace clip {

namespace {

constexpr int kMargin = 24;
constexpr int kGap = 16;
constexpr int kUsualWidth = 1600;
constexpr int kLeastWidth = 480;
constexpr int kMostSide = 65000;
constexpr int kHeadingPicture = 96;
constexpr int kHeadingLine = 26; // from one line of a query to the next
constexpr int kHeadingLines = 3;
constexpr int kCaption = 40; // below a thumbnail
constexpr Colour kBox{241, 243, 244};
constexpr Colour kRule{218, 220, 224};

const TextStyle kQuery{19.0, kInk, Align::left, false, true};
const TextStyle kNote{13.0, kFaint};
const TextStyle kScore{13.0, kInk};
const TextStyle kName{12.0, kFaint};
const TextStyle kTileText{15.0, kInk};

/// A thumbnail on the colour of its box, as RGB.
std::vector<std::uint8_t> flatten(const Thumbnail& thumbnail) {
    if (!thumbnail.alpha)
        return thumbnail.pixels;
    std::vector<std::uint8_t> out(thumbnail.pixels.size() / 4 * 3);
    for (std::size_t i = 0; i < out.size() / 3; ++i) {
        const std::uint8_t* from = thumbnail.pixels.data() + 4 * i;
        const Colour seen = mix(kBox, {from[0], from[1], from[2]}, from[3] / 255.0);
        out[3 * i] = seen.red;
        out[3 * i + 1] = seen.green;
        out[3 * i + 2] = seen.blue;
    }
    return out;
}

/// Numbers of the sheet that do not depend on a query.
struct Grid {
    int side = 0, columns = 0, width = 0;
    int row_height() const { return side + kCaption + kGap; }
};

Grid choose_grid(std::span<const SheetQuery> queries, const SheetOptions& options) {
    Grid grid;
    grid.side = options.thumbnail;
    grid.columns = options.columns;
    if (grid.columns == 0) {
        const int most = std::max(1, (kUsualWidth - 2 * kMargin + kGap) / (grid.side + kGap));
        std::size_t hits = 1;
        for (const SheetQuery& query : queries)
            hits = std::max(hits, query.hits.size());
        // Rows of about the same length: 10 hits make 5 and 5, not 6 and 4.
        const std::size_t rows =
            (hits + static_cast<std::size_t>(most) - 1) / static_cast<std::size_t>(most);
        grid.columns = static_cast<int>((hits + rows - 1) / rows);
    }
    grid.width = std::max(2 * kMargin - kGap + grid.columns * (grid.side + kGap), kLeastWidth);
    return grid;
}

/// The heading of one query.
struct Heading {
    std::vector<std::string> lines;
    int text_left = kMargin;
    int picture = 0; ///< side of its thumbnail
    int height = 0;
    int rows = 0; ///< of tiles
};

Heading plan_heading(const RasterCanvas& canvas, const SheetQuery& query, const Grid& grid) {
    Heading heading;
    heading.picture = query.is_picture ? std::min(kHeadingPicture, grid.side) : 0;
    if (query.is_picture)
        heading.text_left += heading.picture + kGap;
    const double room = grid.width - kMargin - heading.text_left;
    if (query.is_picture)
        heading.lines = {shorten(canvas, file_name_of(query.name), kQuery, room, Shorten::middle)};
    else
        heading.lines = wrap(canvas, query.name, kQuery, room, kHeadingLines);
    const int text = kHeadingLine * static_cast<int>(heading.lines.size()) + 22;
    heading.height = kMargin + std::max(text, heading.picture) + kGap;
    const auto columns = static_cast<std::size_t>(grid.columns);
    heading.rows = static_cast<int>(
        std::min<std::size_t>((query.hits.size() + columns - 1) / columns, kMostSide));
    return heading;
}

/// A band of the sheet, drawn with its own zero and written to the file.
class PngSheet {
  public:
    PngSheet(const Grid& grid, SheetTiles& tiles, PngWriter& writer)
        : grid_(grid), tiles_(tiles), writer_(writer) {}

    void add_heading(const SheetQuery& query, const Heading& heading, bool first) {
        RasterCanvas band(1);
        band.start(grid_.width, heading.height, {});
        if (!first)
            band.rectangle({kMargin, 0.0, static_cast<double>(grid_.width - 2 * kMargin), 1.0},
                           kRule);
        if (query.is_picture)
            draw_picture(band, kMargin, kMargin, heading.picture, tiles_.next());
        const int text = kHeadingLine * static_cast<int>(heading.lines.size()) + 22;
        double y = kMargin + std::max(0, heading.picture - text) / 2.0 + 18.0;
        for (const std::string& line : heading.lines) {
            band.text({static_cast<double>(heading.text_left), y}, line, kQuery);
            y += kHeadingLine;
        }
        const std::size_t hits = query.hits.size();
        band.text({static_cast<double>(heading.text_left), y},
                  hits == 0   ? "no hits"
                  : hits == 1 ? "1 hit"
                              : concat(format_count(hits), " hits"),
                  kNote);
        write(band);
    }

    void add_row(std::span<const SheetHit> hits) {
        RasterCanvas band(1);
        band.start(grid_.width, grid_.row_height(), {});
        int x = kMargin;
        for (const SheetHit& hit : hits) {
            if (hit.is_text)
                draw_caption(band, x, hit.item);
            else
                draw_picture(band, x, 0, grid_.side, tiles_.next());
            const std::string score = concat(hit.rank, "   ", format_score(hit.score));
            band.text({static_cast<double>(x), grid_.side + 18.0},
                      shorten(band, score, kScore, grid_.side, Shorten::end), kScore);
            if (!hit.is_text)
                band.text({static_cast<double>(x), grid_.side + 35.0},
                          shorten(band, file_name_of(hit.item), kName, grid_.side, Shorten::middle),
                          kName);
            x += grid_.side + kGap;
        }
        write(band);
    }

    void add_note(const std::string& text, int height) {
        RasterCanvas band(1);
        band.start(grid_.width, height, {});
        band.text({kMargin, kMargin + 18.0}, text, kNote);
        write(band);
    }

  private:
    void write(const RasterCanvas& band) {
        writer_.write_rows(band.pixels().data(), band.height());
    }

    static void draw_picture(RasterCanvas& band, int x, int y, int side, const SheetTile& tile) {
        const double left = x, top = y, size = side;
        band.rectangle({left, top, size, size}, kBox);
        if (!tile.problem.empty())
            return draw_problem(band, {left, top, size, size}, tile.problem);
        const Thumbnail& thumbnail = tile.thumbnail;
        const double width = thumbnail.width, height = thumbnail.height;
        const std::vector<std::uint8_t> pixels = flatten(thumbnail);
        band.picture({std::floor(left + (size - width) / 2.0),
                      std::floor(top + (size - height) / 2.0), width, height},
                     {thumbnail.width, thumbnail.height, pixels.data()});
    }

    static void draw_problem(RasterCanvas& band, const Box& box, const std::string& problem) {
        const int lines = std::clamp(static_cast<int>(box.height / 16.0) - 2, 1, 6);
        double y = box.y + 22.0;
        TextStyle style = kNote;
        style.size = 12.0;
        band.text({box.x + 8.0, y},
                  shorten(band, "unreadable:", style, box.width - 16.0, Shorten::end), style);
        for (const std::string& line : wrap(band, problem, style, box.width - 16.0, lines)) {
            y += 16.0;
            band.text({box.x + 8.0, y}, line, style);
        }
    }

    void draw_caption(RasterCanvas& band, int x, const std::string& text) const {
        const double side = grid_.side;
        band.rectangle({static_cast<double>(x), 0.0, side, side}, kBox);
        const double inset = std::min(12.0, side / 8.0);
        TextStyle style = kTileText;
        style.size = std::clamp(side / 14.0, 10.0, 18.0);
        const double step = std::round(style.size * 1.4);
        const int most = std::max(1, static_cast<int>((side - 2.0 * inset) / step));
        const std::vector<std::string> lines = wrap(band, text, style, side - 2.0 * inset, most);
        double y = (side - step * static_cast<double>(lines.size())) / 2.0 + style.size;
        for (const std::string& line : lines) {
            band.text({x + inset, y}, line, style);
            y += step;
        }
    }

    const Grid& grid_;
    SheetTiles& tiles_;
    PngWriter& writer_;
};

} // namespace

void write_png_sheet(const std::string& path, std::span<const SheetQuery> queries,
                     const SheetOptions& options, ThreadPool& pool) {
    const Grid grid = choose_grid(queries, options);
    if (grid.width > kMostSide)
        fail(ErrorCode::invalid_argument,
             concat("write contact sheet ", path, ": it would be ", grid.width,
                    " pixels wide (at most ", kMostSide, ")"));
    const RasterCanvas ruler(1);
    std::vector<Heading> headings;
    std::int64_t height = queries.empty() ? 3 * kMargin : 0;
    for (const SheetQuery& query : queries) {
        headings.push_back(plan_heading(ruler, query, grid));
        height += headings.back().height + std::int64_t{headings.back().rows} * grid.row_height();
        if (height > kMostSide)
            fail(ErrorCode::invalid_argument,
                 concat("write contact sheet ", path, ": it would be over ", kMostSide,
                        " pixels high (hint: fewer hits, smaller thumbnails, or .html, which has "
                        "room for all)"));
    }
    io::AtomicFile file(path);
    io::OutputStream out(file.fd(), path);
    PngWriter writer(grid.width, static_cast<int>(height), PngPixels::rgb,
                     [&out](std::span<const std::uint8_t> bytes) {
                         out.write({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
                     });
    SheetTiles tiles(queries, options, TileForm::pixels, std::min(kHeadingPicture, grid.side),
                     pool);
    PngSheet sheet(grid, tiles, writer);
    if (queries.empty())
        sheet.add_note("There are no queries.", static_cast<int>(height));
    for (std::size_t i = 0; i < queries.size(); ++i) {
        sheet.add_heading(queries[i], headings[i], i == 0);
        std::span<const SheetHit> left = queries[i].hits;
        while (!left.empty()) {
            const std::size_t count = std::min(left.size(), static_cast<std::size_t>(grid.columns));
            sheet.add_row(left.first(count));
            left = left.subspan(count);
        }
    }
    writer.finish();
    out.flush();
    file.commit();
}

} // namespace clip
