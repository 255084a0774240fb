// SPDX-License-Identifier: MIT
#include "base/plugin.hpp"

#include <algorithm>
#include <dlfcn.h>
#include <string_view>
#include <unistd.h>
#include <utility>

#include "base/concat.hpp"

namespace clip {

namespace {

/// The folder of the running program, or empty.
std::string program_folder() {
    std::vector<char> path(4096);
    const ssize_t length = ::readlink("/proc/self/exe", path.data(), path.size());
    if (length <= 0 || static_cast<std::size_t>(length) >= path.size())
        return {};
    const std::string_view name(path.data(), static_cast<std::size_t>(length));
    return std::string(name.substr(0, name.rfind('/')));
}

std::vector<std::string> plugin_places(const PluginFile& file) {
    if (!file.chosen.empty())
        return {file.chosen};
    std::vector<std::string> places;
    if (const std::string folder = program_folder(); !folder.empty()) {
        for (const char* below : {"/", "/../lib/clip-tools/", "/../" CLIP_LIBDIR "/clip-tools/"})
            places.push_back(concat(folder, below, file.name));
        places.push_back(concat(folder, "/../", file.build_folder, "/", file.name));
    }
    places.push_back(concat(CLIP_PLUGIN_INSTALL_FOLDER "/", file.name));
    return places;
}

} // namespace

LoadedPlugin load_plugin(const PluginFile& file, std::span<const char* const> symbols) {
    std::string problem = "not found";
    for (const std::string& place : plugin_places(file)) {
        if (::access(place.c_str(), R_OK) != 0)
            continue;
        const int scope = file.shares_symbols ? RTLD_GLOBAL : RTLD_LOCAL;
        if (void* library = ::dlopen(place.c_str(), RTLD_NOW | scope); library != nullptr) {
            LoadedPlugin loaded;
            for (const char* symbol : symbols)
                loaded.functions.push_back(::dlsym(library, symbol));
            if (std::find(loaded.functions.begin(), loaded.functions.end(), nullptr) ==
                loaded.functions.end())
                return loaded;
        }
        const char* said = ::dlerror();
        problem = said != nullptr ? said : "it is not a plugin of this program";
    }
    return {{}, problem};
}

std::string find_plugin(const PluginFile& file) {
    for (std::string& place : plugin_places(file))
        if (::access(place.c_str(), R_OK) == 0)
            return std::move(place);
    return {};
}

} // namespace clip
