// SPDX-License-Identifier: MIT
#include "app/model_path.hpp"

#include <filesystem>
#include <fstream>
#include <system_error>
#include <vector>

#include "base/concat.hpp"
#include "base/error.hpp"

namespace clip::app {

namespace fs = std::filesystem;

namespace {

bool is_there(const fs::path& path) {
    std::error_code ignored;
    return fs::exists(path, ignored);
}

/// Whether every part of the name may become part of a path below a folder of models.
bool is_plain_name(const std::string& name) {
    if (name.empty() || name.front() == '/')
        return false;
    for (const fs::path& part : fs::path(name))
        if (part == ".." || part == "." || part.empty())
            return false;
    return true;
}

/// The folder of a repository in a Hugging Face cache; empty where it holds no snapshot.
/// Source: huggingface_hub, "Understand caching": models--ORG--NAME/{refs/main,snapshots/COMMIT}.
fs::path hub_snapshot(const std::string& hub, const std::string& name) {
    std::string folder = "models--";
    for (const char letter : name)
        folder += letter == '/' ? std::string("--") : std::string(1, letter);
    const fs::path repository = fs::path(hub) / folder;
    std::string commit;
    std::ifstream(repository / "refs" / "main") >> commit;
    if (is_plain_name(commit) && is_there(repository / "snapshots" / commit))
        return repository / "snapshots" / commit;
    std::vector<fs::path> snapshots;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(repository / "snapshots", error))
        snapshots.push_back(entry.path());
    return snapshots.size() == 1 ? snapshots.front() : fs::path();
}

} // namespace

std::string find_data_folder(const std::string& program, const std::string& configured) {
    if (program.empty())
        return configured;
    const fs::path beside = fs::path(program).parent_path().parent_path() / "share" / "clip";
    std::error_code ignored;
    return fs::is_directory(beside, ignored) ? beside.string() : configured;
}

std::string find_model(const std::string& name, const Environment& environment) {
    const fs::path models = fs::path(environment.data_folder) / "models";
    if (name.empty()) {
        const fs::path installed = models / "default";
        if (is_there(installed))
            return installed;
        fail(ErrorCode::not_found,
             concat("no model: give -m MODEL or set CLIP_MODEL to a checkpoint, such as the folder "
                    "of a download of openai/clip-vit-base-patch32 (none is installed as ",
                    installed.string(), ")"));
    }
    if (is_there(name))
        return name;
    std::string looked;
    if (is_plain_name(name)) {
        if (is_there(models / name))
            return models / name;
        looked = concat(", nor an installed model (", (models / name).string(), ")");
        if (!environment.hub_folder.empty()) {
            if (const fs::path snapshot = hub_snapshot(environment.hub_folder, name);
                !snapshot.empty())
                return snapshot;
            looked += concat(", nor a downloaded one (below ", environment.hub_folder, ")");
        }
    }
    fail(ErrorCode::not_found, concat("find model ", name, ": not a file or folder", looked));
}

} // namespace clip::app
