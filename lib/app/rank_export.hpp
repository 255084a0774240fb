// SPDX-License-Identifier: MIT
#pragma once

#include "app/rank_candidates.hpp"

namespace clip::app {

/// Writes all candidates for another search engine: the job of --export-faiss and
/// --export-pgvector. Rows are brought to length 1; those that cannot be are left out and named.
/// Errors: those of the writers; bad_format (there is no candidate).
void export_candidates(const RankOptions& options, Candidates& candidates, EmbeddingSpace& space,
                       Reporter& reporter);

} // namespace clip::app
