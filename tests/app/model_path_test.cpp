// SPDX-License-Identifier: MIT
#include "app/model_path.hpp"

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
