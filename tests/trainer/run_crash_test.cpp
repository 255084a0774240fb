// SPDX-License-Identifier: MIT
// Runs that are killed, and disks that are full.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <filesystem>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/random.hpp"
#include "io/temp_folder.hpp"
#include "model/checkpoint.hpp"
#include "trainer/made_run.hpp"

using namespace clip;
using namespace clip::trainer;
using namespace clip_test;

namespace fs = std::filesystem;

namespace {

/// Files of this process cannot grow beyond `bytes`: writes fail as on a full disk.
class FileSizeLimit {
  public:
    explicit FileSizeLimit(rlim_t bytes) {
        ::getrlimit(RLIMIT_FSIZE, &before_);
        rlimit now = before_;
        now.rlim_cur = bytes;
        ::setrlimit(RLIMIT_FSIZE, &now);
        handler_ = std::signal(SIGXFSZ, SIG_IGN);
    }
    ~FileSizeLimit() {
        ::setrlimit(RLIMIT_FSIZE, &before_);
        std::signal(SIGXFSZ, handler_);
    }
    FileSizeLimit(const FileSizeLimit&) = delete;
    FileSizeLimit& operator=(const FileSizeLimit&) = delete;

  private:
    rlimit before_{};
    void (*handler_)(int) = nullptr;
};

/// Trains on until it is killed; tells each step whose state is safe.
[[noreturn]] void train_in_child(const std::string& path, int report) {
    try {
        MadeRun run;
        RunFolder folder(path, RunMode::resume);
        if (folder.has_state())
            run.load(folder);
        while (true) {
            run.go_to(run.state.step + 1);
            folder.log("{\"step\":" + std::to_string(run.state.step) + "}");
            run.save(folder);
            const std::uint64_t step = run.state.step;
            if (::write(report, &step, sizeof step) != sizeof step)
                ::_exit(3);
            if (step % 3 == 0)
                run.write_model(folder, 2);
        }
    } catch (const std::exception& error) {
        (void)!::write(STDERR_FILENO, error.what(), std::strlen(error.what()));
        ::_exit(4);
    }
}

/// The last step that a child told of; 0 where it got to none.
std::uint64_t last_told(int report) {
    std::uint64_t last = 0;
    for (std::uint64_t step = 0; ::read(report, &step, sizeof step) == sizeof step;)
        last = step;
    return last;
}

/// What a killed run leaves can be gone on with. Returns its step.
std::uint64_t check_left(const std::string& path, std::uint64_t told) {
    const std::set<std::string> allowed{"log.jsonl",       "model",       "models",
                                        "state",           ".state.tmp",  ".log.jsonl.tmp",
                                        ".model.tmp",      ".model.new",  ".model.old",
                                        "..model.new.tmp", ".exchange-1", ".exchange-2"};
    for (const std::string& name : names_in(path))
        CHECK(allowed.contains(name));
    const bool had_model =
        names_in(path).contains("model") || names_in(path).contains(".model.old");
    RunFolder folder(path, RunMode::resume);
    CHECK(fs::exists(path + "/model") >= had_model);
    if (fs::exists(path + "/model"))
        CHECK_NOTHROW(open_checkpoint(path + "/model"));
    if (fs::exists(path + "/models")) {
        CHECK(names_in(path + "/models").size() <= 4); // two, one to go, one in the making
        for (const std::string& name : names_in(path + "/models"))
            if (name.starts_with("step-"))
                CHECK_NOTHROW(open_checkpoint(path + "/models/" + name));
    }
    if (!folder.has_state()) {
        CHECK(told == 0);
        return 0;
    }
    MadeRun run, wanted;
    run.load(folder);
    wanted.go_to(run.state.step);
    CHECK(run == wanted);
    CHECK(run.state.step >= told);
    CHECK(run.state.step <= std::max<std::uint64_t>(told, 1) + 1000000);
    // The log has each step once, up to that of the state.
    std::string log;
    for (std::uint64_t step = 1; step <= run.state.step; ++step)
        log += "{\"step\":" + std::to_string(step) + "}\n";
    CHECK(read_file(path + "/log.jsonl") == log);
    return run.state.step;
}

/// Nothing of step 2 can be written; step 1 stays as it was.
template <typename Limit>
void check_full(RunFolder& folder, const Limit& limit) {
    const std::string path = folder.path();
    MadeRun run;
    run.go_to(2);
    {
        const auto full = limit();
        CHECK(code_of([&] { run.save(folder); }) == ErrorCode::io_failure);
        CHECK(code_of([&] { run.write_model(folder, 2); }) == ErrorCode::io_failure);
    }
    CHECK(names_in(path).contains(".state.tmp") == false);
    CHECK(names_in(path).contains(".model.tmp") == false);
    MadeRun wanted, back;
    wanted.go_to(1);
    back.load(folder);
    CHECK(back == wanted);
    const Checkpoint model = open_checkpoint(path + "/model");
    const Tensor logits = model.weights.load_f32("text_projection");
    CHECK(logits.f32()[0] == wanted.parameters.weight("text_projection").as<const float>()[0]);
}

#if defined(__x86_64__)
/// From here on folders cannot be exchanged, as on NFS, for this process and its children.
bool forbid_exchange() {
    constexpr std::uint32_t kCall = offsetof(seccomp_data, nr);
    constexpr std::uint32_t kFlags = offsetof(seccomp_data, args[4]);
    std::array<sock_filter, 6> filter{{
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kCall),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_renameat2, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kFlags),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, RENAME_EXCHANGE, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    }};
    const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}
#else
bool forbid_exchange() {
    return false;
}
#endif

