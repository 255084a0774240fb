// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <filesystem>

#include <sys/stat.h>
#include <unistd.h>

#include "io/temp_folder.hpp"
#include "model/checkpoint.hpp"
#include "trainer/made_run.hpp"

using namespace clip;
using namespace clip::trainer;
using namespace clip_test;

namespace fs = std::filesystem;

namespace {

/// A run of 12 steps with all that a run leaves.
void make_run(const std::string& path) {
    MadeRun run;
    RunFolder folder(path, RunMode::fresh);
    for (std::uint64_t step = 1; step <= 12; ++step) {
        run.go_to(step);
        folder.log("{\"step\":" + std::to_string(step) + "}");
    }
    run.save(folder);
    run.write_model(folder, 2);
}

std::string log_after_load(const std::string& path, std::string_view log) {
    write_file(path + "/log.jsonl", log);
    MadeRun run;
    RunFolder folder(path, RunMode::resume);
    run.load(folder);
    return read_file(path + "/log.jsonl");
}

} // namespace

TEST_CASE("run folder: a run is refused, resumed or overwritten") {
    const TempFolder place;
    const std::string path = place / "run";
    make_run(path);
    CHECK(names_in(path) == std::set<std::string>{"log.jsonl", "model", "models", "state"});
    CHECK(message_of([&] { RunFolder(path, RunMode::fresh); }) ==
          "write " + path +
              ": it holds a run already (--resume goes on with it, --overwrite begins anew)");

    MadeRun wanted, run;
    wanted.go_to(12);
    {
        RunFolder folder(path + "//", RunMode::resume);
        CHECK(folder.path() == path);
        REQUIRE(folder.has_state());
        run.load(folder);
        CHECK(run == wanted);
        folder.log("{\"step\":13}");
    }
    const std::string log = read_file(path + "/log.jsonl");
    CHECK(log.ends_with("{\"step\":12}\n{\"step\":13}\n"));

    write_file(path + "/notes.txt", "mine");
    write_file(path + "/models/notes.txt", "mine");
    fs::create_directory(path + "/models/step-007"); // not as we write it
    fs::create_directory(path + "/.model.tmp");
    write_file(path + "/.model.tmp/config.json", "{");
    write_file(path + "/.state.tmp", "half");
    const std::string state = read_file(path + "/state");
    {
        // A run that ends before its first state leaves the earlier one, and its log.
        RunFolder folder(path, RunMode::overwrite);
        folder.log("{\"step\":1,\"lost\":1}");
        CHECK_FALSE(folder.has_state());
        CHECK(read_file(path + "/state") == state);
        CHECK(names_in(path + "/models").contains("step-12"));
    }
    CHECK(read_file(path + "/log.jsonl") == log);
    RunFolder folder(path, RunMode::overwrite);
    folder.log("{\"step\":1}");
    CHECK(read_file(path + "/log.jsonl") == log);
    MadeRun fresh;
    fresh.go_to(1);
    fresh.save(folder);
    CHECK(folder.has_state());
    CHECK(read_file(path + "/log.jsonl") == "{\"step\":1}\n");
    folder.log("{\"step\":2}");
    CHECK(read_file(path + "/log.jsonl") == "{\"step\":1}\n{\"step\":2}\n");
    CHECK(fs::exists(path + "/model")); // until there is another
    fresh.write_model(folder);
    CHECK(names_in(path) ==
          std::set<std::string>{"log.jsonl", "model", "models", "notes.txt", "state"});
    CHECK(names_in(path + "/models") == std::set<std::string>{"notes.txt", "step-007"});
}

TEST_CASE("run folder: a model without a state is not gone on with, nor lost") {
    const TempFolder place;
    const std::string path = place / "run";
    make_run(path);
    fs::remove(path + "/state");
    const auto before = names_in(path);
    CHECK(message_of([&] {
              RunFolder(path, RunMode::resume);
          }).starts_with("resume " + path + ": it holds a model, but no state to go on from"));
    CHECK(names_in(path) == before);
}

