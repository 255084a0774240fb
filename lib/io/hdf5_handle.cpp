// SPDX-License-Identifier: MIT
#include "io/hdf5_handle.hpp"

#include <string_view>

namespace clip::io {

namespace {

std::recursive_mutex& hdf5_mutex() {
    static std::recursive_mutex mutex;
    return mutex;
}

/// Keeps the innermost description, which is the cause; the others say who called whom.
herr_t keep_innermost(unsigned depth, const H5E_error2_t* entry, void* out) {
    if (depth == 0 && entry->desc != nullptr)
        *static_cast<std::string*>(out) = entry->desc;
    return 0;
}

/// "file write failed: time = Sun ..., error message = 'No space left on device', buf = ..." has
/// one part that a person wants.
std::string system_message(const std::string& description) {
    constexpr std::string_view kMark = "error message = '";
    const std::size_t start = description.find(kMark);
    if (start == std::string::npos)
        return {};
    const std::size_t first = start + kMark.size();
    std::string message = description.substr(first, description.find('\'', first) - first);
    if (!message.empty() && message[0] >= 'A' && message[0] <= 'Z')
        message[0] = static_cast<char>(message[0] - 'A' + 'a');
    return message;
}

} // namespace

Hdf5Lock::Hdf5Lock() : lock_(hdf5_mutex()) {
    // At exit HDF5 closes once more what it could not close on a full disk, and crashes (1.10.8).
    // Nothing is lost without that: every handle here is closed by its owner.
    static const herr_t no_exit_handler = H5dont_atexit();
    (void)no_exit_handler;
    // Per thread in thread-safe builds, so set every time; it costs nothing.
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

std::string hdf5_reason() {
    std::string description;
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_innermost, &description);
    const std::string system = system_message(description);
    if (!system.empty())
        return system;
    return description.empty() ? "HDF5 gives no reason" : "HDF5 says: " + description;
}

void fail_hdf5(ErrorCode code, const std::string& what) {
    std::string description;
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_innermost, &description);
    if (!system_message(description).empty())
        code = ErrorCode::io_failure;
    else if (description.find("truncated") != std::string::npos)
        code = ErrorCode::truncated;
    fail(code, what + ": " + hdf5_reason());
}

Hdf5Handle hdf5_check(hid_t id, Hdf5Handle::Close close, ErrorCode code, const std::string& what) {
    if (id < 0)
        fail_hdf5(code, what);
    return {id, close};
}

Hdf5Handle hdf5_half_type() {
    Hdf5Handle type(H5Tcopy(H5T_IEEE_F32LE), H5Tclose);
    // Sign at bit 15, 5 bits of exponent from bit 10, 10 bits of mantissa from bit 0. The fields
    // are set first: the size cannot shrink below them.
    if (!type || H5Tset_fields(type.get(), 15, 10, 5, 0, 10) < 0 ||
        H5Tset_size(type.get(), 2) < 0 || H5Tset_ebias(type.get(), 15) < 0)
        fail_hdf5(ErrorCode::internal, "make the float16 type");
    return type;
}

Hdf5Handle hdf5_string_type() {
    Hdf5Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
    if (!type || H5Tset_size(type.get(), H5T_VARIABLE) < 0 ||
        H5Tset_cset(type.get(), H5T_CSET_UTF8) < 0)
        fail_hdf5(ErrorCode::internal, "make the string type");
    return type;
}

} // namespace clip::io
