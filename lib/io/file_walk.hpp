// SPDX-License-Identifier: MIT
// `--recursive`: the files below a folder, in an order that is the same on every machine.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace clip::io {

struct WalkVisitor {
    /// Whether a file's name (without folders) is wanted.
    std::function<bool(std::string_view name)> is_wanted;
    /// A wanted file. Returning false ends the walk.
    std::function<bool(const std::string& path)> on_file;
    /// A folder that cannot be read, or a name that cannot be looked at; the rest goes on.
    std::function<void(const std::string& path, const Error& error)> on_error;
};

/// Visits the files below `folder` depth first; within a folder, names in the order of their bytes.
///
/// Symbolic links are followed, except to a folder that we are in already. Only regular files
/// count. Paths begin with `folder` as it was given. Memory: the names of the folders on the way.
void walk_files(const std::string& folder, const WalkVisitor& visitor);

/// The same as a list.
std::vector<std::string>
walk_pictures(const std::string& folder,
              const std::function<bool(std::string_view name)>& is_picture,
              const std::function<void(const std::string& path, const Error& error)>& on_error);

} // namespace clip::io
