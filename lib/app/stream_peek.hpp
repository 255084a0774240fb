// SPDX-License-Identifier: MIT
// Looking at a stream without taking from it.
#pragma once

#include <atomic>
#include <string>
#include <string_view>

namespace clip::app {

/// Whether `fd` has nothing to read now, and is not at its end.
bool would_wait_for(int fd);

/// Whether the next bytes of `fd` (a file, a pipe or a socket) are `signature`, at most 16 bytes.
/// Waits for them until the other side ends, or the stop flag is raised. Takes nothing; false where
/// the kind of file does not allow that.
bool begins_with(int fd, std::string_view signature, const std::atomic<bool>* stop);

/// The descriptor of a pipe that a shell's <(command) names, such as /dev/fd/63; else -1.
int shell_pipe(const std::string& path);

} // namespace clip::app
