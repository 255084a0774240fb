// SPDX-License-Identifier: MIT
#include "cli/diagnostics.hpp"

#include "base/concat.hpp"
#include "cli/progress.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace clip::cli;
using namespace std::chrono_literals;

namespace {

/// A pipe whose contents can be taken at any time.
class Pipe {
  public:
    Pipe() {
        REQUIRE(::pipe(ends_) == 0);
        ::fcntl(ends_[0], F_SETFL, O_NONBLOCK);
    }
    ~Pipe() {
        ::close(ends_[0]);
        ::close(ends_[1]);
    }
    int descriptor() const { return ends_[1]; }
    std::string take() {
        std::string text(65536, '\0');
        const ssize_t count = ::read(ends_[0], text.data(), text.size());
        text.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
        return text;
    }

  private:
    int ends_[2];
};

} // namespace

TEST_CASE("printable: leaves text alone and makes the rest harmless") {
    CHECK(printable("a photo \\ of caf\xc3\xa9 \xe7\x8a\xac \xf0\x9f\x90\xb6") ==
          "a photo \\ of caf\xc3\xa9 \xe7\x8a\xac \xf0\x9f\x90\xb6");
    CHECK(printable("a\nb\tc\rd\x1b[31m\x7f") == "a\\nb\\tc\\rd\\x1b[31m\\x7f");
    CHECK(printable("\xc2\x9b") == "\\xc2\\x9b");
    CHECK(printable("caf\xe9.jpg") == "caf\\xe9.jpg");
    CHECK(printable("\xc0\xaf|\xed\xa0\x80|\xf4\x90\x80\x80|\xe2\x82") ==
          "\\xc0\\xaf|\\xed\\xa0\\x80|\\xf4\\x90\\x80\\x80|\\xe2\\x82");
    CHECK(printable(std::string_view("\0", 1)) == "\\x00");
    CHECK(printable("") == "");
}

TEST_CASE("diagnostics: each kind of message has its form and its loudness") {
    Pipe pipe;
    Diagnostics diagnostics("clip-embed", pipe.descriptor());
    auto everything = [&] {
        diagnostics.error("a\n.jpg", "truncated");
        diagnostics.warning("b.jpg", "no profile");
        diagnostics.warning("", "old model");
        diagnostics.note("weights: tiny");
        diagnostics.detail("AVX2");
        return pipe.take();
    };
    const std::string always = "clip-embed: a\\n.jpg: truncated\n"
                               "clip-embed: b.jpg: warning: no profile\n"
                               "clip-embed: warning: old model\n";
    CHECK(everything() == always + "clip-embed: weights: tiny\n");
    diagnostics.set_loudness(Loudness::quiet);
    CHECK(everything() == always);
    diagnostics.set_loudness(Loudness::verbose);
    CHECK(everything() == always + "clip-embed: weights: tiny\nclip-embed: AVX2\n");
    CHECK(diagnostics.failures() == 3);
}

TEST_CASE("diagnostics: messages from several threads stay whole") {
    Pipe pipe;
    Diagnostics diagnostics("p", pipe.descriptor());
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&, t] {
            for (int i = 0; i < 50; ++i)
                diagnostics.error(std::string(20, static_cast<char>('a' + t)), "broken");
        });
    for (std::thread& thread : threads)
        thread.join();
    CHECK(diagnostics.failures() == 200);
    std::string text = pipe.take();
    CHECK(text.size() == 200 * (3 + 20 + 9));
    for (std::size_t i = 0; i + 32 <= text.size(); i += 32)
        CHECK(text.substr(i, 32) ==
              clip::concat("p: ", std::string(20, text[i + 3]), ": broken\n"));
}

TEST_CASE("diagnostics: a message clears the status line and puts it back") {
    Pipe pipe;
    {
        Diagnostics diagnostics("p", pipe.descriptor());
        diagnostics.set_status("[== ]");
        diagnostics.error("a", "b");
        diagnostics.set_status("[===]");
    }
    const std::string gone = "\r     \r";
    CHECK(pipe.take() == "[== ]" + gone + "p: a: b\n[== ]" + gone + "[===]" + gone);
}

