// SPDX-License-Identifier: MIT
// The one exception type of the library, and the codes it carries.
#pragma once

#include <cstdint>
#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>

namespace clip {

/// Why an operation failed. Small on purpose: a code is what a caller can act on, the message is
/// what a person reads.
enum class ErrorCode : std::uint8_t {
    invalid_argument, ///< a value given by the user makes no sense
    shape_mismatch,   ///< tensor shapes do not fit each other
    dtype_mismatch,   ///< an element type is not the one that is needed
    device_mismatch,  ///< tensors live on different devices
    unsupported,      ///< understood, but not offered by this build, backend or model
    not_found,        ///< a file, tensor or name does not exist
    bad_format,       ///< data that does not follow its format
    version_mismatch, ///< a format version this build does not know, or two models that differ
    truncated,        ///< data that ends too early
    io_failure,       ///< the operating system refused to read or write
    out_of_memory,    ///< no memory on the host or the device
    device_failure,   ///< an accelerator or its driver failed
    interrupted,      ///< Ctrl-C or a termination signal
    internal,         ///< a bug in this program
};

/// The code's spelling, such as "bad_format".
std::string_view error_code_name(ErrorCode code);

/// The only type that this library throws.
///
/// Messages read "what was attempted: what was wrong (got X, want Y)", in lower case, without a
/// trailing dot. The place in the source is kept apart, for --verbose.
class Error : public std::runtime_error {
  public:
    Error(ErrorCode code, const std::string& message,
          std::source_location where = std::source_location::current());

    ErrorCode code() const { return code_; }
    const std::source_location& where() const { return where_; }

  private:
    ErrorCode code_;
    std::source_location where_;
};

/// Throws an Error.
[[noreturn]] void fail(ErrorCode code, const std::string& message,
                       std::source_location where = std::source_location::current());

/// Throws an `io_failure` (or `not_found`) whose message is "<what>: <strerror(error)>".
[[noreturn]] void fail_errno(const std::string& what, int error,
                             std::source_location where = std::source_location::current());

/// Throws `internal` when a promise between functions of this library is broken. Never reachable
/// from user input.
inline void expect(bool condition, const char* promise,
                   std::source_location where = std::source_location::current()) {
    if (!condition)
        fail(ErrorCode::internal, promise, where);
}

} // namespace clip
