// SPDX-License-Identifier: MIT
// RUN/state: nothing of it is lost, and nothing that is wrong in it is taken.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <fstream>

#include "base/random.hpp"
#include "io/safetensors.hpp"
#include "io/temp_folder.hpp"
#include "trainer/made_run.hpp"

using namespace clip;
using namespace clip::trainer;
using namespace clip_test;

namespace {

/// A saved state after step 12, and a run to read it into.
struct Saved {
    TempFolder place;
    std::string path = place / "state";
    MadeRun run;
    MadeRun other;

    Saved() {
        run.go_to(12);
        other.go_to(99);
        write_run_state(path, run.state, run.parameters, view_of(run.average));
    }
    RunState read() {
        return read_run_state(path, "resume RUN", other.parameters, view_of(other.average),
                              run.state.settings);
    }
};

} // namespace

TEST_CASE("run state: every bit comes back") {
    Saved saved;
    saved.other.state = saved.read();
    CHECK(saved.other == saved.run);

    // Without an average there is none in the file either.
    write_run_state(saved.path, saved.run.state, saved.run.parameters, {});
    const io::TensorStore store = io::read_safetensors(saved.path);
    CHECK(store.find("average.logit_scale") == nullptr);
    CHECK(store.find("mean.logit_scale") != nullptr);
    CHECK(store.find("weight.visual.conv1.weight") != nullptr);
    CHECK(store.find("mean.visual.conv1.weight") == nullptr); // locked
    CHECK(store.find("square.words.weight") != nullptr);
    CHECK(code_of([&] { saved.read(); }) == ErrorCode::shape_mismatch);
    RunState back =
        read_run_state(saved.path, "", saved.other.parameters, {}, saved.run.state.settings);
    CHECK(back == saved.run.state);
}

TEST_CASE("run state: the first setting that differs is named") {
    Saved saved;
    MadeRun before;
    before.go_to(99);
    const auto message = [&](const std::map<std::string, std::string>& settings) {
        return message_of([&] {
            read_run_state(saved.path, "resume RUN", saved.other.parameters,
                           view_of(saved.other.average), settings);
        });
    };
    auto settings = saved.run.state.settings;
    settings["seed"] = "1";
    settings["batch_size"] = "32";
    CHECK(message(settings) ==
          "resume RUN: batch_size was '64' when it began and is '32' now; give it as it was, or "
          "begin anew in another folder or with --overwrite");
    settings["batch_size"] = "64";
    CHECK(message(settings).find("seed was '' when it began and is '1' now") != std::string::npos);
    settings.erase("seed");
    CHECK(message(settings).find("seed was '' when it began and is none now") != std::string::npos);
    settings = saved.run.state.settings;
    settings["a"] = "b";
    CHECK(message(settings).find(": a was none when it began and is 'b' now") != std::string::npos);
    settings = saved.run.state.settings;
    settings["data"] = "other.tar";
    // What is absent is the CPU's, and a device is named before what it was told.
    settings["tf32"] = "1";
    CHECK(message(settings).find(": CLIP_CUDA_TF32 was '0' when it began and is '1' now") !=
          std::string::npos);
    settings["precision"] = "fp16";
    CHECK(message(settings).find(": --precision was 'fp32' when it began and is 'fp16' now") !=
          std::string::npos);
    settings["device"] = "cuda";
    CHECK(message(settings).find(": --device was 'cpu' when it began and is 'cuda' now") !=
          std::string::npos);
    settings["device"] = "cpu";
    settings["precision"] = "fp32";
    settings["tf32"] = "0";
    CHECK(message(settings).find("data was 'file:caf%E9.tar' when") != std::string::npos);
    CHECK(code_of([&] {
              read_run_state(saved.path, "", saved.other.parameters, view_of(saved.other.average),
                             settings);
          }) == ErrorCode::version_mismatch);
    CHECK(saved.other == before);
}

