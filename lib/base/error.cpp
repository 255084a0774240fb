// SPDX-License-Identifier: MIT
#include "base/error.hpp"

#include <cerrno>
#include <system_error>

namespace clip {

std::string_view error_code_name(ErrorCode code) {
    switch (code) {
    case ErrorCode::invalid_argument:
        return "invalid_argument";
    case ErrorCode::shape_mismatch:
        return "shape_mismatch";
    case ErrorCode::dtype_mismatch:
        return "dtype_mismatch";
    case ErrorCode::device_mismatch:
        return "device_mismatch";
    case ErrorCode::unsupported:
        return "unsupported";
    case ErrorCode::not_found:
        return "not_found";
    case ErrorCode::bad_format:
        return "bad_format";
    case ErrorCode::version_mismatch:
        return "version_mismatch";
    case ErrorCode::truncated:
        return "truncated";
    case ErrorCode::io_failure:
        return "io_failure";
    case ErrorCode::out_of_memory:
        return "out_of_memory";
    case ErrorCode::device_failure:
        return "device_failure";
    case ErrorCode::interrupted:
        return "interrupted";
    case ErrorCode::internal:
        return "internal";
    }
    return "internal";
}

Error::Error(ErrorCode code, const std::string& message, std::source_location where)
    : std::runtime_error(message), code_(code), where_(where) {}

void fail(ErrorCode code, const std::string& message, std::source_location where) {
    throw Error(code, message, where);
}

void fail_errno(const std::string& what, int error, std::source_location where) {
    // generic_category().message is strerror without its thread-safety problem.
    std::string reason = std::generic_category().message(error);
    if (!reason.empty() && reason[0] >= 'A' && reason[0] <= 'Z')
        reason[0] = static_cast<char>(reason[0] - 'A' + 'a');
    fail(error == ENOENT ? ErrorCode::not_found : ErrorCode::io_failure, what + ": " + reason,
         where);
}

} // namespace clip
