// SPDX-License-Identifier: MIT
// The plugin that links OpenCV, loaded when the first call needs it.
#pragma once

#include <string>

#include "data/opencv_plugin/plugin.h"

namespace clip {

struct OpencvLibrary {
    clip_opencv_decode_function decode = nullptr;
    clip_opencv_measure_function measure = nullptr;
    clip_opencv_text_function text = nullptr;
};

/// The plugin's functions. `chosen` is its path; empty: beside the program, in the build, or where
/// it is installed. It is loaded once a process and path, and never unloaded. Thread-safe.
/// Errors: unsupported ("<what> needs the OpenCV plugin, which cannot be loaded (<why>)").
const OpencvLibrary& opencv_library(const std::string& chosen, const char* what);

} // namespace clip
