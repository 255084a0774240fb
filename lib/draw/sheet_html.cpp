// SPDX-License-Identifier: MIT
// A contact sheet as one HTML file without scripts. Names come from anywhere: everything that is
// written goes through escape_markup or escape_url_path.
#include <filesystem>
#include <system_error>

#include "base/concat.hpp"
#include "data/unicode.hpp"
#include "draw/axis.hpp"
#include "draw/markup.hpp"
#include "draw/sheet_tiles.hpp"
#include "io/atomic_file.hpp"
#include "io/output_stream.hpp"

namespace clip {

namespace {

constexpr std::string_view kStyle = R"css(
:root { color-scheme: light dark; --page: #fff; --box: #f1f3f4; --ink: #202124; --faint: #5f6368; --link: #0b57d0 }
@media (prefers-color-scheme: dark) {
  :root { --page: #16181c; --box: #24272d; --ink: #e8eaed; --faint: #9aa0a6; --link: #8ab4f8 }
}
* { box-sizing: border-box }
body { margin: 0 auto; padding: 1.5rem; max-width: 110rem; background: var(--page); color: var(--ink);
  font: 14px/1.4 system-ui, sans-serif }
h1 { margin: 0; font-size: 1.3rem }
header p, .faint { margin: .2rem 0; color: var(--faint) }
section { margin-top: 2rem; padding-top: 1rem; border-top: 1px solid var(--box) }
.query { display: flex; gap: 1rem; align-items: center; margin-bottom: 1rem }
.query img, .query .box { flex: none; width: 7rem; height: 7rem; aspect-ratio: auto }
.query h2 { margin: 0; font-size: 1.15rem; overflow-wrap: anywhere; white-space: pre-line }
.grid { display: grid; gap: 1rem }
figure { margin: 0; min-width: 0 }
.box { display: flex; align-items: center; justify-content: center; width: 100%; aspect-ratio: 1;
  overflow: hidden; background: var(--box); border-radius: 4px }
img { width: 100%; height: 100%; object-fit: contain; background: var(--box); border-radius: 4px }
.box img { border-radius: 0 }
blockquote.box { margin: 0; padding: .8rem; font-size: 1rem; overflow: auto; overflow-wrap: anywhere }
blockquote.box > div { margin: auto; white-space: pre-line }
.gone { padding: .8rem; flex-direction: column; color: var(--faint); text-align: center;
  overflow-wrap: anywhere; border: 1px dashed var(--faint) }
figcaption { margin-top: .3rem }
figcaption span { color: var(--faint); font-variant-numeric: tabular-nums }
figcaption a { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3;
  overflow: hidden; overflow-wrap: anywhere }
a { color: var(--link); text-decoration: none }
a:hover { text-decoration: underline }
)css";

/// From the folder of the sheet to that of relative paths, "../photos/" or "". As names, without
/// looking at symbolic links, since that is how a browser puts URLs together.
std::string folder_of_paths(const std::string& sheet) {
    namespace fs = std::filesystem;
    std::error_code error;
    const fs::path here = fs::current_path(error);
    if (error)
        return {};
    const fs::path folder = (here / fs::path(sheet)).lexically_normal().parent_path();
    const std::string way = here.lexically_relative(folder).string();
    return way.empty() || way == "." ? std::string() : way + "/";
}

/// The URL of a picture, relative to the sheet where its path is relative.
std::string url_of(std::string_view item, const std::string& folder) {
    if (!item.starts_with('/'))
        return concat(folder.empty() ? "./" : escape_url_path(folder), escape_url_path(item));
    // Two slashes at the beginning would name a host.
    return concat('/',
                  escape_url_path(item.substr(std::min(item.find_first_not_of('/'), item.size()))));
}

/// A file's name as it is shown: characters that make what follows run backwards would let it seem
/// to have another ending.
std::string shown_name(const std::string& item) {
    std::u32string name = decode_utf8(file_name_of(item));
    for (char32_t& code : name)
        if ((code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069))
            code = 0xfffd;
    return escape_markup(encode_utf8(name));
}

class HtmlSheet {
  public:
    HtmlSheet(io::OutputStream& out, SheetTiles& tiles, const SheetOptions& options,
              std::string folder)
        : out_(out), tiles_(tiles), options_(options), folder_(std::move(folder)) {}

    void begin(std::span<const SheetQuery> queries) {
        const std::string columns = options_.columns > 0
                                        ? concat("repeat(", options_.columns, ", minmax(0, 1fr))")
                                        : concat("repeat(auto-fill, minmax(min(100%, ",
                                                 options_.thumbnail * 3 / 4, "px), 1fr))");
        // No script runs and nothing is fetched, whatever a name might smuggle in.
        out_.write(concat("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src "
                          "'none'; img-src data:; style-src 'unsafe-inline'\">\n"
                          "<meta name=\"viewport\" content=\"width=device-width\">\n"
                          "<meta name=\"referrer\" content=\"no-referrer\">\n"
                          "<title>Contact sheet: ",
                          queries.size() == 1 ? escape_markup(queries.front().name)
                                              : describe_sheet(queries),
                          "</title>\n<style>", kStyle, ".grid { grid-template-columns: ", columns,
                          " }\n</style>\n</head>\n<body>\n<header>\n<h1>Contact sheet</h1>\n<p>",
                          describe_sheet(queries), "</p>\n</header>\n"));
    }

    void add(const SheetQuery& query) {
        out_.write("<section>\n<div class=\"query\">\n");
        if (query.is_picture) {
            write_picture(tiles_.next(), query.name);
            out_.write(concat("<div><h2>", link(query.name), "</h2>"));
        } else {
            out_.write(concat("<div><h2 dir=\"auto\">", escape_markup(query.name), "</h2>"));
        }
        const std::size_t hits = query.hits.size();
        out_.write(concat("<p class=\"faint\">",
                          hits == 0   ? "no hits"
                          : hits == 1 ? "1 hit"
                                      : concat(format_count(hits), " hits"),
                          "</p></div>\n</div>\n<div class=\"grid\">\n"));
        for (const SheetHit& hit : query.hits)
            write_hit(hit);
        out_.write("</div>\n</section>\n");
    }

    void end() { out_.write("</body>\n</html>\n"); }

  private:
    std::string link(const std::string& item) const {
        return concat("<a href=\"", url_of(item, folder_), "\" title=\"", escape_markup(item),
                      "\"><bdi>", shown_name(item), "</bdi></a>");
    }

    void write_picture(const SheetTile& tile, const std::string& item) {
        if (!tile.problem.empty()) {
            out_.write(concat("<div class=\"box gone\"><div>cannot be read</div><small>",
                              escape_markup(tile.problem), "</small></div>\n"));
            return;
        }
        out_.write(concat("<a class=\"box\" href=\"", url_of(item, folder_), "\"><img alt=\"",
                          shown_name(item), "\" loading=\"lazy\" width=\"", tile.thumbnail.width,
                          "\" height=\"", tile.thumbnail.height, "\" src=\""));
        out_.write(tile.data_url);
        out_.write("\"></a>\n");
    }

    void write_hit(const SheetHit& hit) {
        out_.write("<figure>\n");
        if (hit.is_text)
            out_.write(concat("<blockquote class=\"box\"><div dir=\"auto\">",
                              escape_markup(hit.item), "</div></blockquote>\n"));
        else
            write_picture(tiles_.next(), hit.item);
        out_.write(concat("<figcaption><span>", hit.rank, " \xc2\xb7 ", format_score(hit.score),
                          "</span>", hit.is_text ? std::string() : link(hit.item),
                          "</figcaption>\n</figure>\n"));
    }

    io::OutputStream& out_;
    SheetTiles& tiles_;
    const SheetOptions& options_;
    std::string folder_;
};

} // namespace

void write_html_sheet(const std::string& path, std::span<const SheetQuery> queries,
                      const SheetOptions& options, ThreadPool& pool) {
    io::AtomicFile file(path);
    io::OutputStream out(file.fd(), path);
    SheetTiles tiles(queries, options, TileForm::encoded, options.thumbnail, pool);
    HtmlSheet sheet(out, tiles, options, folder_of_paths(path));
    sheet.begin(queries);
    for (const SheetQuery& query : queries)
        sheet.add(query);
    sheet.end();
    out.flush();
    file.commit();
}

} // namespace clip
