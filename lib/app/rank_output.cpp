// SPDX-License-Identifier: MIT
#include "app/rank_output.hpp"

#include "app/tsv.hpp"
#include "base/concat.hpp"
#include "io/json_text.hpp"
#include "io/path_escape.hpp"

namespace clip::app {

namespace {

/// `,"path":"a.jpg"` or `,"text":"..."`, and the carried members.
void append_item(std::string& out, const Candidate& candidate) {
    if (candidate.has_item) {
        out += candidate.is_text ? ",\"text\":" : ",\"path\":";
        io::append_json_string(out, candidate.is_text ? candidate.item
                                                      : io::path_to_utf8(candidate.item));
    } else {
        out += ",\"input\":";
        io::append_json_string(out, io::path_to_utf8(candidate.name));
    }
    if (!candidate.extra.empty()) {
        out += ',';
        out += candidate.extra;
    }
}

} // namespace

void append_hit_json(std::string& out, const RankQuery& query, std::int64_t rank,
                     const Candidate& candidate, float score) {
    out += "{\"query\":";
    io::append_json_string(out, query.is_text ? query.name : io::path_to_utf8(query.name));
    out += concat(",\"rank\":", rank);
    append_item(out, candidate);
    out += ",\"score\":";
    io::append_json_float(out, score);
    out += "}\n";
}

void append_hit_tsv(std::string& out, const RankQuery& query, std::int64_t rank,
                    const Candidate& candidate, float score) {
    append_tsv_field(out, query.name);
    out += concat('\t', rank, '\t');
    append_tsv_field(out, candidate.has_item ? candidate.item : candidate.name);
    out += '\t';
    io::append_json_float(out, score);
    out += '\n';
}

void append_group_json(std::string& out, std::uint64_t group,
                       std::span<const GroupMember> members) {
    out += concat("{\"group\":", group, ",\"size\":", members.size(), ",\"items\":[");
    for (const GroupMember& member : members) {
        std::string item;
        append_item(item, *member.candidate);
        if (!member.candidate->file.empty()) {
            item += ",\"file\":";
            io::append_json_string(item, io::path_to_utf8(member.candidate->file));
            item += concat(",\"row\":", member.candidate->row);
        }
        item += ",\"score\":";
        io::append_json_float(item, member.score);
        item.front() = '{'; // in place of the comma
        out += &member == members.data() ? "" : ",";
        out += item;
        out += '}';
    }
    out += "]}\n";
}

void append_group_tsv(std::string& out, std::uint64_t group, std::span<const GroupMember> members) {
    for (const GroupMember& member : members) {
        out += concat(group, '\t');
        append_tsv_field(out, member.candidate->has_item ? member.candidate->item
                                                         : member.candidate->name);
        out += '\t';
        io::append_json_float(out, member.score);
        out += '\n';
    }
}

} // namespace clip::app
