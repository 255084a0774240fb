// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <array>
#include <csignal>
#include <filesystem>
#include <memory>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/atomic_file.hpp"
#include "io/output_stream.hpp"
#include "temp_folder.hpp"

using namespace clip;
using namespace clip::io;
using clip_test::code_of;
using clip_test::message_of;
using clip_test::read_file;
using clip_test::TempFolder;
using clip_test::write_file;

namespace {

mode_t mode_of(const std::string& path) {
    struct stat info {};
    REQUIRE(::stat(path.c_str(), &info) == 0);
    return info.st_mode & 07777;
}

void replace(const std::string& path, std::string_view content) {
    AtomicFile file(path);
    write_all(file.fd(), content, path);
    file.commit();
}

} // namespace

TEST_CASE("output stream: small and large writes come out in order") {
    const TempFolder folder;
    std::string want;
    OutputStream out(::open((folder / "a").c_str(), O_WRONLY | O_CREAT, 0600), "a", true);
    for (const std::size_t size : {1U, 70000U, 0U, 65536U, 3U, 65535U}) {
        const std::string part(size, static_cast<char>('a' + size % 26));
        out.write(part);
        want += part;
    }
    out.close();
    CHECK(read_file(folder / "a") == want);
}

TEST_CASE("output stream: a full disk is named, whenever it shows") {
    OutputStream out(::open("/dev/full", O_WRONLY), "/dev/full", true);
    out.write("x");
    CHECK(message_of([&] { out.close(); }) == "write /dev/full: no space left on device");
    CHECK(code_of([&] { out.write(std::string(1 << 20, 'x')); }) == ErrorCode::internal);
    OutputStream large(::open("/dev/full", O_WRONLY), "/dev/full", true);
    CHECK(code_of([&] { large.write(std::string(1 << 20, 'x')); }) == ErrorCode::io_failure);
}

TEST_CASE("output stream: a closed pipe has an outcome of its own") {
    std::signal(SIGPIPE, SIG_IGN);
    std::array<int, 2> ends{};
    REQUIRE(::pipe(ends.data()) == 0);
    ::close(ends[0]);
    OutputStream out(ends[1], "standard output", true);
    out.set_line_buffered(true);
    CHECK_THROWS_AS(out.write("line\n"), ClosedPipe);
    out.close(); // said once is enough
}

TEST_CASE("atomic file: the old content stays until commit") {
    const TempFolder folder;
    const std::string path = folder / "out.txt";
    write_file(path, "old");
    {
        AtomicFile file(path);
        write_all(file.fd(), "new", path);
        CHECK(read_file(path) == "old");
        CHECK(file.temporary_path() == folder / ".out.txt.tmp");
        CHECK(folder.size() == 2);
    }
    CHECK(folder.size() == 1);
    CHECK(read_file(path) == "old");
    replace(path, "new");
    CHECK(read_file(path) == "new");
    CHECK(folder.size() == 1);
}

TEST_CASE("atomic file: keeps the mode of an old file, and obeys umask for a new one") {
    const TempFolder folder;
    write_file(folder / "a", "old");
    ::chmod((folder / "a").c_str(), 0640);
    replace(folder / "a", "new");
    CHECK(mode_of(folder / "a") == 0640);
    const mode_t saved = ::umask(027);
    replace(folder / "b", "new");
    ::umask(saved);
    CHECK(mode_of(folder / "b") == 0640);
}

TEST_CASE("atomic file: a symbolic link stays one, and what it names is replaced") {
    const TempFolder folder;
    std::filesystem::create_directory(folder / "sub");
    write_file(folder / "sub/target", "old");
    std::filesystem::create_symlink("sub/target", folder / "link");
    std::filesystem::create_symlink("link", folder / "link2");
    replace(folder / "link2", "new");
    CHECK(std::filesystem::is_symlink(folder / "link"));
    CHECK(read_file(folder / "sub/target") == "new");
    std::filesystem::create_symlink("sub/later", folder / "dangling");
    replace(folder / "dangling", "made");
    CHECK(read_file(folder / "sub/later") == "made");
    std::filesystem::create_symlink("circle", folder / "circle");
    CHECK(code_of([&] { AtomicFile(folder / "circle"); }) == ErrorCode::io_failure);
}

