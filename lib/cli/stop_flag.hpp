// SPDX-License-Identifier: MIT
// Ctrl-C, termination and closed pipes, seen by the code that can act on them.
#pragma once

#include <atomic>

namespace clip::cli {

/// Installs the handlers. After this
/// - SIGINT, SIGTERM and SIGHUP set the flag below; a second one ends the process at once with
///   status 128 + its number. A signal that the parent process had ignored (nohup, a shell's
///   background job) stays ignored. Blocking calls are not restarted: they fail with EINTR.
/// - SIGPIPE no longer kills: the write fails with EPIPE, and pipe_was_closed() says so.
void install_signal_handlers();

/// True once the user has asked to stop. What runs long looks here between inputs.
const std::atomic<bool>& stop_flag();

/// The signal that set the flag, or 0.
int stop_signal();

/// True once a write has failed because the reader of a pipe had gone.
bool pipe_was_closed();

/// Ends the process as a closed pipe would have ended it: by SIGPIPE, so that the shell sees 141
/// and nothing is printed.
[[noreturn]] void end_by_closed_pipe();

} // namespace clip::cli
