// SPDX-License-Identifier: MIT
#include "io/file_walk.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <dirent.h>
#include <sys/stat.h>

namespace clip::io {

namespace {

using FolderId = std::pair<dev_t, ino_t>;

Error error_of(const std::string& path, int number) {
    try {
        fail_errno(path, number);
    } catch (const Error& error) {
        return error;
    }
}

class Walk {
  public:
    explicit Walk(const WalkVisitor& visitor) : visitor_(visitor) {}

    /// False when the visitor has had enough. Depth is bounded by the longest path that the system
    /// opens.
    bool folder(const std::string& path) {
        struct stat info {};
        std::vector<std::string> names;
        if (::stat(path.c_str(), &info) != 0 || !list(path, names)) {
            visitor_.on_error(path, error_of(path, errno));
            return true;
        }
        const FolderId id(info.st_dev, info.st_ino);
        if (std::find(inside_.begin(), inside_.end(), id) != inside_.end())
            return true;
        inside_.push_back(id);
        const std::string prefix = path.ends_with('/') ? path : path + '/';
        bool go_on = true;
        for (std::size_t i = 0; i < names.size() && go_on; ++i)
            go_on = entry(prefix + names[i], names[i]);
        inside_.pop_back();
        return go_on;
    }

  private:
    static bool list(const std::string& path, std::vector<std::string>& names) {
        DIR* listing = ::opendir(path.c_str());
        if (listing == nullptr)
            return false;
        errno = 0;
        while (const dirent* entry = ::readdir(listing)) {
            const std::string_view name = entry->d_name;
            if (name != "." && name != "..")
                names.emplace_back(name);
            errno = 0;
        }
        const int error = errno;
        ::closedir(listing);
        errno = error;
        // As unsigned bytes, whatever the locale.
        std::sort(names.begin(), names.end());
        return error == 0;
    }

    bool entry(const std::string& path, const std::string& name) {
        struct stat info {};
        if (::stat(path.c_str(), &info) != 0) {
            // A dangling link matters only where its name was wanted.
            if (errno != ENOENT || visitor_.is_wanted(name))
                visitor_.on_error(path, error_of(path, errno));
            return true;
        }
        if (S_ISDIR(info.st_mode))
            return folder(path);
        return !S_ISREG(info.st_mode) || !visitor_.is_wanted(name) || visitor_.on_file(path);
    }

    const WalkVisitor& visitor_;
    std::vector<FolderId> inside_; // the folders from the first one down to here
};

} // namespace

void walk_files(const std::string& folder, const WalkVisitor& visitor) {
    Walk(visitor).folder(folder);
}

std::vector<std::string>
walk_pictures(const std::string& folder,
              const std::function<bool(std::string_view name)>& is_picture,
              const std::function<void(const std::string& path, const Error& error)>& on_error) {
    std::vector<std::string> out;
    walk_files(folder, {is_picture,
                        [&out](const std::string& path) {
                            out.push_back(path);
                            return true;
                        },
                        on_error});
    return out;
}

} // namespace clip::io
