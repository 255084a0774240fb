// SPDX-License-Identifier: MIT
#include "cli/process.hpp"

#include <csignal>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sstream>
#include <unistd.h>

using clip::test::Outcome;
using clip::test::start;
using clip::test::StartOptions;

namespace {

Outcome toy(std::vector<std::string> arguments, const StartOptions& options = {}) {
    arguments.insert(arguments.begin(), CLI_TOY);
    return start(arguments, options);
}

bool has_line(const std::string& text, const std::string& line) {
    return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

} // namespace

TEST_CASE("run_main: help goes to standard output within 80 columns and ends with the examples") {
    for (const char* flag : {"--help", "-h", "--he"}) {
        const Outcome outcome = toy({flag, "--nonsense"});
        CHECK(outcome.status == 0);
        CHECK(outcome.err.empty());
        CHECK(outcome.out.starts_with("Usage: cli-toy [OPTION]... [INPUT]...\n"));
        CHECK(outcome.out.ends_with("Examples:\n  cli-toy -l cat,dog photo.jpg\n"));
        CHECK(outcome.out.find("--generate") == std::string::npos);
        CHECK(outcome.out.find("--act") == std::string::npos);
        CHECK(outcome.out.find("\nModel and machine:\n") != std::string::npos);
        std::istringstream lines(outcome.out);
        for (std::string line; std::getline(lines, line);)
            CHECK_MESSAGE(line.size() <= 80, line);
    }
}

TEST_CASE("run_main: version names the program and what it is built on") {
    CHECK(toy({"--version"}).out == "cli-toy (clip-tools) 1.2.3\nbuilt on nothing\n");
}

TEST_CASE("run_main: wrong usage is one line on standard error and status 2") {
    const struct {
        std::vector<std::string> arguments;
        const char* message;
    } cases[] = {
        {{"--modle", "x"}, "unknown option --modle (hint: --model)"},
        {{"--xyzzyx"}, "unknown option --xyzzyx (hint: --help lists the options)"},
        {{"-Z"}, "unknown option -Z (hint: -- goes before an operand that begins with a dash)"},
        {{"-rZ"}, "unknown option -Z in -rZ"},
        {{"--threads"}, "--threads: the value is missing (want N)"},
        {{"-j"}, "-j: the value is missing (want N)"},
        {{"--threads", "many"},
         "--threads: not a usable value (got \"many\", want a whole number from 0 to 4096)"},
        {{"--threads=-1"},
         "--threads: not a usable value (got \"-1\", want a whole number from 0 to 4096)"},
        {{"-j", "99999999999999999999999"},
         "--threads: not a usable value (got \"99999999999999999999999\", want a whole number "
         "from 0 to 4096)"},
        {{"--threads="},
         "--threads: not a usable value (got \"\", want a whole number from 0 to 4096)"},
        {{"--threshold", "0,5"}, "--threshold: not a usable value (got \"0,5\", want a number)"},
        {{"--threshold", "nan"}, "--threshold: not a usable value (got \"nan\", want a number)"},
        {{"--quiet=yes"}, "--quiet: this option takes no value (got \"yes\")"},
        {{"--format", "xml"}, "--format: unknown value (got \"xml\", want jsonl|h5|npy)"},
        {{"--device", "cuda:x"},
         "--device: unknown value (got \"cuda:x\", want auto|cpu|cuda[:N])"},
        {{"--model="}, "--model: the value is empty (want MODEL)"},
        {{"--t"}, "option --t is ambiguous (--template, --truth, --top, --threshold, --threads)"},
        {{"--resume"}, "--resume: needs --output"},
    };
    for (const auto& a_case : cases) {
        const Outcome outcome = toy(a_case.arguments);
        CHECK(outcome.status == 2);
        CHECK(outcome.out.empty());
        CHECK(outcome.err == std::string("cli-toy: ") + a_case.message + "\n");
    }
}

TEST_CASE("run_main: options are read as GNU's are") {
    const Outcome outcome = toy({"b.jpg",
                                 "-0r",
                                 "-k3",
                                 "--threads=0",
                                 "--label",
                                 "-x",
                                 "-l",
                                 " cat , dog,,",
                                 "--template={}",
                                 "-t",
                                 "[a,b]",
                                 "-t",
                                 "",
                                 "--threshold",
                                 "-0.5",
                                 "--dev",
                                 "cuda:1",
                                 "-",
                                 "--output=-",
                                 "--resume",
                                 "--no-resume",
                                 "--",
                                 "-weird",
                                 "[c,d]",
                                 "--",
                                 "{}"});
    CHECK(outcome.err.empty());
    CHECK(outcome.status == 0);
    CHECK(outcome.out == "operand=b.jpg\noperand=-\noperand=-weird\noperand=[c,d]\noperand=--\n"
                         "operand={}\nlabel=-x\nlabel=cat\nlabel=dog\ntemplate={}\n"
                         "template=[a,b]\ntemplate=\nmodel=\nthreads=0\ndevice=cuda:1\n"
                         "format=jsonl\noutput=-\ntop=3\nthreshold=-0.5\nflags=110\n");
}

TEST_CASE("run_main: the last of several values holds") {
    const Outcome outcome = toy({"-k", "3", "--top=4", "-k5", "--no-resume", "--resume", "-oFILE"});
    CHECK(has_line(outcome.out, "top=5"));
    CHECK(has_line(outcome.out, "flags=001"));
}

TEST_CASE("run_main: arguments of any bytes pass unchanged") {
    CHECK(has_line(toy({"caf\xe9\x01.jpg"}).out, "operand=caf\xe9\x01.jpg"));
}

TEST_CASE("run_main: the model comes from the environment where no option names it") {
    const StartOptions options{{"CLIP_MODEL=from-env"}, {}, {}};
    CHECK(has_line(toy({}, options).out, "model=from-env"));
    CHECK(has_line(toy({"-m", "given"}, options).out, "model=given"));
    CHECK(has_line(toy({}, {{"CLIP_MODEL="}, {}, {}}).out, "model="));
}

TEST_CASE("run_main: numbers do not depend on the locale") {
    const StartOptions options{{"LC_ALL=de_DE.UTF-8"}, {}, {}};
    CHECK(has_line(toy({"--threshold", "0.25"}, options).out, "threshold=0.25"));
}

TEST_CASE("run_main: an error ends in a message and status 2") {
    const Outcome failed = toy({"--act=fail"});
    CHECK(failed.status == 2);
    CHECK(failed.err == "cli-toy: model \"x\": not found\n");
    const Outcome thrown = toy({"--act=throw"});
    CHECK(thrown.status == 2);
    CHECK(thrown.err == "cli-toy: internal error: of another kind\n");
    CHECK(toy({"--act=fail", "--verbose"}).err.find("(not_found)") != std::string::npos);
}

TEST_CASE("run_main: failed inputs are named on one line each and make status 1") {
    const Outcome outcome = toy({"--act=part"});
    CHECK(outcome.status == 1);
    CHECK(outcome.out == "one row\n");
    CHECK(outcome.err == "cli-toy: bad\\npicture.jpg: not a picture\ncli-toy: a note\n");
    CHECK(toy({"--act=part", "--quiet"}).err == "cli-toy: bad\\npicture.jpg: not a picture\n");
}

TEST_CASE("run_main: a full disk is noticed") {
    for (const char* act : {"--act=print", "--act=flood", "--help"}) {
        const Outcome outcome =
            toy({act}, {{}, [] { ::dup2(::open("/dev/full", O_WRONLY), 1); }, {}});
        CHECK(outcome.status == 2);
        CHECK(outcome.err == "cli-toy: standard output: no space left on device\n");
    }
}

TEST_CASE("run_main: a closed standard output is an error, and no file takes its place") {
    const Outcome outcome = toy({}, {{}, [] { ::close(1); }, {}});
    CHECK(outcome.status == 2);
    CHECK(outcome.err == "cli-toy: standard output: bad file descriptor\n");
}

TEST_CASE("run_main: a closed pipe ends the command silently, as grep ends") {
    for (const char* act : {"--act=flood", "--act=print", "--help"}) {
        for (bool ignored : {false, true}) {
            const Outcome outcome = toy({act}, {{},
                                                [=] {
                                                    int ends[2];
                                                    if (::pipe(ends) != 0)
                                                        ::_exit(99);
                                                    ::dup2(ends[1], 1);
                                                    ::close(ends[0]);
                                                    ::close(ends[1]);
                                                    if (ignored)
                                                        ::signal(SIGPIPE, SIG_IGN);
                                                },
                                                {}});
            CHECK(outcome.status == 128 + SIGPIPE);
            CHECK(outcome.err.empty());
        }
    }
}

TEST_CASE("run_main: Ctrl-C ends with 130 and what was finished, SIGTERM with 143") {
    for (int signal : {SIGINT, SIGTERM}) {
        const Outcome outcome =
            toy({"--act=stop"}, {{}, {}, [=](int child) { ::kill(child, signal); }});
        CHECK(outcome.status == 128 + signal);
        CHECK(outcome.out == "finished row\n");
        CHECK(outcome.err.empty());
    }
}

TEST_CASE("run_main: a second Ctrl-C ends at once what does not look") {
    const Outcome outcome = toy({"--act=stuck"}, {{}, {}, [](int child) {
                                                      ::kill(child, SIGINT);
                                                      ::usleep(20000);
                                                      ::kill(child, SIGINT);
                                                  }});
    CHECK(outcome.status == 130);
}

TEST_CASE("run_main: subcommands have options of their own and share the command's") {
    const auto family = [](std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), CLI_FAMILY);
        return start(arguments);
    };
    CHECK(family({"info", "x", "--quiet"}).out ==
          "info model=x output= layout=open_clip quiet=1\n");
    CHECK(family({"--quiet", "convert", "x", "-oY", "--layout=hf"}).out ==
          "convert model=x output=Y layout=hf quiet=1\n");
    CHECK(family({"tokens", "info", "--", "-x"}).out ==
          "tokens model= output= layout=open_clip quiet=0 text=info text=-x\n");
    CHECK(family({"inof"}).err == "cli-family: unknown command \"inof\" (hint: info)\n");
    CHECK(family({}).err == "cli-family: a command is missing (hint: info, convert, tokens)\n");
    CHECK(family({"info"}).err == "cli-family: MODEL is missing\n");
    CHECK(family({"info", "a", "b"}).err == "cli-family: unexpected operand \"b\"\n");
    CHECK(family({"convert", "a"}).err == "cli-family: --output is missing\n");
    CHECK(family({"info", "a", "--layout=hf"}).status == 2);
    CHECK(family({"convert", "--help"})
              .out.starts_with("Usage: cli-family convert [OPTION]... MODEL\n"));
    CHECK(family({"--help"}).out.find("\nCommands:\n  info  ") != std::string::npos);
    CHECK(family({"--version"}).out == "cli-family (clip-tools) 1.2.3\n");
}
