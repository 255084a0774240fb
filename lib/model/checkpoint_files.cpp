// SPDX-License-Identifier: MIT
#include "model/checkpoint_files.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "io/safetensors.hpp"
#include "io/torch_archive.hpp"
#include "model/config_json.hpp"

namespace clip {

namespace {

namespace fs = std::filesystem;

/// In order of preference: safetensors need no unpickling.
constexpr std::array<const char*, 4> kWeightNames{"open_clip_model.safetensors",
                                                  "open_clip_pytorch_model.bin",
                                                  "model.safetensors", "pytorch_model.bin"};
constexpr std::array<const char*, 3> kWeightSuffixes{".pt", ".pth", ".safetensors"};

bool is_there(const fs::path& path) {
    std::error_code ignored;
    return fs::exists(path, ignored);
}

/// The shards that an index names, each once.
std::vector<std::string> read_shards(const std::string& index) {
    const nlohmann::json parsed = read_json_file(index);
    if (!parsed.is_object() || !parsed.contains("weight_map") ||
        !parsed["weight_map"].is_object() || parsed["weight_map"].empty())
        fail(ErrorCode::bad_format, index + ": lacks a weight_map");
    std::set<std::string> names;
    for (const auto& [tensor, file] : parsed["weight_map"].items()) {
        const std::string name = file.is_string() ? file.get<std::string>() : "";
        // A shard lies beside its index: nothing else in the file system is opened.
        if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos ||
            name.find('\0') != std::string::npos)
            fail(ErrorCode::bad_format,
                 concat(index, ": tensor ", tensor, " is in no file of this folder"));
        names.insert(name);
    }
    std::vector<std::string> paths;
    for (const std::string& name : names)
        paths.push_back((fs::path(index).parent_path() / name).string());
    return paths;
}

void check_index(const std::string& index, const io::TensorStore& store) {
    const nlohmann::json parsed = read_json_file(index);
    for (const auto& [tensor, file] : parsed["weight_map"].items())
        if (store.find(tensor) == nullptr)
            fail(ErrorCode::not_found,
                 concat(index, ": tensor ", tensor, " is in none of the shards"));
}

std::optional<CheckpointFiles> find_in_folder(const fs::path& folder) {
    CheckpointFiles files{folder.string(), {}, {}};
    for (const char* name : kWeightNames) {
        if (is_there(folder / name)) {
            files.weights = {(folder / name).string()};
            return files;
        }
        const fs::path index = folder / concat(name, ".index.json");
        if (is_there(index)) {
            files.index = index.string();
            files.weights = read_shards(files.index);
            return files;
        }
    }
    std::vector<std::string> candidates;
    std::error_code error;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
        const std::string suffix = it->path().extension().string();
        if (std::find(kWeightSuffixes.begin(), kWeightSuffixes.end(), suffix) !=
            kWeightSuffixes.end())
            candidates.push_back(it->path().string());
    }
    if (error)
        fail_errno(folder.string(), error.value());
    std::sort(candidates.begin(), candidates.end());
    if (candidates.size() > 1)
        fail(ErrorCode::not_found,
             concat(folder.string(), ": ", candidates.size(),
                    " checkpoints in this folder; name one, such as ", candidates.back()));
    if (candidates.empty())
        return {};
    files.weights = candidates;
    return files;
}

} // namespace

std::optional<std::string> CheckpointFiles::beside(const std::string& name) const {
    const fs::path path = fs::path(folder) / name;
    if (!is_there(path))
        return {};
    return path.string();
}

CheckpointFiles find_checkpoint_files(const std::string& path) {
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (status.type() == fs::file_type::not_found)
        fail(ErrorCode::not_found, path + ": no such file or folder");
    if (error)
        fail_errno(path, error.value());
    if (!fs::is_directory(status)) {
        const fs::path folder = fs::path(path).parent_path();
        return {folder.empty() ? "." : folder.string(), {path}, {}};
    }
    if (auto files = find_in_folder(path))
        return *std::move(files);
    const fs::path run = fs::path(path) / "model"; // of a training run
    if (fs::is_directory(run, error))
        if (auto files = find_in_folder(run))
            return *std::move(files);
    fail(ErrorCode::not_found,
         path + ": no checkpoint in this folder (want open_clip_model.safetensors, "
                "model.safetensors, pytorch_model.bin or a .pt file)");
}

LoadedTensors load_tensors(const CheckpointFiles& files) {
    LoadedTensors loaded{
        io::TensorStore(files.weights.size() == 1 ? files.weights[0] : files.folder),
        false,
        {},
        {}};
    for (const std::string& path : files.weights) {
        const auto file = io::MappedFile::open(path);
        if (io::looks_like_safetensors(file->bytes())) {
            loaded.store.merge(io::read_safetensors(file));
        } else if (io::looks_like_torch_archive(file->bytes())) {
            io::TorchArchive archive = io::read_torch_archive(file);
            loaded.store.merge(std::move(archive.store));
            loaded.torchscript = loaded.torchscript || archive.torchscript;
            loaded.nested_key = archive.nested_key;
            loaded.foreign.insert(loaded.foreign.end(), archive.foreign.begin(),
                                  archive.foreign.end());
        } else {
            fail(ErrorCode::bad_format, path + ": neither a safetensors file nor a PyTorch one");
        }
    }
    if (!files.index.empty())
        check_index(files.index, loaded.store);
    return loaded;
}

} // namespace clip