TEST_CASE("run folder: each part of a run alone is a run, but for its log") {
    for (const char* name : {"state", "model", "models"}) {
        const TempFolder place;
        fs::create_directory(place / "run");
        if (std::string_view(name).starts_with("model"))
            fs::create_directory(place / (std::string("run/") + name));
        else
            write_file(place / (std::string("run/") + name), "");
        CAPTURE(name);
        CHECK(code_of([&] { RunFolder(place / "run", RunMode::fresh); }) ==
              ErrorCode::invalid_argument);
        CHECK_FALSE(RunFolder(place / "run", RunMode::overwrite).has_state());
    }
}

TEST_CASE(
    "run folder: --resume begins where nothing is, and a log without a state is not continued") {
    const TempFolder place;
    fs::create_directory(place / "run");
    RunFolder(place / "run", RunMode::resume); // what it did not make stays
    write_file(place / "run/log.jsonl", "{\"step\":1}\n");
    {
        RunFolder folder(place / "run", RunMode::resume);
        CHECK_FALSE(folder.has_state());
        CHECK(read_file(place / "run/log.jsonl") == "{\"step\":1}\n"); // nothing has begun yet
        folder.log("{\"step\":1,\"new\":1}");
        folder.log("{\"step\":2}");
    }
    CHECK(read_file(place / "run/log.jsonl") == "{\"step\":1,\"new\":1}\n{\"step\":2}\n");
}

TEST_CASE("run folder: a run that left nothing but a log does not hinder the next") {
    const TempFolder place;
    const std::string log = place / "run/log.jsonl";
    { RunFolder(place / "run", RunMode::fresh).log("{\"step\":1,\"run\":1}"); }
    {
        RunFolder folder(place / "run", RunMode::fresh);
        CHECK_FALSE(folder.has_state());
        CHECK(names_in(place / "run") == std::set<std::string>{"log.jsonl"}); // not yet
        folder.log("{\"step\":1,\"run\":2}");
        folder.log("{\"step\":2,\"run\":2}");
    }
    CHECK(read_file(log) == "{\"step\":1,\"run\":2}\n{\"step\":2,\"run\":2}\n");
    CHECK(read_file(log + ".old") == "{\"step\":1,\"run\":1}\n");
    { RunFolder(place / "run", RunMode::fresh).log("{\"step\":1,\"run\":3}"); }
    CHECK(read_file(log + ".old") == "{\"step\":1,\"run\":2}\n{\"step\":2,\"run\":2}\n");
    // --overwrite says that it may go; a link stays one.
    { RunFolder(place / "run", RunMode::overwrite).log("{\"step\":1,\"run\":4}"); }
    CHECK(read_file(log) == "{\"step\":1,\"run\":4}\n");
    CHECK(read_file(log + ".old").ends_with("{\"step\":2,\"run\":2}\n"));
    fs::rename(log, place / "elsewhere");
    fs::create_symlink("../elsewhere", log);
    { RunFolder(place / "run", RunMode::fresh).log("{\"step\":1,\"run\":5}"); }
    CHECK(fs::is_symlink(log));
    CHECK(read_file(place / "elsewhere") == "{\"step\":1,\"run\":5}\n");
}

TEST_CASE("run folder: one that was made for nothing goes again, and nothing else") {
    const TempFolder place;
    fs::create_symlink("target", place / "link");
    for (const char* name : {"run", "link"}) {
        {
            const RunFolder folder(place / name, RunMode::resume);
            CHECK(fs::is_directory(place / name));
        }
        CHECK_FALSE(fs::exists(place / name));
    }
    CHECK(fs::is_symlink(place / "link"));
    {
        const RunFolder folder(place / "run", RunMode::resume);
        write_file(place / "run/notes", "x");
    }
    CHECK(read_file(place / "run/notes") == "x");
}

