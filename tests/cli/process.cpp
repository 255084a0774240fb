// SPDX-License-Identifier: MIT
#include "cli/process.hpp"

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <poll.h>
#include <stdexcept>
#include <sys/wait.h>
#include <unistd.h>

namespace clip::test {
namespace {

// True while there may be more to read.
bool read_some(int descriptor, std::string& text) {
    char buffer[4096];
    const ssize_t count = ::read(descriptor, buffer, sizeof buffer);
    if (count > 0)
        text.append(buffer, static_cast<std::size_t>(count));
    return count > 0 || (count < 0 && errno == EINTR);
}

[[noreturn]] void become(const std::vector<std::string>& arguments, const StartOptions& options,
                         int out, int err) {
    const int in = ::open("/dev/null", O_RDONLY);
    ::dup2(in, 0);
    ::dup2(out, 1);
    ::dup2(err, 2);
    for (int descriptor = 3; descriptor < 64; ++descriptor)
        ::close(descriptor);
    for (const std::string& setting : options.environment) {
        const std::size_t equals = setting.find('=');
        ::setenv(setting.substr(0, equals).c_str(), setting.substr(equals + 1).c_str(), 1);
    }
    if (options.in_child)
        options.in_child();
    std::vector<char*> argv;
    for (const std::string& argument : arguments)
        argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    ::execv(argv[0], argv.data());
    ::_exit(127);
}

} // namespace

Outcome start(const std::vector<std::string>& arguments, const StartOptions& options) {
    int out[2], err[2];
    if (::pipe(out) != 0 || ::pipe(err) != 0)
        throw std::runtime_error("no pipe");
    const pid_t child = ::fork();
    if (child == 0)
        become(arguments, options, out[1], err[1]);
    ::close(out[1]);
    ::close(err[1]);

    Outcome outcome;
    bool told = false;
    bool more_out = true, more_err = true;
    while (more_out || more_err) {
        pollfd ready[2] = {{more_out ? out[0] : -1, POLLIN, 0},
                           {more_err ? err[0] : -1, POLLIN, 0}};
        ::poll(ready, 2, -1);
        if (ready[0].revents != 0)
            more_out = read_some(out[0], outcome.out);
        if (ready[1].revents != 0)
            more_err = read_some(err[0], outcome.err);
        if (!told && options.after_first_line && outcome.out.find('\n') != std::string::npos) {
            told = true;
            options.after_first_line(child);
        }
    }
    ::close(out[0]);
    ::close(err[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    outcome.status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return outcome;
}

} // namespace clip::test