TEST_CASE("run state: of another model") {
    Saved saved;
    ModelConfig config = small_config();
    config.text.mlp_width = 32;
    Parameters wider(config);
    CHECK(message_of([&] {
              read_run_state(saved.path, "", wider, {}, saved.run.state.settings);
          }) == saved.path + ": a state of another model: tensor "
                             "weight.transformer.resblocks.0.mlp.c_fc.bias is (31) (want (32))");
    Parameters plain(small_config()); // nothing locked, no head
    CHECK(message_of([&] {
              read_run_state(saved.path, "", plain, {}, saved.run.state.settings);
          }).find("it has no tensor mean.visual.conv1.weight") != std::string::npos);
    Parameters headless(small_config(), {}, std::vector<std::string>{"visual.conv1"});
    CHECK(message_of([&] {
              read_run_state(saved.path, "", headless, {}, saved.run.state.settings);
          }).find("it has a tensor weight.words.weight") != std::string::npos);
}

TEST_CASE("run state: cut off anywhere") {
    Saved saved;
    MadeRun before;
    before.go_to(99);
    const std::string whole = read_file(saved.path);
    RandomStream random(1, 0);
    for (int i = 0; i < 60; ++i) {
        // Ends at the head and at the tail, and anything between.
        const std::size_t size = i < 12   ? static_cast<std::size_t>(i)
                                 : i < 24 ? whole.size() - static_cast<std::size_t>(i - 11)
                                          : random.below(static_cast<std::uint32_t>(whole.size()));
        write_file(saved.path, std::string_view(whole).substr(0, size));
        CAPTURE(size);
        const ErrorCode code = code_of([&] { saved.read(); });
        CHECK((code == ErrorCode::truncated || code == ErrorCode::bad_format));
        CHECK(saved.other == before);
    }
    write_file(saved.path, whole + "x");
    CHECK(code_of([&] { saved.read(); }) == ErrorCode::bad_format);
}

TEST_CASE("run state: a flipped bit is found, wherever it is") {
    Saved saved;
    MadeRun before;
    before.go_to(99);
    const std::string whole = read_file(saved.path);
    const std::size_t header = 8 + static_cast<unsigned char>(whole[0]) +
                               256 * static_cast<std::size_t>(static_cast<unsigned char>(whole[1]));
    RandomStream random(2, 0);
    int harmless = 0;
    for (std::size_t at = 0; at < whole.size(); at += at < header ? 3 : 1 + random.below(1000)) {
        if (at + 1000 > whole.size())
            at = std::max(at, whole.size() - 6); // the last bytes are the checksum itself
        std::fstream file(saved.path, std::ios::binary | std::ios::in | std::ios::out);
        file.seekp(static_cast<std::streamoff>(at));
        file.put(static_cast<char>(whole[at] ^ (1 << random.below(8)))).flush();
        CAPTURE(at);
        try {
            // Where the file still says the same (a space of the header became another), it may.
            saved.other.state = saved.read();
            CHECK(at < header);
            CHECK(saved.other == saved.run);
            saved.other.go_to(99);
            ++harmless;
        } catch (const Error& error) {
            if (at >= header)
                CHECK(error.code() == ErrorCode::bad_format);
        }
        REQUIRE(saved.other == before);
        file.seekp(static_cast<std::streamoff>(at));
        file.put(whole[at]).flush();
    }
    saved.read(); // each was put back
    CHECK(harmless < 8);
}

TEST_CASE("run state: other files") {
    Saved saved;
    CHECK(code_of([&] {
              read_run_state(saved.place / "none", "", saved.other.parameters, {}, {});
          }) == ErrorCode::not_found);
    const std::array<float, 1> one{1};
    io::write_safetensors(saved.path, {{"weight.logit_scale", ConstView{one.data(), Shape{}}}});
    CHECK(message_of([&] { saved.read(); }) == saved.path + ": no state of clip-train");
    io::write_safetensors(saved.path, {}, {{"format", "clip-train state"}, {"version", "2"}});
    CHECK(message_of([&] { saved.read(); }) ==
          saved.path + ": a state of version 2; this program reads version 1");
}
