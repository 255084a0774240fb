// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "io/line_reader.hpp"
#include "io/output_stream.hpp"
#include "temp_folder.hpp"

using namespace clip;
using namespace clip::io;
using clip_test::code_of;
using clip_test::TempFolder;

namespace {

struct Pipe {
    std::array<int, 2> ends{};
    Pipe() { REQUIRE(::pipe(ends.data()) == 0); }
    ~Pipe() {
        for (const int end : ends)
            if (end >= 0)
                ::close(end);
    }
    void finish() { ::close(std::exchange(ends[1], -1)); }
};

std::vector<std::string> lines_of(std::string_view content, LineReaderOptions options = {}) {
    const TempFolder folder;
    clip_test::write_file(folder / "in", content);
    LineReader reader = LineReader::open(folder / "in", options);
    std::vector<std::string> out;
    std::string_view line;
    while (reader.next(line))
        out.emplace_back(line);
    CHECK(reader.line_number() == out.size());
    return out;
}

using Lines = std::vector<std::string>;

long peak_kib() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

} // namespace

TEST_CASE("line reader: splits at newlines, and the last needs none") {
    CHECK(lines_of("").empty());
    CHECK(lines_of("a") == Lines{"a"});
    CHECK(lines_of("a\n") == Lines{"a"});
    CHECK(lines_of("\n\na\r\n b ") == Lines{"", "", "a\r", " b "});
    CHECK(lines_of(std::string_view("a\0b\n\0c", 6), {.separator = '\0'}) ==
          Lines{"a", "b\n", "c"});
    CHECK(lines_of(std::string_view("a\0b\n", 4)) == Lines{std::string("a\0b", 3)});
}

TEST_CASE("line reader: lines around the size of its buffer are whole") {
    for (const std::size_t size : {262143U, 262144U, 262145U, 524288U, 1000000U}) {
        const std::string line(size, 'x');
        CHECK(lines_of("a\n" + line + "\n" + line + "y\nz") == Lines{"a", line, line + "y", "z"});
    }
}

TEST_CASE("line reader: a line over the limit is named, skipped, and the next one read") {
    const TempFolder folder;
    for (const std::size_t length : {101U, 1000000U}) {
        clip_test::write_file(folder / "in", "a\n" + std::string(length, 'x') + "\nb\n" +
                                                 std::string(100, 'y') + "\n" +
                                                 std::string(length, 'z'));
        LineReader reader = LineReader::open(folder / "in", {.max_line = 100});
        std::string_view line;
        CHECK(reader.next(line));
        CHECK(clip_test::message_of([&] { reader.next(line); }) ==
              (folder / "in") + ":2: longer than 100 bytes");
        CHECK(reader.next(line));
        CHECK(line == "b");
        CHECK(reader.where() == (folder / "in") + ":3");
        CHECK(reader.next(line));
        CHECK(line.size() == 100);
        CHECK(code_of([&] { reader.next(line); }) == ErrorCode::bad_format);
        CHECK_FALSE(reader.next(line));
    }
}

TEST_CASE("line reader: a million lines through a pipe stay in bounded memory") {
    Pipe pipe;
    std::thread writer([&pipe] {
        OutputStream out(pipe.ends[1], "pipe");
        std::string text; // one for all: sanitizers keep what is freed
        for (int i = 0; i < 1000000; ++i) {
            text = std::to_string(i);
            text.append(90, 'x') += '\n';
            out.write(text);
        }
        out.flush();
        pipe.finish();
    });
    LineReader reader(pipe.ends[0], "pipe");
    const long before = peak_kib();
    std::string_view line;
    std::size_t bad = 0;
    for (std::size_t i = 0; reader.next(line); ++i)
        bad += line.starts_with(std::to_string(i)) ? 0 : 1;
    writer.join();
    CHECK(bad == 0);
    CHECK(reader.line_number() == 1000000);
    CHECK(peak_kib() - before < 16 * 1024); // 100 MB went through
}

TEST_CASE("line reader: the stop flag ends a read that would wait for ever") {
    Pipe pipe;
    std::atomic<bool> stop = false;
    LineReader reader(pipe.ends[0], "pipe", {.stop = &stop});
    write_all(pipe.ends[1], "whole\nhalf", "pipe");
    std::string_view line;
    CHECK(reader.next(line));
    std::thread later([&stop] {
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        stop = true;
    });
    CHECK_FALSE(reader.next(line));
    later.join();
}

TEST_CASE("line reader: says when it would have to wait") {
    Pipe pipe;
    LineReader reader(pipe.ends[0], "pipe");
    CHECK(reader.would_wait());
    write_all(pipe.ends[1], "a\nb\nhalf", "pipe");
    std::string_view line;
    CHECK_FALSE(reader.would_wait());
    CHECK(reader.next(line));
    CHECK_FALSE(reader.would_wait());
    CHECK(reader.next(line));
    CHECK(reader.would_wait());
    pipe.finish();
    CHECK_FALSE(reader.would_wait());
    CHECK(reader.next(line));
    CHECK(line == "half");
}

TEST_CASE("line reader: files that cannot be read are named") {
    const TempFolder folder;
    CHECK(code_of([&] { LineReader::open(folder / "none"); }) == ErrorCode::not_found);
    LineReader reader = LineReader::open(folder.path());
    std::string_view line;
    CHECK(clip_test::message_of([&] { reader.next(line); }) ==
          "read " + folder.path() + ": is a directory");
}
