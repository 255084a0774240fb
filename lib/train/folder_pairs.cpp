// SPDX-License-Identifier: MIT
// Pictures of a folder, with the captions in .txt files beside them.
#include <algorithm>
#include <functional>
#include <string_view>

#include "base/concat.hpp"
#include "data/image_decode.hpp"
#include "io/file_walk.hpp"
#include "io/line_reader.hpp"
#include "train/caption_text.hpp"
#include "train/pair_kinds.hpp"

namespace clip::train {

namespace {

constexpr std::string_view kCaptionEnding = ".txt";

std::string_view stem_of(std::string_view path) {
    return path.substr(0, path.rfind('.'));
}

std::size_t hash_of(std::string_view text) {
    return std::hash<std::string_view>()(text);
}

class FolderPairs : public PairSource {
  public:
    FolderPairs(const std::string& path, const PairSourceOptions& options)
        : folder_(path.ends_with('/') ? path : path + "/") {
        std::vector<std::size_t> with_caption; // hashes of stems: enough to choose by
        walk(options, [&](std::string_view name) {
            if (name.ends_with(kCaptionEnding))
                with_caption.push_back(hash_of(stem_of(name)));
            else
                add(name);
        });
        std::sort(with_caption.begin(), with_caption.end());
        const std::uint64_t pictures = size();
        keep([&](std::string_view name) {
            return std::binary_search(with_caption.begin(), with_caption.end(),
                                      hash_of(stem_of(name)));
        });
        if (size() == 0)
            fail(ErrorCode::bad_format,
                 pictures == 0 ? concat("read the folder ", path, ": no pictures are in it")
                               : concat("read the folder ", path, ": none of its ", pictures,
                                        " pictures has a .txt with its caption beside it"));
        if (size() < pictures && options.on_problem)
            options.on_problem(
                path, Error(ErrorCode::bad_format, concat(pictures - size(), " of ", pictures,
                                                          " pictures are left out: no .txt with a "
                                                          "caption is beside them")));
    }

    std::uint64_t size() const override { return ends_.size(); }
    std::string describe(std::uint64_t index) const override {
        return folder_ + std::string(name(index));
    }
    void read(std::uint64_t index, PairRecord& out) const override {
        read_captions(index, out.captions);
        out.path = out.name = describe(index);
        out.bytes.clear();
    }
    void read_captions(std::uint64_t index, std::vector<std::string>& out) const override {
        const std::string path =
            folder_ + std::string(stem_of(name(index))) + std::string(kCaptionEnding);
        constexpr std::size_t kMaxCaptions = 10000;
        out.clear();
        io::LineReader reader = io::LineReader::open(path, {.max_line = std::size_t{1} << 20});
        std::string_view line;
        while (out.size() < kMaxCaptions && reader.next(line))
            for (std::string& caption : captions_of_text(line))
                out.push_back(std::move(caption));
        if (out.empty())
            fail(ErrorCode::bad_format, concat("read ", path, ": it holds no caption"));
    }

  private:
    template <typename Visit>
    void walk(const PairSourceOptions& options, const Visit& visit) const {
        io::WalkVisitor visitor;
        visitor.is_wanted = [](std::string_view file) {
            return file.ends_with(kCaptionEnding) || looks_like_picture(std::string(file));
        };
        visitor.on_file = [&](const std::string& file) {
            visit(std::string_view(file).substr(folder_.size()));
            return true;
        };
        visitor.on_error = [&](const std::string& place, const Error& error) {
            if (options.on_problem)
                options.on_problem(place, error);
        };
        io::walk_files(folder_, visitor);
    }

    void add(std::string_view name) {
        names_ += name;
        ends_.push_back(names_.size());
    }
    std::string_view name(std::uint64_t index) const {
        const std::uint64_t begin = index == 0 ? 0 : ends_[index - 1];
        return std::string_view(names_).substr(begin, ends_[index] - begin);
    }
    template <typename Wanted>
    void keep(const Wanted& wanted) {
        std::uint64_t to = 0, begin = 0;
        std::size_t kept = 0;
        for (const std::uint64_t end : ends_) {
            const std::string_view one = std::string_view(names_).substr(begin, end - begin);
            begin = end;
            if (!wanted(one))
                continue;
            std::copy(one.begin(), one.end(), names_.begin() + static_cast<std::ptrdiff_t>(to));
            to += one.size();
            ends_[kept++] = to;
        }
        names_.resize(to);
        names_.shrink_to_fit();
        ends_.resize(kept);
        ends_.shrink_to_fit();
    }

    std::string folder_; ///< with its slash
    std::string names_;  ///< of the pictures below it, one behind the other
    std::vector<std::uint64_t> ends_;
};

} // namespace

std::unique_ptr<PairSource> open_folder(const std::string& path, const PairSourceOptions& options) {
    return std::make_unique<FolderPairs>(path, options);
}

} // namespace clip::train
