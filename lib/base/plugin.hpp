// SPDX-License-Identifier: MIT
// Shared objects that belong to this program and are loaded when they are needed: what they link
// would cost every start of a command more than the rest of it.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace clip {

struct PluginFile {
    std::string name; ///< "libclip_opencv.so"
    std::string
        build_folder; ///< where it lies in a build, from the build's top: "lib/data/opencv_plugin"
    std::string chosen; ///< its path; empty: beside the program, in the build, or installed
    bool shares_symbols = false; ///< whether what it loads itself must see what it links
};

struct LoadedPlugin {
    std::vector<void*> functions; ///< one a symbol; empty where it cannot be loaded
    std::string problem;          ///< why not
};

/// Loads the plugin and finds its functions, all of them or none. It is never unloaded.
LoadedPlugin load_plugin(const PluginFile& file, std::span<const char* const> symbols);

/// Where the plugin would be loaded from, or empty.
std::string find_plugin(const PluginFile& file);

} // namespace clip
