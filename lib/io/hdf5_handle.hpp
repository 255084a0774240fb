// SPDX-License-Identifier: MIT
// HDF5's C API made safe: handles that close, errors that say why, one caller at a time.
// Included by .cpp files of io only.
#pragma once

#include <mutex>
#include <string>
#include <utility>

#include <hdf5.h>

#include "base/error.hpp"

namespace clip::io {

/// Held by every public function that calls HDF5, whose serial build must not run in two threads.
/// The first one switches off HDF5's own printing of errors.
class Hdf5Lock {
  public:
    Hdf5Lock();

  private:
    std::unique_lock<std::recursive_mutex> lock_;
};

/// An identifier with the function that closes it.
class Hdf5Handle {
  public:
    using Close = herr_t (*)(hid_t);

    Hdf5Handle() = default;
    Hdf5Handle(hid_t id, Close close) : id_(id), close_(close) {}
    Hdf5Handle(Hdf5Handle&& other) noexcept
        : id_(std::exchange(other.id_, H5I_INVALID_HID)), close_(other.close_) {}
    Hdf5Handle& operator=(Hdf5Handle&& other) noexcept {
        std::swap(id_, other.id_);
        std::swap(close_, other.close_);
        return *this;
    }
    ~Hdf5Handle() { reset(); }

    hid_t get() const { return id_; }
    explicit operator bool() const { return id_ >= 0; }
    /// Closes now. False where HDF5 could not (a write that it had put off has failed).
    bool reset() {
        if (id_ < 0)
            return true;
        return close_(std::exchange(id_, H5I_INVALID_HID)) >= 0;
    }

  private:
    hid_t id_ = H5I_INVALID_HID;
    Close close_ = nullptr;
};

/// What HDF5 says of its last failure, at the place where it arose, in a few words.
std::string hdf5_reason();

/// Throws `code` with "<what>: <hdf5_reason()>"; `truncated` where HDF5 speaks of a truncated file,
/// io_failure where the operating system refused.
[[noreturn]] void fail_hdf5(ErrorCode code, const std::string& what);

/// A handle from a call that returns an identifier. Errors: as fail_hdf5().
Hdf5Handle hdf5_check(hid_t id, Hdf5Handle::Close close, ErrorCode code, const std::string& what);

/// For calls that return a status. Errors: as fail_hdf5().
inline void hdf5_check(herr_t status, ErrorCode code, const std::string& what) {
    if (status < 0)
        fail_hdf5(code, what);
}

/// IEEE binary16, little-endian: what h5py calls float16.
Hdf5Handle hdf5_half_type();

/// UTF-8 strings of variable length.
Hdf5Handle hdf5_string_type();

} // namespace clip::io
