// SPDX-License-Identifier: MIT
// The checkpoint folders of a run: which are there, copies of the newest, and taking them away.
#pragma once

#include <cstdint>
#include <string>

namespace clip::trainer {

/// Whether `folder` is there. Errors: invalid_argument (it is no folder, or holds something that is
/// no file of a checkpoint), io_failure.
bool is_own_model(const std::string& folder);

/// Takes a checkpoint folder away; one that is not there is no error.
/// Errors: those of is_own_model() (and then nothing was removed), io_failure.
void remove_model(const std::string& folder);

/// Whether two folders can change names in one step: not on NFS. Tries it with empty ones of these
/// names, which go again.
bool can_exchange(const std::string& one, const std::string& other);

/// For where they cannot: `made` becomes `model`, which is called `old` for a moment, and goes. A
/// kill leaves one of the three whole; finish_replacing(), which is called at every start, gives it
/// its name. Errors: io_failure.
void replace_model(const std::string& made, const std::string& model, const std::string& old);
void finish_replacing(const std::string& made, const std::string& model, const std::string& old);

/// Makes `models`/step-N of the files in `model`: hard links, or copies where there are none. Then
/// takes away the oldest of these folders, so that `keep` stay, and what a killed run left of one;
/// folders with files of others are left alone, and do not count.
/// Errors: io_failure, invalid_argument (a step-N that holds files of others).
void keep_model(const std::string& model, const std::string& models, std::uint64_t step,
                std::uint64_t keep);

/// Takes away all step-N of `models`, and `models` where nothing else is in it.
void remove_models(const std::string& models);

} // namespace clip::trainer
