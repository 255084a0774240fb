// SPDX-License-Identifier: MIT
#include "app/model_path.hpp"

#include <filesystem>

#include <doctest/doctest.h>

#include "base/error.hpp"
#include "temporary_folder.hpp"

using namespace clip;
using namespace clip::app;

TEST_CASE("model path: paths, installed models and downloads, in this order") {
    const TemporaryFolder folder;
    const Environment environment{.data_folder = folder.at("data"), .hub_folder = folder.at("hub")};
    const std::string file = folder.write("model.pt", "x");
    CHECK(find_model(file, environment) == file);
    CHECK_THROWS_AS((void)find_model("", environment), Error);

    folder.write("data/models/default/config.json", "{}");
    folder.write("data/models/org/name/config.json", "{}");
    CHECK(find_model("", environment) == folder.at("data/models/default"));
    CHECK(find_model("org/name", environment) == folder.at("data/models/org/name"));

    folder.write("hub/models--org--one/snapshots/aaa/config.json", "{}");
    CHECK(find_model("org/one", environment) == folder.at("hub/models--org--one/snapshots/aaa"));
    folder.write("hub/models--org--one/snapshots/bbb/config.json", "{}");
    CHECK_THROWS_AS((void)find_model("org/one", environment), Error); // which one?
    folder.write("hub/models--org--one/refs/main", "bbb\n");
    CHECK(find_model("org/one", environment) == folder.at("hub/models--org--one/snapshots/bbb"));
}

TEST_CASE("model path: the data folder is the one beside the program, wherever it was moved to") {
    const TemporaryFolder folder;
    folder.write("moved/share/clip/models/default/config.json", "{}");
    folder.write("bin/clip-embed", "");
    folder.write("file/share/clip", "not a folder");
    const std::string configured = "/usr/share/clip";
    const std::string found = find_data_folder(folder.at("moved/bin/clip-embed"), configured);
    CHECK(found == folder.at("moved/share/clip"));
    CHECK(find_model("", {.data_folder = found}) == folder.at("moved/share/clip/models/default"));
    CHECK(find_data_folder(folder.at("bin/clip-embed"), configured) == configured);
    CHECK(find_data_folder(folder.at("file/bin/clip-embed"), configured) == configured);
    CHECK(find_data_folder("", configured) == configured);

    // What CMake makes of a build tree; the link may come before the folder that it means.
    std::filesystem::create_directories(folder.at("build/share"));
    std::filesystem::create_symlink("../../source/share/clip", folder.at("build/share/clip"));
    CHECK(find_data_folder(folder.at("build/cmd/clip-embed"), configured) == configured);
    folder.write("source/share/clip/models/default/config.json", "{}");
    CHECK(find_data_folder(folder.at("build/cmd/clip-embed"), configured) ==
          folder.at("build/share/clip"));
}

TEST_CASE("model path: a name cannot leave the folders of models") {
    const TemporaryFolder folder;
    const Environment environment{.data_folder = folder.at("data"), .hub_folder = folder.at("hub")};
    folder.write("data/models/default/config.json", "{}");
    folder.write("data/secret/config.json", "{}");
    folder.write("hub/models--a--b/snapshots/ok/config.json", "{}");
    folder.write("hub/models--a--b/snapshots/other/config.json", "{}");
    folder.write("hub/models--a--b/refs/main", "../../../secret");
    CHECK_THROWS_AS((void)find_model("../secret", environment), Error);
    CHECK_THROWS_AS((void)find_model("default/../../secret", environment), Error);
    CHECK_THROWS_AS((void)find_model("a/b", environment), Error);
}