TEST_CASE("run folder: names") {
    const TempFolder place;
    CHECK(code_of([&] { RunFolder("", RunMode::fresh); }) == ErrorCode::invalid_argument);
    CHECK(code_of([&] { RunFolder(place / "no/run", RunMode::fresh); }) == ErrorCode::not_found);
    write_file(place / "file", "x");
    CHECK(message_of([&] { RunFolder(place / "file", RunMode::overwrite); }) ==
          "write " + (place / "file") + ": it is there already, and is no folder");
    CHECK(read_file(place / "file") == "x");
    MadeRun run;
    run.go_to(1);
    // Links, also to a folder that is yet to be made.
    fs::create_symlink("target", place / "link");
    for (const RunMode mode : {RunMode::fresh, RunMode::resume}) {
        RunFolder folder(place / "link/", mode);
        run.save(folder);
    }
    CHECK(names_in(place / "target") == std::set<std::string>{"state"});
    CHECK(fs::is_symlink(place / "link"));
    const fs::path before = fs::current_path();
    fs::create_directory(place / "here");
    fs::current_path(place / "here");
    {
        RunFolder folder(".", RunMode::fresh);
        run.save(folder);
        run.write_model(folder);
    }
    fs::current_path(before);
    CHECK(names_in(place / "here") == std::set<std::string>{"model", "state"});
}

TEST_CASE("run folder: what others put under a run's names is left to them") {
    const TempFolder place;
    const std::string path = place / "run";
    const auto refused = [&](const std::string& part) {
        for (const RunMode mode : {RunMode::resume, RunMode::overwrite}) {
            const std::string message = message_of([&] { RunFolder(path, mode); });
            CHECK(message.find(part) != std::string::npos);
        }
    };
    fs::create_directories(path + "/state");
    refused("/state: it is there, and no state of a run");
    fs::remove(path + "/state");
    write_file(path + "/state", "my state of mind");
    refused("/state: it is there, and no state of a run");
    CHECK(read_file(path + "/state") == "my state of mind");
    fs::remove(path + "/state");
    make_run(path);
    write_file(path + "/model/README.md", "mine");
    refused("/model: it holds README.md, which would be lost");
    CHECK(names_in(path + "/model").size() == 3);
    CHECK(fs::exists(path + "/state"));
}

TEST_CASE("run folder: two processes do not write one run") {
    const TempFolder place;
    const std::string path = place / "run";
    {
        const RunFolder first(path, RunMode::fresh);
        for (const RunMode mode : {RunMode::fresh, RunMode::resume, RunMode::overwrite}) {
            CHECK(message_of([&] { RunFolder(path, mode); }) ==
                  "write " + path + ": another process is training in this folder");
            CHECK(code_of([&] { RunFolder(path, mode); }) == ErrorCode::io_failure);
        }
    }
    CHECK_NOTHROW(RunFolder(path, RunMode::fresh));
}

TEST_CASE("run folder: the log ends behind the state's step") {
    const TempFolder place;
    const std::string path = place / "run";
    make_run(path); // its state: step 12
    const std::string kept = "{\"step\":11,\"loss\":1}\n{\"step\": 12 }\n{\"step\":12,\"val\":1}\n";
    CHECK(log_after_load(path, kept) == kept);
    CHECK(log_after_load(path, "") == "");
    CHECK(log_after_load(path, kept + "{\"step\":13}\n{\"step\":14}\n") == kept);
    CHECK(log_after_load(path, kept + "{\"step\":13}\n{\"st") == kept);
    CHECK(log_after_load(path, kept + "{\"step\":12,\"lo") == kept);
    CHECK(log_after_load(path, kept + "junk\n") == kept);
    CHECK(log_after_load(path, "{\"step\":13}\n") == "");
    // In the midst of it: what does not parse, later steps, bytes that are no text.
    CHECK(log_after_load(path, "{\"step\":1\n\n[1]\nnull\n{\"a\":\"\xFF\"}\n{\"step\":13}\n"
                               "{\"step\":1} x\n{\"step\":9223372036854775808}\n" +
                                   kept) == kept);
    CHECK(log_after_load(path, "{\"note\":1}\n" + kept) == "{\"note\":1}\n" + kept);
    CHECK(log_after_load(path, "{\"step\":-1}\n{}\n" + kept) == "{\"step\":-1}\n{}\n" + kept);
    fs::remove(path + "/log.jsonl");
    MadeRun run;
    RunFolder folder(path, RunMode::resume);
    CHECK_NOTHROW(run.load(folder)); // a log that is gone is no reason to stop
    CHECK(names_in(path).contains(".log.jsonl.tmp") == false);
}

