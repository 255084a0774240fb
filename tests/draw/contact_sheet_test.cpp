// SPDX-License-Identifier: MIT
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <doctest/doctest.h>

#include "data/png_writer.hpp"
#include "draw/contact_sheet.hpp"
#include "markup_reader.hpp"
#include "output_folder.hpp"

namespace {

using clip::ErrorCode;
using clip::SheetHit;
using clip::SheetOptions;
using clip::SheetQuery;

std::string golden(const std::string& name) {
    return std::string(CLIP_TEST_DIR "/golden/pixels/") + name;
}

/// A picture of one colour, 0xRRGGBB, with an alpha where it is not 255.
void write_colour(const std::string& path, int width, int height, std::uint32_t colour,
                  std::uint8_t alpha = 255) {
    std::vector<std::uint8_t> pixels;
    for (int i = 0; i < width * height; ++i) {
        for (const int shift : {16, 8, 0})
            pixels.push_back(static_cast<std::uint8_t>(colour >> shift));
        if (alpha != 255)
            pixels.push_back(alpha);
    }
    const auto bytes = clip::encode_png(
        width, height, alpha == 255 ? clip::PngPixels::rgb : clip::PngPixels::rgba, pixels.data());
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
}

std::vector<SheetQuery> queries_of(const OutputFolder& folder) {
    write_colour(folder / "red.png", 400, 200, 0xff0000);
    write_colour(folder / "green.png", 20, 40, 0x00ff00);
    write_colour(folder / "clear.png", 300, 300, 0x0000ff, 51);
    return {{"a text",
             false,
             {{folder / "red.png", false, 1, 0.3127},
              {folder / "green.png", false, 2, 0.25},
              {folder / "clear.png", false, 3, -1.0},
              {"two dogs on a beach", true, 4, 0.0},
              {folder / "gone.png", false, 5, 1e-9}}},
            {folder / "green.png", true, {{folder / "red.png", false, 1, 0.5}}},
            {"nothing", false, {}}};
}

std::string sheet(const OutputFolder& folder, const std::string& name,
                  const std::vector<SheetQuery>& queries, const SheetOptions& options = {},
                  std::size_t threads = 1) {
    clip::ThreadPool pool(threads);
    clip::write_contact_sheet(folder / name, queries, options, pool);
    return read_file(folder / name);
}

std::string decode_base64(std::string_view text) {
    const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    unsigned bits = 0, count = 0;
    for (const char c : text) {
        const std::size_t digit = digits.find(c);
        if (digit == std::string::npos)
            break;
        bits = bits << 6 | static_cast<unsigned>(digit);
        count += 6;
        if (count >= 8) {
            count -= 8;
            out += static_cast<char>(bits >> count & 0xff);
        }
    }
    return out;
}

/// The picture in a data: URL.
clip::Image picture_in(const Element& img) {
    const std::string& url = img.attributes.at("src");
    const std::size_t comma = url.find(',');
    REQUIRE(comma != std::string::npos);
    const std::string bytes = decode_base64(std::string_view(url).substr(comma + 1));
    return clip::decode_image({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()},
                              {})
        .value();
}

bool near(std::uint32_t got, std::uint32_t want) {
    for (const int shift : {16, 8, 0})
        if (std::abs(static_cast<int>(got >> shift & 0xff) -
                     static_cast<int>(want >> shift & 0xff)) > 3)
            return false;
    return true;
}

template <typename Call>
void check_fails(ErrorCode code, const std::string& part, const Call& call) {
    try {
        call();
        FAIL_CHECK("nothing was thrown");
    } catch (const clip::Error& error) {
        CHECK(error.code() == code);
        CAPTURE(error.what());
        CHECK(std::string(error.what()).find(part) != std::string::npos);
    }
}

} // namespace

