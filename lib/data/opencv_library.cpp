// SPDX-License-Identifier: MIT
#include "data/opencv_library.hpp"

#include <array>
#include <map>
#include <mutex>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "base/plugin.hpp"

namespace clip {

const OpencvLibrary& opencv_library(const std::string& chosen, const char* what) {
    static std::mutex mutex;
    static std::map<std::string, OpencvLibrary> loaded;
    const std::lock_guard lock(mutex);
    if (const auto found = loaded.find(chosen); found != loaded.end())
        return found->second;
    const PluginFile file{
        .name = "libclip_opencv.so", .build_folder = "lib/data/opencv_plugin", .chosen = chosen};
    const LoadedPlugin plugin = load_plugin(
        file, std::array{"clip_opencv_decode", "clip_opencv_measure", "clip_opencv_text"});
    if (!plugin.functions.empty())
        return loaded[chosen] = {
                   reinterpret_cast<clip_opencv_decode_function>(plugin.functions[0]),
                   reinterpret_cast<clip_opencv_measure_function>(plugin.functions[1]),
                   reinterpret_cast<clip_opencv_text_function>(plugin.functions[2])};
    fail(ErrorCode::unsupported, concat(what, " needs the OpenCV plugin, ", file.name,
                                        ", which cannot be loaded (", plugin.problem, ")"));
}

} // namespace clip
