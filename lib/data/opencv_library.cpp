// SPDX-License-Identifier: MIT
#include "data/opencv_library.hpp"

#include <dlfcn.h>
#include <map>
#include <mutex>
#include <string_view>
#include <unistd.h>
#include <vector>

#include "base/concat.hpp"
#include "base/error.hpp"

namespace clip {

namespace {

constexpr const char* kPluginName = "libclip_opencv.so";

/// The folder of the running program, or empty.
std::string program_folder() {
    std::vector<char> path(4096);
    const ssize_t length = ::readlink("/proc/self/exe", path.data(), path.size());
    if (length <= 0 || static_cast<std::size_t>(length) >= path.size())
        return {};
    const std::string_view name(path.data(), static_cast<std::size_t>(length));
    return std::string(name.substr(0, name.rfind('/')));
}

std::vector<std::string> plugin_places(const std::string& chosen) {
    if (!chosen.empty())
        return {chosen};
    std::vector<std::string> places;
    const std::string folder = program_folder();
    if (!folder.empty())
        for (const char* below : {"/", "/../lib/clip-tools/", "/../" CLIP_LIBDIR "/clip-tools/",
                                  "/../lib/data/opencv_plugin/"})
            places.push_back(concat(folder, below, kPluginName));
    places.push_back(concat(CLIP_PLUGIN_INSTALL_FOLDER "/", kPluginName));
    return places;
}

/// The function `name` of the library, or null.
template <typename Function>
Function find(void* library, const char* name) {
    return reinterpret_cast<Function>(::dlsym(library, name));
}

} // namespace

const OpencvLibrary& opencv_library(const std::string& chosen, const char* what) {
    static std::mutex mutex;
    static std::map<std::string, OpencvLibrary> loaded;
    const std::lock_guard lock(mutex);
    if (const auto found = loaded.find(chosen); found != loaded.end())
        return found->second;
    std::string problem = "not found";
    for (const std::string& place : plugin_places(chosen)) {
        if (::access(place.c_str(), R_OK) != 0)
            continue;
        if (void* library = ::dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL); library != nullptr) {
            const OpencvLibrary functions{
                find<clip_opencv_decode_function>(library, "clip_opencv_decode"),
                find<clip_opencv_measure_function>(library, "clip_opencv_measure"),
                find<clip_opencv_text_function>(library, "clip_opencv_text")};
            if (functions.decode != nullptr && functions.measure != nullptr &&
                functions.text != nullptr)
                return loaded[chosen] = functions;
        }
        const char* said = ::dlerror();
        problem = said != nullptr ? said : "it is not a plugin of this program";
    }
    fail(ErrorCode::unsupported, concat(what, " needs the OpenCV plugin, ", kPluginName,
                                        ", which cannot be loaded (", problem, ")"));
}

} // namespace clip
