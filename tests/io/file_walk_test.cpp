// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <filesystem>

#include <sys/stat.h>
#include <unistd.h>

#include "io/file_walk.hpp"
#include "temp_folder.hpp"

using namespace clip;
using namespace clip::io;
using clip_test::TempFolder;
using clip_test::write_file;

namespace {

struct Seen {
    std::vector<std::string> files;
    std::vector<std::string> errors;
};

Seen walked(const std::string& folder) {
    Seen out;
    out.files = walk_pictures(
        folder, [](std::string_view name) { return name.ends_with(".jpg"); },
        [&out](const std::string& path, const Error&) { out.errors.push_back(path); });
    for (std::string& path : out.files)
        path = path.substr(folder.size() + (folder.ends_with('/') ? 0 : 1));
    return out;
}

using Names = std::vector<std::string>;

} // namespace

TEST_CASE("file walk: depth first, names in the order of their bytes") {
    const TempFolder folder;
    for (const char* name : {"b", "b/inner", "B", "empty"})
        std::filesystem::create_directory(folder / name);
    for (const char* name : {"a.jpg", "Z.jpg", "b/2.jpg", "b/10.jpg", "b/inner/x.jpg", "B/y.jpg",
                             "c.txt", "b.jpg", "\xe9.jpg", "\xc3\xa9.jpg", ".hidden.jpg"})
        write_file(folder / name, "");
    const Seen seen = walked(folder.path());
    CHECK(seen.files == Names{".hidden.jpg", "B/y.jpg", "Z.jpg", "a.jpg", "b/10.jpg", "b/2.jpg",
                              "b/inner/x.jpg", "b.jpg", "\xc3\xa9.jpg", "\xe9.jpg"});
    CHECK(seen.errors.empty());
    CHECK(walked(folder.path() + "/").files == seen.files);
}

TEST_CASE("file walk: follows links, but not in circles") {
    const TempFolder folder, other;
    write_file(other / "far.jpg", "");
    std::filesystem::create_directory(folder / "sub");
    write_file(folder / "sub/a.jpg", "");
    std::filesystem::create_symlink("..", folder / "sub/up");
    std::filesystem::create_symlink(".", folder / "self");
    std::filesystem::create_symlink(other.path(), folder / "there");
    std::filesystem::create_symlink("sub/a.jpg", folder / "z.jpg");
    CHECK(walked(folder.path()).files == Names{"sub/a.jpg", "there/far.jpg", "z.jpg"});
}

TEST_CASE("file walk: what cannot be read is reported, and the rest goes on") {
    const TempFolder folder;
    std::filesystem::create_symlink("nowhere", folder / "b.jpg");
    std::filesystem::create_symlink("nowhere", folder / "b.txt");
    write_file(folder / "c.jpg", "");
    REQUIRE(::mkfifo((folder / "pipe.jpg").c_str(), 0600) == 0);
    std::filesystem::create_directory(folder / "closed");
    Names errors = {folder / "b.jpg"};
    if (::geteuid() != 0) { // root reads every folder
        ::chmod((folder / "closed").c_str(), 0);
        errors.push_back(folder / "closed");
    }
    const Seen seen = walked(folder.path());
    CHECK(seen.files == Names{"c.jpg"});
    CHECK(seen.errors == errors);
    CHECK(walked(folder / "none").errors == Names{folder / "none"});
    CHECK(walked(folder / "c.jpg").errors == Names{folder / "c.jpg"});
    ::chmod((folder / "closed").c_str(), 0700);
}

TEST_CASE("file walk: ends where the visitor has had enough") {
    const TempFolder folder;
    for (const char* name : {"a", "b", "c"})
        write_file(folder / name, "");
    std::size_t count = 0;
    walk_files(folder.path(), {[](std::string_view) { return true; },
                               [&count](const std::string&) { return ++count < 2; },
                               [](const std::string&, const Error&) {}});
    CHECK(count == 2);
}
