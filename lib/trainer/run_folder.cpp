// SPDX-License-Identifier: MIT
#include "trainer/run_folder.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>
#include <optional>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "io/atomic_file.hpp"
#include "io/mapped_file.hpp"
#include "io/safetensors.hpp"
#include "model/checkpoint_writer.hpp"
#include "trainer/run_log.hpp"
#include "trainer/run_models.hpp"

namespace clip::trainer {

namespace {

// Names of RUN/model where folders cannot be exchanged: the new one, complete, and the last one.
constexpr const char* kMade = ".model.new";
constexpr const char* kOld = ".model.old";
/// Two empty folders to try whether they can be.
constexpr std::array<const char*, 2> kExchanged{".exchange-1", ".exchange-2"};

std::string without_trailing_slashes(std::string path) {
    while (path.size() > 1 && path.ends_with('/'))
        path.pop_back();
    return path;
}

bool exists(const std::string& path) {
    struct stat info {};
    return ::lstat(path.c_str(), &info) == 0;
}

int open_folder(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        fail_errno(concat("open ", path), errno);
    return fd;
}

/// Makes `path` where there is nothing yet, and then `made` is where it is. Opens and locks it.
int open_locked(const std::string& path, std::string& made) {
    if (path.empty())
        fail(ErrorCode::invalid_argument, "write a run: the folder's name is empty");
    const std::string target = io::resolve_links(path); // a link to nothing is a folder to be made
    if (::mkdir(target.c_str(), 0777) == 0)
        made = target;
    else if (errno != EEXIST)
        fail_errno(concat("make ", path), errno);
    const int fd = ::open(target.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == ENOTDIR)
        fail(ErrorCode::invalid_argument,
             concat("write ", path, ": it is there already, and is no folder"));
    if (fd < 0)
        fail_errno(concat("open ", path), errno);
    // A file system that cannot lock folders is no reason to stop.
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        ::close(fd);
        fail(ErrorCode::io_failure,
             concat("write ", path, ": another process is training in this folder"));
    }
    if (::faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) != 0) {
        const int error = errno;
        ::close(fd);
        fail_errno(concat("write ", path), error);
    }
    return fd;
}

} // namespace

struct RunFolder::Impl {
    Impl(const std::string& given, RunMode mode)
        : path(without_trailing_slashes(given)), follows(mode == RunMode::follow),
          fd(follows ? open_folder(path) : open_locked(path, made)), log(in("log.jsonl")) {
        try {
            if (!follows)
                begin(mode);
        } catch (...) {
            close();
            throw;
        }
    }
    ~Impl() { close(); }
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    /// A folder that is made for nothing goes again, as long as it is locked.
    void close() const {
        if (!made.empty())
            (void)::rmdir(made.c_str()); // an empty one alone
        ::close(fd);
    }

    std::string in(std::string_view name) const { return concat(path, "/", name); }
    std::string state() const { return in("state"); }
    std::string model() const { return in("model"); }
    std::string models() const { return in("models"); }

    void begin(RunMode mode) {
        // A log alone is of a run that ended before its first state, as after a mistake in the
        // settings: it does not stand in the way of the next one.
        const std::array<std::string, 3> parts{state(), model(), models()};
        const bool holds_run = std::any_of(parts.begin(), parts.end(), exists);
        if (holds_run && mode == RunMode::fresh)
            fail(ErrorCode::invalid_argument,
                 concat("write ", path,
                        ": it holds a run already (--resume goes on with it, "
                        "--overwrite begins anew)"));
        check_state();
        (void)is_own_model(model()); // not only when the first model is to be written
        finish_replacing(in(kMade), model(), in(kOld));
        // What only a file system without exchange needs would stay on any other for good.
        remove_model(in("..model.new.tmp"));
        for (const char* name : kExchanged)
            (void)::rmdir(in(name).c_str()); // empty ones alone
        if (mode == RunMode::resume && !exists(state()) && exists(model()))
            fail(ErrorCode::invalid_argument,
                 concat("resume ", path,
                        ": it holds a model, but no state to go on from (--overwrite begins anew, "
                        "and --init ",
                        model(), " -o OTHER trains that model further)"));
        replaces = replaces_models = mode == RunMode::overwrite;
        holds_log = replaces && holds_run;
        log_begins = replaces || !exists(state());
        keeps_log = mode == RunMode::fresh;
    }

