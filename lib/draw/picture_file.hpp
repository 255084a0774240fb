// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "draw/canvas.hpp"

namespace clip {

/// Whether a file's name ends in `ending` (such as ".svg"), in any case, with something before it.
bool has_ending(const std::string& path, std::string_view ending);

/// Draws on the canvas that the ending of `path` asks for, .svg or .png, and replaces `path` by the
/// result. Errors: as write_confusion_plot, and whatever `draw` throws.
void write_picture(const std::string& path, const std::function<void(Canvas&)>& draw);

} // namespace clip
