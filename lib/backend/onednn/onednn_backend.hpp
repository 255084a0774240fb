// SPDX-License-Identifier: MIT
// How the rest of the library sees oneDNN: a factory. No header of oneDNN comes with it.
#pragma once

#include <memory>
#include <string>

#include "backend/backend.hpp"

namespace clip {

/// Makes the backend that runs oneDNN's primitives; `pool` must outlive it.
///
/// Ops without a primitive (embedding, gather_rows, mean_token, l2_normalize, top_k, search, and
/// all of training) run on ref.
/// `implementation(op)` is "onednn", once the op has run followed by the name that oneDNN gives the
/// kernel it chose, or "ref".
/// Errors: device_failure, out_of_memory.
std::unique_ptr<Backend> make_onednn_backend(ThreadPool& pool);

/// The version of the library that is loaded, such as "2.6.3".
std::string onednn_version();

} // namespace clip