TEST_CASE("run folder: a broken state leaves log and model as they are") {
    const TempFolder place;
    const std::string path = place / "run";
    make_run(path);
    std::string state = read_file(path + "/state");
    state[state.size() / 2] = static_cast<char>(state[state.size() / 2] ^ 1);
    write_file(path + "/state", state);
    write_file(path + "/log.jsonl", "{\"step\":13}\n");
    const std::string id = open_checkpoint(path + "/model").id();
    MadeRun run;
    RunFolder folder(path, RunMode::resume);
    CHECK(code_of([&] { run.load(folder); }) == ErrorCode::bad_format);
    CHECK(read_file(path + "/log.jsonl") == "{\"step\":13}\n");
    CHECK(open_checkpoint(path + "/model").id() == id);
}

TEST_CASE("run folder: the model is a checkpoint of the weights that were given") {
    const TempFolder place;
    MadeRun run;
    run.go_to(3);
    RunFolder folder(place / "run", RunMode::fresh);
    const TextFiles beside{{"vocab.json", "{\"a\":0}"}, {"merges.txt", "#version: 0.2\n"}};
    const std::string id =
        folder.write_model(run.config, run.parameters, view_of(run.average), beside, 3, 1);
    const Checkpoint model = open_checkpoint(place / "run/model");
    CHECK(model.id() == id);
    CHECK(model.layout == "open_clip");
    CHECK(read_file(place / "run/model/vocab.json") == "{\"a\":0}");
    for (const std::string& name : model.weights.names()) {
        const Tensor stored = model.weights.load_f32(name);
        const ParameterInfo& info = run.parameters.info(name);
        CAPTURE(name);
        CHECK(std::memcmp(stored.f32(), run.average.data() + info.first,
                          static_cast<std::size_t>(info.shape.numel()) * sizeof(float)) == 0);
    }
    CHECK_FALSE(fs::exists(place / "run/models"));

    // Numbers that are none do not get into it.
    std::vector<float> broken(run.average);
    broken[100] = std::numeric_limits<float>::quiet_NaN();
    CHECK(code_of([&] {
              folder.write_model(run.config, run.parameters, view_of(broken), {}, 4, 3);
          }) == ErrorCode::bad_format);
    CHECK(open_checkpoint(place / "run/model").id() == id);
    CHECK(names_in(place / "run") == std::set<std::string>{"model"});
}

TEST_CASE("run folder: the newest models are kept, and only our own are removed") {
    const TempFolder place;
    const std::string models = place / "run/models";
    MadeRun run;
    RunFolder folder(place / "run", RunMode::fresh);
    std::vector<std::string> ids;
    for (const std::uint64_t step : {9, 10, 100, 101}) {
        run.go_to(step);
        ids.push_back(run.write_model(folder, 3));
    }
    CHECK(names_in(models) == std::set<std::string>{"step-10", "step-100", "step-101"});
    CHECK(open_checkpoint(models + "/step-10").id() == ids[1]);
    CHECK(open_checkpoint(models + "/step-101").id() == ids[3]);
    CHECK(open_checkpoint(place / "run/model").id() == ids[3]);
    struct stat one {
    }, other{};
    ::stat((models + "/step-101/open_clip_model.safetensors").c_str(), &one);
    ::stat((place / "run/model/open_clip_model.safetensors").c_str(), &other);
    CHECK(one.st_ino == other.st_ino); // costs no room

    // Somebody's notes beside a model keep it; a leftover goes.
    write_file(models + "/step-10/notes", "the good one");
    fs::create_directory(models + "/step-7x");
    fs::create_directory(models + "/.step-8.tmp");
    write_file(models + "/.step-8.tmp/config.json", "{");
    run.go_to(102);
    run.write_model(folder, 2);
    run.write_model(folder, 2); // the same step again
    CHECK(names_in(models) == std::set<std::string>{"step-10", "step-101", "step-102", "step-7x"});
    run.go_to(103);
    run.write_model(folder, 1); // no copy of it
    CHECK_FALSE(fs::exists(models + "/step-103"));
    CHECK(fs::exists(models + "/step-102"));
}
