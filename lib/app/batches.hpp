// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "app/input_source.hpp"

namespace clip::app {

/// Calls `process` with the inputs of `source` in order, at most `size` at once, until there are no
/// more or the stop flag is raised. A batch that was begun is finished.
///
/// Where inputs come slowly (a person types, `tail -f`), a batch is what has come so far. Where
/// they do not, the files of the next batch are read ahead of their use.
void for_each_batch(InputSource& source, std::size_t size, const std::atomic<bool>& stop,
                    const std::function<void(std::vector<Input>& batch)>& process);

} // namespace clip::app