TEST_CASE("progress: a line says count, rate and time left") {
    CHECK(progress_line({0, 100, 0, 0}, 80, true) ==
          "0/100 [                              ] in 0:00");
    CHECK(progress_line({50, 100, 5, 10}, 80, true) ==
          "50/100 [===============               ] 10/s, 0:05 left");
    CHECK(progress_line({50, 100000, 5, 10}, 80, false) == "50/100000 10/s, 2:46:35 left");
    CHECK(progress_line({7, std::nullopt, 61, 0.1148}, 80, true) == "7 done 0.11/s in 1:01");
    CHECK(progress_line({101, 100, 5, 20.2}, 80, true) == "101 done 20.2/s in 0:05");
    CHECK(progress_line({100, 100, 5, 20}, 40, true) == "100/100 [=================] 20/s in 0:05");
    CHECK(progress_line({100, 100, 5, 20}, 9, true) == "100/100 2");
    CHECK(progress_line({1, 18446744073709551615u, 5, 1e-9}, 80, false) ==
          "1/18446744073709551615 0/s, more than 100 days left");
}

TEST_CASE("progress: draws at most ten times a second and erases itself") {
    Pipe pipe;
    Diagnostics diagnostics("p", pipe.descriptor());
    Progress::Clock::time_point now{};
    std::vector<std::string> drawn;
    {
        Progress progress(diagnostics, ProgressStyle::bar, [&] { return now; });
        progress.set_total(1000);
        for (int i = 0; i < 1000; ++i) {
            now += 1ms;
            progress.add();
            const std::string text = pipe.take();
            if (!text.empty())
                drawn.push_back(text);
        }
        CHECK(drawn.size() == 10);
        CHECK(drawn.front().find("100/1000 [===") == 0);
        CHECK(drawn.back().find("1000/1000 [===") != std::string::npos);
        progress.finish();
        progress.add();
    }
    const std::string last = pipe.take();
    REQUIRE(last.size() > 2);
    CHECK((last.front() == '\r' && last.back() == '\r'));
    CHECK(last.find_first_not_of(' ', 1) == last.size() - 1);
}

TEST_CASE(
    "progress: writes plain lines where no terminal is, and does not count what was skipped") {
    Pipe pipe;
    Diagnostics diagnostics("p", pipe.descriptor());
    Progress::Clock::time_point now{};
    Progress progress(diagnostics, ProgressStyle::lines, [&] { return now; });
    progress.set_total(1000);
    progress.skip(900);
    now += 4s;
    progress.add(10);
    CHECK(pipe.take() == "");
    now += 1s;
    progress.add(10);
    CHECK(pipe.take() == "p: 920/1000 4/s, 0:20 left\n");
    now += 1s;
    progress.finish();
    CHECK(pipe.take() == "p: 920/1000 3.33/s, 0:24 left\n");
}

TEST_CASE("progress: is silent when off, and off when quiet or when no terminal is") {
    Pipe pipe;
    CHECK(progress_style(false, false, pipe.descriptor()) == ProgressStyle::off);
    CHECK(progress_style(false, true, pipe.descriptor()) == ProgressStyle::lines);
    CHECK(progress_style(true, true, pipe.descriptor()) == ProgressStyle::off);
    const int terminal = ::posix_openpt(O_RDWR | O_NOCTTY);
    if (terminal >= 0) {
        CHECK(progress_style(false, false, terminal) == ProgressStyle::bar);
        CHECK(progress_style(true, true, terminal) == ProgressStyle::off);
        ::close(terminal);
    }
    Diagnostics diagnostics("p", pipe.descriptor());
    Progress progress(diagnostics, ProgressStyle::off);
    progress.add(5);
    progress.finish();
    CHECK(pipe.take() == "");
}
