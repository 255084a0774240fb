// SPDX-License-Identifier: MIT
// How clip-rank writes what it found.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "app/rank_candidates.hpp"
#include "app/rank_queries.hpp"

namespace clip::app {

/// `{"query":"a dog","rank":1,"path":"a.jpg",<carried>,"score":0.31}` and a newline. A candidate
/// without a name has the key input, such as "list.jsonl:42", in place of path or text.
void append_hit_json(std::string& out, const RankQuery& query, std::int64_t rank,
                     const Candidate& candidate, float score);
/// query<TAB>rank<TAB>item<TAB>score.
void append_hit_tsv(std::string& out, const RankQuery& query, std::int64_t rank,
                    const Candidate& candidate, float score);

struct GroupMember {
    const Candidate* candidate = nullptr;
    float score = 1; ///< the cosine with the group's first member
};

/// `{"group":1,"size":2,"items":[{"path":"a.jpg",<carried>,"file":"a.h5","row":3,"score":1},...]}`
/// and a newline; file and row only for rows of embedding files.
void append_group_json(std::string& out, std::uint64_t group, std::span<const GroupMember> members);
/// A line group<TAB>item<TAB>score for each member.
void append_group_tsv(std::string& out, std::uint64_t group, std::span<const GroupMember> members);

} // namespace clip::app
