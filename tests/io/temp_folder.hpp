// SPDX-License-Identifier: MIT
// A folder for one test case, and small ways to look at files.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>

#include <unistd.h>

#include "base/error.hpp"

namespace clip_test {

class TempFolder {
  public:
    TempFolder() {
        // In memory where there is such a place: these tests sync hundreds of files.
        const std::filesystem::path shared = "/dev/shm";
        const bool usable = ::access(shared.c_str(), W_OK) == 0;
        std::string name =
            ((usable ? shared : std::filesystem::temp_directory_path()) / "clip-io-XXXXXX")
                .string();
        if (::mkdtemp(name.data()) == nullptr)
            throw std::runtime_error("no temporary folder");
        path_ = name;
    }
    ~TempFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    TempFolder(const TempFolder&) = delete;
    TempFolder& operator=(const TempFolder&) = delete;

    std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }
    const std::string& path() const { return path_; }
    /// How many entries the folder has.
    std::size_t size() const {
        return static_cast<std::size_t>(
            std::distance(std::filesystem::directory_iterator(path_), {}));
    }

  private:
    std::string path_;
};

inline std::string read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

inline void write_file(const std::string& path, std::string_view bytes) {
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out << bytes;
    if (!out.flush())
        throw std::runtime_error("cannot write " + path);
}

/// The code of the clip::Error that `body` throws; `internal` where it throws none, which no test
/// expects.
template <typename Body>
clip::ErrorCode code_of(const Body& body) {
    try {
        body();
    } catch (const clip::Error& error) {
        return error.code();
    }
    return clip::ErrorCode::internal;
}

template <typename Body>
std::string message_of(const Body& body) {
    try {
        body();
    } catch (const clip::Error& error) {
        return error.what();
    }
    return {};
}

} // namespace clip_test