TEST_CASE("atomic file: streams are written directly") {
    const TempFolder folder;
    REQUIRE(is_stream_target("/dev/null")); // else it would be replaced
    CHECK(is_stream_target("/dev/stdout"));
    CHECK_FALSE(is_stream_target(folder / "new"));
    replace("/dev/null", "x");
    REQUIRE(::mkfifo((folder / "fifo").c_str(), 0600) == 0);
    const int reader = ::open((folder / "fifo").c_str(), O_RDONLY | O_NONBLOCK);
    replace(folder / "fifo", "through");
    std::array<char, 16> got{};
    CHECK(::read(reader, got.data(), got.size()) == 7);
    ::close(reader);
    // /dev/fd/N goes on where N stands, where opening it by name would begin the file anew.
    const int fd = ::open((folder / "log").c_str(), O_WRONLY | O_CREAT, 0600);
    write_all(fd, "before ", "log");
    replace("/dev/fd/" + std::to_string(fd), "after");
    ::close(fd);
    CHECK(read_file(folder / "log") == "before after");
}

TEST_CASE("atomic file: refuses what cannot be a file") {
    const TempFolder folder;
    CHECK(message_of([&] { AtomicFile(folder.path()); }) ==
          "write " + folder.path() + ": is a directory");
    CHECK(code_of([&] { AtomicFile(folder / "none/a"); }) == ErrorCode::not_found);
    CHECK(code_of([&] { AtomicFile(""); }) == ErrorCode::invalid_argument);
    write_file(folder / "file", "");
    CHECK(code_of([&] { AtomicFile(folder / "file/a"); }) == ErrorCode::io_failure);
}

TEST_CASE("atomic file: names as long as a folder allows, and what a killed run left") {
    const TempFolder folder;
    const std::string name(255, 'n');
    replace(folder / name, "x");
    CHECK(read_file(folder / name) == "x");
    for (const char* left : {".a.h5.tmp", ".b.h5.tmp"})
        write_file(folder / left, "longer than what comes");
    ::chmod((folder / ".a.h5.tmp").c_str(), 0600);
    const mode_t saved = ::umask(022);
    replace(folder / "a.h5", "new");
    ::umask(saved);
    CHECK(read_file(folder / "a.h5") == "new");
    CHECK(mode_of(folder / "a.h5") == 0644);
    CHECK(read_file(folder / ".b.h5.tmp") == "longer than what comes");
    CHECK(folder.size() == 3);
    // Neither through a link nor for ever at a pipe.
    std::filesystem::create_symlink("a.h5", folder / ".c.h5.tmp");
    CHECK(code_of([&] { AtomicFile(folder / "c.h5"); }) == ErrorCode::io_failure);
    CHECK(read_file(folder / "a.h5") == "new");
}

TEST_CASE("atomic file: of two writers the second is refused, and takes nothing from the first") {
    const TempFolder folder;
    const std::string path = folder / "a";
    auto first = std::make_unique<AtomicFile>(path);
    write_all(first->fd(), "first", path);
    std::filesystem::create_symlink("a", folder / "other-name");
    for (const std::string& name : {path, folder / "other-name"})
        CHECK(message_of([&] { AtomicFile second(name); }) ==
              "write " + name + ": another run is writing this file");
    first->commit();
    CHECK(read_file(path) == "first");
    // A committed one is gone for good; one whose bytes were moved away leaves the next alone.
    AtomicFile second(path);
    first.reset();
    CHECK(std::filesystem::exists(second.temporary_path()));
    std::filesystem::rename(second.temporary_path(), folder / "kept");
    {
        AtomicFile third(path);
        write_all(third.fd(), "third", path);
        third.commit();
    }
    CHECK(read_file(path) == "third");
}
