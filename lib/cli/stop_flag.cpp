// SPDX-License-Identifier: MIT
#include "cli/stop_flag.hpp"

#include <csignal>
#include <unistd.h>

namespace clip::cli {
namespace {

std::atomic<bool> stop_requested{false};
std::atomic<int> first_signal{0};
std::atomic<bool> pipe_closed{false};
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free,
              "signal handlers may only touch lock-free atomics");

void on_stop(int signal) {
    if (stop_requested.exchange(true))
        ::_exit(128 + signal);
    first_signal = signal;
}

void on_closed_pipe(int) {
    pipe_closed = true;
}

void install(int signal, void (*handler)(int), int flags) {
    struct sigaction old {};
    if (::sigaction(signal, nullptr, &old) == 0 && old.sa_handler == SIG_IGN && signal != SIGPIPE)
        return;
    struct sigaction action {};
    action.sa_handler = handler;
    action.sa_flags = flags;
    sigemptyset(&action.sa_mask);
    ::sigaction(signal, &action, nullptr);
}

} // namespace

void install_signal_handlers() {
    for (int signal : {SIGINT, SIGTERM, SIGHUP})
        install(signal, on_stop, 0);
    install(SIGPIPE, on_closed_pipe, SA_RESTART);
    // A limit on the size of files then is an error of write(), which is reported as such.
    ::signal(SIGXFSZ, SIG_IGN);
}

const std::atomic<bool>& stop_flag() {
    return stop_requested;
}

int stop_signal() {
    return first_signal;
}

bool pipe_was_closed() {
    return pipe_closed;
}

void end_by_closed_pipe() {
    struct sigaction action {};
    action.sa_handler = SIG_DFL;
    sigemptyset(&action.sa_mask);
    ::sigaction(SIGPIPE, &action, nullptr);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    ::sigprocmask(SIG_UNBLOCK, &set, nullptr);
    ::raise(SIGPIPE);
    ::_exit(128 + SIGPIPE);
}

} // namespace clip::cli