TEST_CASE("contact sheet, PNG: thumbnails are where they belong") {
    const OutputFolder folder;
    const auto queries = queries_of(folder);
    SheetOptions options;
    options.thumbnail = 100;
    options.columns = 3;
    sheet(folder, "sheet.png", queries, options);
    const clip::Image image = read_picture(folder / "sheet.png");
    CHECK(image.width == 480); // not less, for the headings
    // The first row begins below the heading; its boxes are grey, the pictures in their middle.
    int top = 0;
    while (top < image.height && pixel_at(image, 24, top) != 0xf1f3f4)
        ++top;
    REQUIRE(top < 200);
    CHECK(pixel_at(image, 24, top + 24) == 0xf1f3f4);
    for (const int x : {24, 123})
        for (const int y : {25, 50, 74}) // 100 x 50
            CHECK(pixel_at(image, x, top + y) == 0xff0000);
    CHECK(pixel_at(image, 24, top + 75) == 0xf1f3f4);
    const int second = 24 + 116, third = second + 116;
    CHECK(pixel_at(image, second + 25, top) == 0x00ff00); // enlarged, 50 x 100
    CHECK(pixel_at(image, second + 24, top) == 0xf1f3f4);
    CHECK(pixel_at(image, second + 74, top + 99) == 0x00ff00);
    CHECK(near(pixel_at(image, third + 50, top + 50), 0xc1c2f6)); // a fifth of blue on grey
    // The second row: a caption and a picture that is gone; there is something to read in both.
    const int row = top + 100 + 40 + 16;
    for (const int x : {24, second}) {
        int ink = 0;
        for (int i = 0; i < 100 * 100; ++i)
            ink += pixel_at(image, x + i % 100, row + i / 100) != 0xf1f3f4;
        CHECK(ink > 100);
        CHECK(ink < 4000);
    }
    CHECK(pixel_at(image, third + 50, row + 50) == 0xffffff); // no fifth hit's box here
}

TEST_CASE("contact sheet, PNG: about 1,600 pixels wide, with rows of the same length") {
    const OutputFolder folder;
    write_colour(folder / "red.png", 8, 8, 0xff0000);
    const auto size = [&](int hits, int thumbnail) {
        SheetQuery query{"q", false, {}};
        for (int i = 0; i < hits; ++i)
            query.hits.push_back({folder / "red.png", false, i + 1, 0.5});
        SheetOptions options;
        options.thumbnail = thumbnail;
        sheet(folder, "sheet.png", {query}, options);
        const clip::Image image = read_picture(folder / "sheet.png");
        return std::pair(image.width, image.height);
    };
    CHECK(size(1000, 16).first <= 1600);
    CHECK(size(1000, 16).first > 1500);
    CHECK(size(10, 224).first == 48 - 16 + 5 * 240);
    CHECK(size(12, 224).first == 48 - 16 + 6 * 240);
    CHECK(size(1, 2048).first == 48 + 2048);
    CHECK(size(10, 224).second == size(6 + 1, 224).second);
}

TEST_CASE("contact sheet, HTML: every hit with its picture, its score and a link") {
    const OutputFolder folder;
    const auto queries = queries_of(folder);
    const auto elements = MarkupReader::read(sheet(folder, "sheet.html", queries), true);
    CHECK(named(elements, "section").size() == 3);
    CHECK(named(elements, "figure").size() == 6);
    const auto images = named(elements, "img");
    REQUIRE(images.size() == 5); // three, the second query, its hit
    CHECK(images[0].attributes.at("src").starts_with("data:image/jpeg;base64,"));
    CHECK(images[0].attributes.at("width") == "224");
    CHECK(images[0].attributes.at("height") == "112");
    const clip::Image red = picture_in(images[0]);
    CHECK(red.width == 224);
    CHECK(near(pixel_at(red, 100, 50), 0xff0000));
    CHECK(images[1].attributes.at("width") == "20"); // not enlarged: browsers can do it
    CHECK(images[2].attributes.at("src").starts_with("data:image/png;base64,"));
    const clip::Image clear = picture_in(images[2]);
    REQUIRE(clear.mode == clip::PixelMode::rgba);
    CHECK(int{clear.row(5)[4 * 5 + 3]} == 51);
    CHECK(images[3].attributes.at("alt") == "green.png");

    std::vector<std::string> spans, links;
    for (const Element& element : named(elements, "span"))
        spans.push_back(element.text);
    CHECK(spans == std::vector<std::string>{"1 \xc2\xb7 0.3127", "2 \xc2\xb7 0.2500",
                                            "3 \xc2\xb7 -1.0000", "4 \xc2\xb7 0.0000",
                                            "5 \xc2\xb7 1e-09", "1 \xc2\xb7 0.5000"});
    for (const Element& element : named(elements, "a")) {
        CHECK(element.attributes.at("href").starts_with("/"));
        links.push_back(element.attributes.at("href"));
    }
    CHECK(links.back() == folder / "red.png");
    const auto captions = named(elements, "blockquote");
    REQUIRE(captions.size() == 1);
    bool unreadable = false, caption = false;
    for (const Element& element : elements) {
        unreadable = unreadable || element.text == "no such file or directory";
        caption = caption || element.text == "two dogs on a beach";
    }
    CHECK(unreadable);
    CHECK(caption);
}

