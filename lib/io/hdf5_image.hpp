// SPDX-License-Identifier: MIT
// HDF5 files that are written in memory, for pipes. Included by .cpp files of io only.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "io/hdf5_handle.hpp"

namespace clip::io {

/// The bytes of one HDF5 file, which HDF5 works on in place: its core driver would otherwise hold
/// up to three copies. Must outlive the file handle.
class Hdf5Image {
  public:
    Hdf5Image() = default;
    ~Hdf5Image();
    Hdf5Image(const Hdf5Image&) = delete;
    Hdf5Image& operator=(const Hdf5Image&) = delete;

    /// A new, empty file. Errors: io_failure.
    Hdf5Handle create(const std::string& what);
    /// Closes the file that create() gave, and returns its bytes: those of a file on disk.
    /// Errors: io_failure.
    std::string_view close(Hdf5Handle& file, const std::string& what);

    /// Called by HDF5.
    void* resize(std::size_t size);
    void* data() const { return data_; }

  private:
    Hdf5Handle access_properties();

    char* data_ = nullptr;
    std::size_t size_ = 0;
};

} // namespace clip::io
