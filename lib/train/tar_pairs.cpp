// SPDX-License-Identifier: MIT
// Pairs from a WebDataset shard.
#include <array>
#include <string_view>

#include "base/concat.hpp"
#include "data/image_decode.hpp"
#include "io/tar_reader.hpp"
#include "train/caption_text.hpp"
#include "train/pair_kinds.hpp"

namespace clip::train {

namespace {

/// A member's name up to the first dot of its last part, and what follows the dot.
struct MemberName {
    std::string_view key;
    std::string_view ending;
};

MemberName split_name(std::string_view name) {
    const std::size_t slash = name.rfind('/');
    const std::size_t dot = name.find('.', slash == std::string_view::npos ? 0 : slash + 1);
    if (dot == std::string_view::npos)
        return {name, {}};
    return {name.substr(0, dot), name.substr(dot + 1)};
}

enum class Part : std::uint8_t { picture, text, json, other };

Part part_of(std::string_view ending) {
    std::string lower(ending);
    for (char& c : lower)
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    if (lower == "txt" || lower == "text")
        return Part::text;
    if (lower == "json")
        return Part::json;
    return lower.find('.') == std::string::npos && looks_like_picture("a." + lower) ? Part::picture
                                                                                    : Part::other;
}

class TarPairs : public PairSource {
  public:
    TarPairs(const std::string& path, const PairSourceOptions& options) : path_(path) {
        const auto problem = [&](const Error& error) {
            if (options.on_problem)
                options.on_problem(path, error);
        };
        io::TarReader reader(path);
        io::TarMember member;
        std::string key;
        Group group;
        std::uint64_t groups = 0;
        const auto finish = [&] {
            if (!group.open)
                return;
            ++groups;
            if (group.picture && group.caption)
                begin_.push_back(group.begin);
        };
        try {
            while (reader.next(member)) {
                const MemberName name = split_name(member.name);
                if (!group.open || name.key != key) {
                    finish();
                    group = {true, false, false, member.header};
                    key = name.key;
                }
                const Part part = part_of(name.ending);
                group.picture = group.picture || part == Part::picture;
                group.caption = group.caption || part == Part::text || part == Part::json;
            }
            finish();
        } catch (const Error& error) {
            // What came before is good; the group that was being read may have lost a part.
            if (begin_.empty())
                throw;
            problem(Error(error.code(), concat("what follows is left out, ", begin_.size(),
                                               " pairs are taken: ", error.what())));
        }
        if (begin_.empty())
            fail(ErrorCode::bad_format,
                 groups == 0 ? concat("read the archive ", path, ": no files are in it")
                             : concat("read the archive ", path, ": of its ", groups,
                                      " samples none has a picture and a .txt or .json"));
        if (begin_.size() < groups)
            problem(Error(ErrorCode::bad_format,
                          concat(groups - begin_.size(), " of ", groups,
                                 " samples are left out: they lack a picture, or a .txt or .json "
                                 "with the caption")));
        begin_.shrink_to_fit();
    }

    std::uint64_t size() const override { return begin_.size(); }
    std::vector<std::uint64_t> shards() const override { return {begin_.size()}; }
    std::string describe(std::uint64_t index) const override {
        return concat(path_, ": sample ", index + 1);
    }
    void read(std::uint64_t index, PairRecord& out) const override {
        read_group(index, &out, out.captions);
    }
    void read_captions(std::uint64_t index, std::vector<std::string>& out) const override {
        read_group(index, nullptr, out);
    }

  private:
    struct Group {
        bool open = false;
        bool picture = false;
        bool caption = false;
        std::uint64_t begin = 0;
    };

    /// Reads the captions of a sample, and its picture where `picture` is there.
    void read_group(std::uint64_t index, PairRecord* picture,
                    std::vector<std::string>& captions) const {
        // Opened again each time: thousands of shards are more than a process may hold open.
        io::TarReader reader(path_);
        reader.seek(begin_[index]);
        captions.clear();
        std::vector<std::string> from_json;
        bool found = picture == nullptr;
        io::TarMember member;
        std::string key, caption_name;
        for (bool first = true; next_of_group(reader, member, first); first = false) {
            const MemberName name = split_name(member.name);
            if (first)
                key = name.key;
            if (name.key != key)
                break;
            const Part part = part_of(name.ending);
            if (part == Part::picture && !found) {
                found = true;
                reader.read(member, picture->bytes);
                picture->name = concat(path_, ": ", member.name);
                picture->path.clear();
            } else if (part == Part::text || part == Part::json) {
                caption_name = member.name;
                read_text(reader, member, part, part == Part::text ? captions : from_json);
            }
        }
        if (captions.empty())
            captions = std::move(from_json);
        if (captions.empty())
            fail(ErrorCode::bad_format, concat(path_, ": ", caption_name, ": it holds no caption"));
        if (!found)
            fail(ErrorCode::bad_format, concat(describe(index), ": its picture has gone"));
    }

    /// Whatever is wrong behind the first member was told when the archive was opened.
    static bool next_of_group(io::TarReader& reader, io::TarMember& member, bool first) {
        if (first)
            return reader.next(member);
        try {
            return reader.next(member);
        } catch (const Error&) {
            return false;
        }
    }

    void read_text(const io::TarReader& reader, const io::TarMember& member, Part part,
                   std::vector<std::string>& out) const {
        constexpr std::uint64_t kMaxText = std::uint64_t{1} << 24;
        if (member.size > kMaxText)
            fail(ErrorCode::bad_format,
                 concat(path_, ": ", member.name, ": too long for captions (got ", member.size,
                        " bytes, want at most ", kMaxText, ")"));
        std::vector<std::uint8_t> bytes;
        reader.read(member, bytes);
        const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        try {
            out = part == Part::text ? captions_of_text(text) : captions_of_json(text);
        } catch (const Error& error) {
            fail(error.code(), concat(path_, ": ", member.name, ": ", error.what()));
        }
    }

    std::string path_;
    std::vector<std::uint64_t> begin_; ///< of the first header of each sample
};

} // namespace

std::unique_ptr<PairSource> open_tar(const std::string& path, const PairSourceOptions& options) {
    return std::make_unique<TarPairs>(path, options);
}

} // namespace clip::train
