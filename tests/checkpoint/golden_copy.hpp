// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <string>

#include "io/temp_folder.hpp"

namespace clip_test {

/// The folder of a committed checkpoint: tests/golden/<name>.
inline std::string golden(const std::string& name) {
    return CLIP_TEST_DIR "/golden/" + name;
}

/// A copy of one, to be changed.
class GoldenCopy {
  public:
    explicit GoldenCopy(const std::string& name) {
        std::filesystem::copy(golden(name), folder_.path(),
                              std::filesystem::copy_options::recursive);
        for (const auto& file : std::filesystem::directory_iterator(folder_.path()))
            std::filesystem::permissions(file, std::filesystem::perms::owner_write,
                                         std::filesystem::perm_options::add);
    }
    const std::string& path() const { return folder_.path(); }
    std::string operator/(std::string_view name) const { return folder_ / name; }

    /// Replaces the first `from` in a text file by `to`.
    void replace(const std::string& file, const std::string& from, const std::string& to) const {
        std::string text = read_file(folder_ / file);
        const std::size_t at = text.find(from);
        if (at == std::string::npos)
            throw std::runtime_error("nothing to replace: " + from);
        write_file(folder_ / file, text.replace(at, from.size(), to));
    }

  private:
    TempFolder folder_;
};

} // namespace clip_test
