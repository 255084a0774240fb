// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <array>
#include <sys/stat.h>

#include "io/atomic_folder.hpp"
#include "io/temp_folder.hpp"

using namespace clip;
using namespace clip::io;
using namespace clip_test;

namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 2> kNames{"a.json", "b.bin"};

void write_new(const std::string& path, std::string_view text, bool overwrite) {
    AtomicFolder folder(path, kNames, overwrite);
    write_file(folder.temporary_path() + "/a.json", text);
    folder.commit();
}

} // namespace

TEST_CASE("atomic folder: is there when it is committed, not before") {
    const TempFolder place;
    const std::string out = place / "out";
    {
        AtomicFolder folder(out, kNames, false);
        write_file(folder.temporary_path() + "/a.json", "1");
        CHECK_FALSE(fs::exists(out));
        folder.commit();
        CHECK(read_file(out + "/a.json") == "1");
    }
    CHECK(read_file(out + "/a.json") == "1");
    CHECK(place.size() == 1);
}

TEST_CASE("atomic folder: without commit nothing stays") {
    const TempFolder place;
    {
        AtomicFolder folder(place / "out", kNames, false);
        write_file(folder.temporary_path() + "/a.json", "1");
        write_file(folder.temporary_path() + "/.b.bin.tmp", "half a file");
    }
    CHECK(place.size() == 0);
}

TEST_CASE("atomic folder: one that is there is replaced on demand only, whole, with its mode") {
    const TempFolder place;
    const std::string out = place / "out";
    write_new(out, "old", false);
    write_file(out + "/b.bin", "old");
    REQUIRE(::chmod(out.c_str(), 0750) == 0);
    const auto again = [&](bool overwrite) { write_new(out, "new", overwrite); };
    CHECK(code_of([&] { again(false); }) == ErrorCode::invalid_argument);
    CHECK(read_file(out + "/a.json") == "old");
    again(true);
    CHECK(read_file(out + "/a.json") == "new");
    CHECK_FALSE(fs::exists(out + "/b.bin"));
    CHECK(fs::status(out).permissions() == fs::perms(0750));
    CHECK(place.size() == 1);
    // A slash at the end, and a link, mean the folder.
    fs::create_directory_symlink("out", place / "link");
    write_new(place / "link/", "newer", true);
    CHECK(fs::is_symlink(place / "link"));
    CHECK(read_file(out + "/a.json") == "newer");
}

TEST_CASE("atomic folder: what is somebody's is never replaced or removed") {
    const TempFolder place;
    write_file(place / "file", "mine");
    fs::create_directories(place / "work/deep");
    write_new(place / "notes", "1", false);
    write_file(place / "notes/README", "mine");
    fs::create_directories(place / ".left.tmp");
    write_file(place / ".left.tmp/thesis.tex", "mine");
    for (const char* name : {"file", "work", "notes", "left", "", "/", ".", ".."}) {
        const std::string path =
            std::string_view(name).size() > 2 ? place / name : std::string(name);
        CAPTURE(path);
        CHECK(code_of([&] { write_new(path, "2", true); }) == ErrorCode::invalid_argument);
    }
    CHECK(read_file(place / "file") == "mine");
    CHECK(read_file(place / "notes/README") == "mine");
    CHECK(read_file(place / "notes/a.json") == "1");
    CHECK(read_file(place / ".left.tmp/thesis.tex") == "mine");
    CHECK(fs::exists(place / "work/deep"));
    CHECK(code_of([&] { write_new(place / "no/out", "2", true); }) == ErrorCode::not_found);
}

TEST_CASE("atomic folder: what a killed run left is cleared; one at work is not disturbed") {
    const TempFolder place;
    const std::string out = place / "out";
    fs::create_directory(place / ".out.tmp");
    write_file(place / ".out.tmp/b.bin", "left over");
    write_file(place / ".out.tmp/.a.json.tmp", "left over");
    {
        AtomicFolder folder(out, kNames, false);
        CHECK(fs::is_empty(folder.temporary_path()));
        CHECK(code_of([&] { AtomicFolder(out, kNames, false); }) == ErrorCode::io_failure);
        write_file(folder.temporary_path() + "/a.json", "1");
        // What appears under the name meanwhile is kept.
        fs::create_directory(out);
        write_file(out + "/mine", "mine");
        CHECK(code_of([&] { folder.commit(); }) == ErrorCode::invalid_argument);
    }
    CHECK(read_file(out + "/mine") == "mine");
    CHECK(place.size() == 1);
}