TEST_CASE("contact sheet, HTML: hostile names stay names") {
    const OutputFolder folder;
    std::vector<std::string> items = {"\"><script>alert(1)<x>.png",
                                      "'onerror='x.png",
                                      "javascript:alert(1).png",
                                      "a b%20c?d#e&amp;.png",
                                      "caf\xe9\xff.png",
                                      "new\nline\ttab\x01.png",
                                      "-->]]>.png",
                                      "\xe7\x8c\xab.png"};
    SheetQuery query{"</h2><script>alert(2)</script>\xff", false, {}};
    int rank = 0;
    for (const std::string& item : items) {
        write_colour(folder / item, 8, 8, 0x123456);
        query.hits.push_back({folder / item, false, ++rank, 0.1});
        query.hits.push_back({item, true, ++rank, 0.1});
        query.hits.push_back({"//evil.example/" + item, false, ++rank, 0.1});
        query.hits.push_back({item, false, ++rank, 0.1});
    }
    query.hits.push_back({"\xe2\x80\xaegnp.exe", false, ++rank, 0.1});
    query.hits.push_back({"", false, ++rank, 0.1});
    const std::string html = sheet(folder, "sheet.html", {query, {folder / items[0], true, {}}});
    const auto elements = MarkupReader::read(html, true);
    CHECK(named(elements, "script").empty());
    CHECK(named(elements, "img").size() == items.size() + 1);
    const std::vector<std::string> attributes = {
        "href",    "title", "src",  "alt",     "class", "width",   "height",
        "loading", "dir",   "lang", "charset", "name",  "content", "http-equiv"};
    for (const Element& element : elements)
        for (const auto& [name, value] : element.attributes)
            CHECK_MESSAGE(std::find(attributes.begin(), attributes.end(), name) != attributes.end(),
                          name);
    for (const Element& link : named(elements, "a")) {
        const std::string& url = link.attributes.at("href");
        CAPTURE(url);
        CHECK_FALSE(url.starts_with("//"));
        CHECK(url.find_first_of(":?#&<>\"' \n\t") == std::string::npos);
    }
    // The bytes of a name that is not UTF-8 are in its link, and readable in its text.
    CHECK(html.find("caf%E9%FF.png") != std::string::npos);
    CHECK(html.find("<bdi>caf\xef\xbf\xbd\xef\xbf\xbd.png</bdi>") != std::string::npos);
    CHECK(html.find("<bdi>\xef\xbf\xbdgnp.exe</bdi>") != std::string::npos);
    sheet(folder, "sheet.png", {query});
    CHECK(read_picture(folder / "sheet.png").height > 1000);
}

TEST_CASE("contact sheet, HTML: links lead from the sheet's folder to relative paths") {
    const OutputFolder folder;
    std::filesystem::create_directories(folder.path() / "photos");
    std::filesystem::create_directories(folder.path() / "out/deep");
    write_colour(folder / "photos/red one.png", 8, 8, 0xff0000);
    const auto before = std::filesystem::current_path();
    std::filesystem::current_path(folder.path());
    const std::string here = folder.path().filename().string();
    const SheetQuery query{"q", false, {{"photos/red one.png", false, 1, 0.5}}};
    clip::ThreadPool pool(1);
    for (const auto& [path, want] :
         {std::pair<std::string, std::string>{"sheet.html", "./photos/red%20one.png"},
          {"./out/../sheet.html", "./photos/red%20one.png"},
          {"out/deep/sheet.html", "../../photos/red%20one.png"},
          {"../" + here + "/out/sheet.html", "../photos/red%20one.png"},
          {folder / "out/sheet.html", "../photos/red%20one.png"}}) {
        clip::write_contact_sheet(path, std::vector{query}, {}, pool);
        const auto elements = MarkupReader::read(read_file(path), true);
        for (const Element& link : named(elements, "a"))
            CHECK(link.attributes.at("href") == want);
        CHECK(named(elements, "img").size() == 1);
    }
    std::filesystem::current_path(before);
}

