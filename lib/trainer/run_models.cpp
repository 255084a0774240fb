// SPDX-License-Identifier: MIT
#include "trainer/run_models.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <set>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "io/atomic_file.hpp"
#include "io/atomic_folder.hpp"
#include "io/mapped_file.hpp"
#include "io/output_stream.hpp"
#include "model/checkpoint_writer.hpp"

namespace clip::trainer {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kStep = "step-";
constexpr std::string_view kTemporary = ".tmp";

/// A file of a checkpoint, or what AtomicFile writes before it has its name.
bool is_own_name(std::string_view name) {
    if (name.starts_with('.') && name.ends_with(kTemporary))
        name = name.substr(1, name.size() - 1 - kTemporary.size());
    const auto own = checkpoint_file_names();
    return std::find(own.begin(), own.end(), name) != own.end();
}

/// What is in a folder; empty where there is none.
std::vector<fs::directory_entry> list(const std::string& folder) {
    std::vector<fs::directory_entry> entries;
    std::error_code error;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
        entries.push_back(*it);
    if (error && error.value() != ENOENT)
        fail_errno(concat("read ", folder), error.value());
    return entries;
}

bool is_folder(const fs::directory_entry& entry) {
    std::error_code ignored;
    return fs::is_directory(entry.symlink_status(ignored));
}

/// The first thing in a folder that is no file of a checkpoint.
std::optional<std::string> foreign_name(const std::string& folder) {
    for (const fs::directory_entry& entry : list(folder))
        if (is_folder(entry) || !is_own_name(entry.path().filename().string()))
            return entry.path().filename().string();
    return std::nullopt;
}

/// N of "step-N", as it is written by us.
std::optional<std::uint64_t> step_of(std::string_view name) {
    std::uint64_t step = 0;
    if (!name.starts_with(kStep))
        return std::nullopt;
    name.remove_prefix(kStep.size());
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), step);
    const bool ours = parsed.ec == std::errc() && name == concat(step);
    return ours ? std::optional(step) : std::nullopt;
}

/// The steps of the folders of `models` that are ours alone.
std::set<std::uint64_t> own_models(const std::string& models) {
    std::set<std::uint64_t> found;
    for (const fs::directory_entry& entry : list(models)) {
        const auto step = step_of(entry.path().filename().string());
        if (step && is_folder(entry) && !foreign_name(entry.path().string()))
            found.insert(*step);
    }
    return found;
}

/// What a killed run left while it made a step-N. The run's lock is held: nobody is at it.
void remove_leftovers(const std::string& models) {
    for (const fs::directory_entry& entry : list(models)) {
        const std::string file = entry.path().filename().string();
        std::string_view name = file;
        if (!name.starts_with('.') || !name.ends_with(kTemporary) || !is_folder(entry))
            continue;
        name = name.substr(1, name.size() - 1 - kTemporary.size());
        if (step_of(name) && !foreign_name(entry.path().string()))
            remove_model(entry.path().string());
    }
}

/// Takes a step-N away, which until it is gone has the name of a leftover: a kill leaves no half of
/// a model under the name of a whole one.
void remove_step(const std::string& models, std::uint64_t step) {
    const std::string name = concat(kStep, step);
    const std::string path = concat(models, "/", name);
    const std::string going = concat(models, "/.", name, kTemporary);
    if (!is_own_model(path))
        return;
    if (::rename(path.c_str(), going.c_str()) != 0)
        fail_errno(concat("rename ", path), errno);
    remove_model(going);
}

void copy_file(const std::string& from, const std::string& to) {
    const auto file = io::MappedFile::open(from);
    io::AtomicFile copy(to);
    const std::span<const std::byte> bytes = file->bytes();
    io::write_all(copy.fd(), {reinterpret_cast<const char*>(bytes.data()), bytes.size()}, to);
    copy.commit();
}

} // namespace

bool is_own_model(const std::string& folder) {
    struct stat info {};
    if (::lstat(folder.c_str(), &info) != 0) {
        if (errno != ENOENT)
            fail_errno(concat("read ", folder), errno);
        return false;
    }
    if (!S_ISDIR(info.st_mode))
        fail(ErrorCode::invalid_argument,
             concat("write ", folder, ": it is there already, and is no folder"));
    if (const auto foreign = foreign_name(folder))
        fail(ErrorCode::invalid_argument,
             concat("write ", folder, ": it holds ", *foreign,
                    ", which would be lost; move it away, or name another run"));
    return true;
}

void remove_model(const std::string& folder) {
    if (!is_own_model(folder))
        return;
    for (const fs::directory_entry& entry : list(folder))
        if (::unlink(entry.path().c_str()) != 0 && errno != ENOENT)
            fail_errno(concat("remove ", entry.path().string()), errno);
    if (::rmdir(folder.c_str()) != 0)
        fail_errno(concat("remove ", folder), errno);
}

bool can_exchange(const std::string& one, const std::string& other) {
    (void)::mkdir(one.c_str(), 0777);
    (void)::mkdir(other.c_str(), 0777);
    const bool can =
        ::renameat2(AT_FDCWD, one.c_str(), AT_FDCWD, other.c_str(), RENAME_EXCHANGE) == 0 ||
        (errno != EINVAL && errno != ENOSYS);
    (void)::rmdir(one.c_str());
    (void)::rmdir(other.c_str());
    return can;
}

void replace_model(const std::string& made, const std::string& model, const std::string& old) {
    remove_model(old);
    if (::rename(model.c_str(), old.c_str()) != 0 && errno != ENOENT)
        fail_errno(concat("rename ", model), errno);
    if (::rename(made.c_str(), model.c_str()) != 0)
        fail_errno(concat("rename ", made), errno);
    remove_model(old);
}

void finish_replacing(const std::string& made, const std::string& model, const std::string& old) {
    // What has the name `made` is whole, and newer than what has the name `old`.
    for (const std::string& left : {made, old})
        if (is_own_model(left) && !is_own_model(model) &&
            ::rename(left.c_str(), model.c_str()) != 0)
            fail_errno(concat("rename ", left), errno);
    remove_model(made);
    remove_model(old);
}

void keep_model(const std::string& model, const std::string& models, std::uint64_t step,
                std::uint64_t keep) {
    if (::mkdir(models.c_str(), 0777) != 0 && errno != EEXIST)
        fail_errno(concat("make ", models), errno);
    remove_leftovers(models);
    {
        remove_step(models, step); // of a run that was killed: `model` is of the same step
        io::AtomicFolder folder(concat(models, "/", kStep, step), checkpoint_file_names(), false);
        for (const fs::directory_entry& entry : list(model)) {
            const std::string name = entry.path().filename().string();
            const std::string to = concat(folder.temporary_path(), "/", name);
            if (::link(entry.path().c_str(), to.c_str()) != 0)
                copy_file(entry.path().string(), to);
        }
        folder.commit();
    }
    const std::set<std::uint64_t> found = own_models(models);
    std::size_t surplus = found.size() - std::min<std::size_t>(found.size(), keep);
    for (auto it = found.begin(); surplus > 0; ++it, --surplus)
        remove_step(models, *it);
}

void remove_models(const std::string& models) {
    remove_leftovers(models);
    for (const std::uint64_t step : own_models(models))
        remove_step(models, step);
    (void)::rmdir(models.c_str()); // stays where something else is in it
}

} // namespace clip::trainer
