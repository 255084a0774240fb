// SPDX-License-Identifier: MIT
// The exit statuses that every command promises; man/exit-status.inc says the same in words.
#pragma once

namespace clip::cli {

inline constexpr int kDone = 0;          ///< everything that was asked for was done
inline constexpr int kSomeFailed = 1;    ///< finished, but some inputs failed; each was named
inline constexpr int kNothingDone = 2;   ///< usage, model or output: nothing could be done
inline constexpr int kInterrupted = 130; ///< Ctrl-C; what was finished so far is written out

} // namespace clip::cli