TEST_CASE("contact sheet: the same bytes whatever the threads") {
    const OutputFolder folder;
    SheetQuery query{"all kinds", false, {}};
    for (const auto& entry : std::filesystem::directory_iterator(golden("")))
        query.hits.push_back({entry.path().string(), false, 1, 0.1});
    REQUIRE(query.hits.size() > 20); // the .u8 files are no pictures
    SheetOptions options;
    options.thumbnail = 48;
    for (const std::string name : {"sheet.html", "sheet.png"}) {
        const std::string first = sheet(folder, name, {query, query}, options, 1);
        CHECK((sheet(folder, name, {query, query}, options, 2) == first));
        CHECK((sheet(folder, name, {query, query}, options, 7) == first));
    }
}

TEST_CASE("contact sheet: EXIF orientation is honoured, or not") {
    const OutputFolder folder;
    const SheetQuery query{"q", false, {{golden("turned-6.jpg"), false, 1, 0.1}}};
    SheetOptions options;
    const auto size = [&] {
        const auto images =
            named(MarkupReader::read(sheet(folder, "sheet.html", {query}, options), true), "img");
        return std::pair(std::stoi(images.at(0).attributes.at("width")),
                         std::stoi(images.at(0).attributes.at("height")));
    };
    const auto turned = size();
    options.honour_orientation = false;
    CHECK(size() == std::pair(turned.second, turned.first));
}

TEST_CASE("contact sheet: pictures over max_pixels say so") {
    const OutputFolder folder;
    write_colour(folder / "red.png", 100, 100, 0xff0000);
    SheetOptions options;
    options.max_pixels = 9999;
    const std::string html =
        sheet(folder, "sheet.html", {{"q", false, {{folder / "red.png", false, 1, 0.1}}}}, options);
    CHECK(html.find("<small>the picture is too large: 100 x 100") != std::string::npos);
    CHECK(html.find("--max-pixels") == std::string::npos);
}

TEST_CASE("contact sheet: nothing to show is a sheet too") {
    const OutputFolder folder;
    CHECK(MarkupReader::read(sheet(folder, "sheet.html", {}), true).size() > 5);
    sheet(folder, "sheet.png", {});
    CHECK(read_picture(folder / "sheet.png").width == 480);
}

TEST_CASE("contact sheet: what cannot be written is an error, and leaves an old file alone") {
    const OutputFolder folder;
    const auto queries = queries_of(folder);
    const std::string before = sheet(folder, "sheet.png", queries);
    SheetQuery many{"many", false, std::vector<SheetHit>(5000, queries[0].hits[0])};
    check_fails(ErrorCode::invalid_argument, "over 65000 pixels high (hint: fewer hits",
                [&] { sheet(folder, "sheet.png", {many}); });
    SheetOptions options;
    options.columns = 500;
    check_fails(ErrorCode::invalid_argument, "pixels wide",
                [&] { sheet(folder, "sheet.png", {many}, options); });
    options.columns = -1;
    check_fails(ErrorCode::invalid_argument, "columns out of range (got -1",
                [&] { sheet(folder, "sheet.html", {many}, options); });
    options = {};
    options.thumbnail = 15;
    check_fails(ErrorCode::invalid_argument, "out of range (got 15, want 16 to 2048)",
                [&] { sheet(folder, "sheet.html", {many}, options); });
    for (const char* path : {"sheet.jpg", "sheet.htm", "", ".html", "x/.png"})
        check_fails(ErrorCode::invalid_argument, ".png nor .html",
                    [&] { clip::check_sheet_path(path); });
    clip::check_sheet_path("a.HTML");
    clip::check_sheet_path("a.png");
    check_fails(ErrorCode::not_found, "no such file",
                [&] { sheet(folder, "no/sheet.html", queries); });
    CHECK(read_file(folder / "sheet.png") == before);
    CHECK(folder.names() ==
          std::vector<std::string>{"clear.png", "green.png", "red.png", "sheet.png"});
}