/// Kills 50 runs at random moments.
void check_kills(const std::string& path, bool exchange) {
    RandomStream random(7, 0);
    std::uint64_t step = 0;
    std::uint32_t longest = 20000; // microseconds; more on a machine that gets nowhere in this
    fs::create_directory(path);    // the first child may not get that far
    for (int round = 0; round < 50; ++round) {
        std::array<int, 2> ends{};
        REQUIRE(::pipe(ends.data()) == 0);
        const pid_t child = ::fork();
        if (child == 0) {
            ::close(ends[0]);
            if (!exchange && !forbid_exchange())
                ::_exit(77);
            train_in_child(path, ends[1]);
        }
        ::close(ends[1]);
        ::usleep(500 + random.below(longest));
        ::kill(child, SIGKILL);
        int status = 0;
        ::waitpid(child, &status, 0);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
            MESSAGE("not tried: no filter for system calls here");
            ::close(ends[0]);
            return;
        }
        CHECK(WIFSIGNALED(status)); // and did not end by itself
        const std::uint64_t told = last_told(ends[0]);
        ::close(ends[0]);
        CAPTURE(round);
        const std::uint64_t now = check_left(path, told);
        CHECK(now >= step);
        if (now == step)
            longest = std::min<std::uint32_t>(longest * 2, 500000);
        step = now;
    }
    CHECK(step > 5);
    // Nothing temporary is left once each was written again.
    MadeRun run;
    RunFolder folder(path, RunMode::resume);
    run.load(folder);
    run.save(folder);
    run.write_model(folder, 2);
    CHECK(names_in(path) == std::set<std::string>{"log.jsonl", "model", "models", "state"});
    CHECK(names_in(path + "/models").size() == 2);
}

} // namespace

TEST_CASE("run folder: killed at any moment, a run goes on from a step that it finished") {
    const TempFolder place;
    check_kills(place / "run", true);
}

TEST_CASE("run folder: the same where folders cannot be exchanged") {
    const TempFolder place;
    check_kills(place / "run", false);
}

TEST_CASE("run folder: on a full disk the last state and model stay") {
    const TempFolder place;
    RunFolder folder(place / "run", RunMode::fresh);
    MadeRun run;
    run.go_to(1);
    run.save(folder);
    run.write_model(folder);
    const auto size = fs::file_size(place / "run/model/open_clip_model.safetensors");
    for (const rlim_t bytes : {rlim_t{0}, rlim_t{100}, rlim_t{5000}, rlim_t{size / 2}, size - 1}) {
        CAPTURE(bytes);
        check_full(folder, [&] { return FileSizeLimit(bytes); });
    }
    CHECK(names_in(place / "run") == std::set<std::string>{"model", "state"});
}

TEST_CASE("run folder: a line that cannot be written is not there in part") {
    const TempFolder place;
    RunFolder folder(place / "run", RunMode::fresh);
    folder.log("{\"step\":1}");
    {
        const FileSizeLimit limit(20);
        CHECK(code_of([&] { folder.log("{\"step\":2,\"loss\":1}"); }) == ErrorCode::io_failure);
    }
    CHECK(read_file(place / "run/log.jsonl") == "{\"step\":1}\n");
    folder.log("{\"step\":2}");
    CHECK(read_file(place / "run/log.jsonl") == "{\"step\":1}\n{\"step\":2}\n");

    fs::create_directory(place / "full");
    fs::create_symlink("/dev/full", place / "full/log.jsonl");
    RunFolder full(place / "full", RunMode::resume);
    MadeRun run;
    run.go_to(1);
    run.save(full);
    run.load(full);
    CHECK(message_of([&] { full.log("{}"); }) ==
          "write " + (place / "full/log.jsonl") + ": no space left on device");
    run.save(full); // a state all the same
}

TEST_CASE("run folder: a file system without room") {
    const TempFolder place;
    // In a process of its own, which may mount where this one may not.
    const pid_t child = ::fork();
    if (child == 0) {
        const bool mounted =
            ::unshare(::geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) == 0 &&
            ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
            ::mount("tmpfs", place.path().c_str(), "tmpfs", 0, "size=512k") == 0;
        if (!mounted)
            ::_exit(77);
        int wrong = 0;
        try {
            RunFolder folder(place / "run", RunMode::fresh);
            MadeRun run, back;
            run.go_to(1);
            run.save(folder);
            run.write_model(folder);
            write_file(place / "filler", "");
            (void)!::truncate((place / "filler").c_str(), 0);
            std::string block(4096, 'x');
            std::ofstream filler(place / "filler", std::ios::binary);
            while (filler.write(block.data(), 4096).flush())
                continue;
            filler.close();
            run.go_to(2);
            const std::string full = "no space left on device";
            wrong += message_of([&] { run.save(folder); }).ends_with(full) ? 0 : 1;
            wrong += message_of([&] { run.write_model(folder, 2); }).ends_with(full) ? 0 : 2;
            wrong += message_of([&] { folder.log("{\"step\":2}"); }).ends_with(full) ? 0 : 4;
            back.load(folder);
            run.go_to(1);
            wrong += back == run ? 0 : 8;
            wrong += open_checkpoint(place / "run/model").id().empty() ? 16 : 0;
            fs::remove(place / "filler");
            run.go_to(2);
            run.save(folder); // room again
            run.write_model(folder);
        } catch (const std::exception& error) {
            (void)!::write(STDERR_FILENO, error.what(), std::strlen(error.what()));
            wrong = 64;
        }
        ::_exit(wrong);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    REQUIRE(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        MESSAGE("not tried: this process may not mount");
    else
        CHECK(WEXITSTATUS(status) == 0);
}