    /// Begins the log anew.
    void begin_log() {
        if (keeps_log)
            log.set_aside();
        else
            log.clear();
        log_begins = false;
    }

    /// Lines that could not be written stay for the next time.
    void log_held() {
        if (log_begins)
            begin_log();
        for (; !held.empty(); held.pop_front())
            log.append(held.front());
    }

    /// Whether what is called "state" can be one: everything else is left to whom it belongs.
    void check_state() const {
        struct stat info {};
        if (::lstat(state().c_str(), &info) != 0)
            return;
        if (S_ISREG(info.st_mode)) {
            if (info.st_size == 0)
                return;
            const auto file = io::MappedFile::open(state());
            if (io::looks_like_safetensors(file->bytes()) || info.st_size < 9)
                return;
        }
        fail(ErrorCode::invalid_argument, concat(state(), ": it is there, and no state of a run"));
    }

    std::string path;
    bool follows;     ///< writes nothing
    std::string made; ///< the folder, where this made it; else empty
    int fd;
    RunLog log;
    std::optional<bool> exchanges; ///< whether folders can be exchanged here; asked once
    bool replaces_models = false;  ///< those of an earlier run go when there is a new one
    bool replaces = false;         ///< an earlier run's files stay until there are new ones
    bool log_begins = false;       ///< lines of a run that left no state are not continued
    bool keeps_log = false;        ///< they are set aside: nobody said that they may go
    bool holds_log = false;        ///< an earlier run's log stays until there is a new state
    std::deque<std::string> held;  ///< lines that wait for it
};

RunFolder::RunFolder(const std::string& path, RunMode mode)
    : impl_(std::make_unique<Impl>(path, mode)) {}

RunFolder::~RunFolder() = default;

const std::string& RunFolder::path() const {
    return impl_->path;
}

bool RunFolder::has_state() const {
    return exists(impl_->state()) && !impl_->replaces;
}

RunState RunFolder::load(Parameters& parameters, const MutView& average,
                         const std::map<std::string, std::string>& settings) {
    RunState state = read_run_state(impl_->state(), concat("resume ", impl_->path), parameters,
                                    average, settings);
    if (!impl_->follows)
        impl_->log.cut_behind(state.step);
    impl_->log_begins = false;
    return state;
}

void RunFolder::save(const RunState& state, const Parameters& parameters,
                     const ConstView& average) {
    impl_->log.sync(); // a state is never ahead of its log
    write_run_state(impl_->state(), state, parameters, average);
    impl_->replaces = false;
    if (!std::exchange(impl_->holds_log, false))
        return;
    try {
        impl_->log_held();
    } catch (const Error&) { // the next log() tries again, and says why it fails
    }
}

std::string RunFolder::write_model(const ModelConfig& config, const Parameters& parameters,
                                   const ConstView& weights, const TextFiles& beside,
                                   std::uint64_t step, std::uint64_t keep) {
    ModelSource source;
    source.name = impl_->model();
    source.config = config;
    source.read = [&](std::string_view name, std::int64_t first, std::int64_t count, float* out) {
        const ParameterInfo& info = parameters.info(name);
        read_elements(weights, info.first + first, count, out, parameters.memory());
    };
    WriteOptions options;
    options.dtype = DType::f32;
    options.overwrite = true;
    options.beside = beside;
    if (exists(impl_->model()) && !impl_->exchanges)
        impl_->exchanges = can_exchange(impl_->in(kExchanged[0]), impl_->in(kExchanged[1]));
    std::string id;
    if (impl_->exchanges.value_or(true)) {
        id = write_checkpoint(impl_->model(), source, options).id;
    } else {
        finish_replacing(impl_->in(kMade), impl_->model(), impl_->in(kOld));
        id = write_checkpoint(impl_->in(kMade), source, options).id;
        replace_model(impl_->in(kMade), impl_->model(), impl_->in(kOld));
        (void)!::fsync(impl_->fd);
    }
    if (impl_->replaces_models) {
        remove_models(impl_->models());
        impl_->replaces_models = false;
    }
    if (keep > 1)
        keep_model(impl_->model(), impl_->models(), step, keep);
    return id;
}

void RunFolder::log(std::string_view line) {
    if (impl_->holds_log) {
        impl_->held.emplace_back(line);
        return;
    }
    impl_->log_held();
    impl_->log.append(line);
}

} // namespace clip::trainer
