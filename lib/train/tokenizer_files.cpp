// SPDX-License-Identifier: MIT
#include "train/tokenizer_files.hpp"

#include <algorithm>
#include <mutex>

#include "io/atomic_file.hpp"
#include "io/output_stream.hpp"
#include "io/utf8.hpp"

namespace clip::train {

namespace {

void write_file(const std::string& path, const std::string& content) {
    io::AtomicFile file(path);
    io::write_all(file.fd(), content, path);
    file.commit();
}

} // namespace

WordCounts count_words(const PairSource& pairs, ThreadPool& pool, std::uint64_t& left_out) {
    WordCounts all;
    std::mutex mutex;
    const auto count = static_cast<std::size_t>(pairs.size());
    const std::size_t grain = std::max<std::size_t>(count / (4 * pool.size()) + 1, 1000);
    left_out = 0;
    pool.parallel_for(count, grain, [&](std::size_t begin, std::size_t end) {
        WordCounts part;
        std::uint64_t bad = 0;
        std::vector<std::string> captions;
        for (std::size_t i = begin; i < end; ++i) {
            try {
                pairs.read_captions(i, captions);
            } catch (const Error&) {
                ++bad;
                continue;
            }
            for (const std::string& caption : captions)
                if (io::is_valid_utf8(caption))
                    part.add_text(caption);
                else
                    ++bad;
        }
        const std::lock_guard lock(mutex);
        all.add(part);
        left_out += bad;
    });
    return all;
}

void write_tokenizer(const std::string& folder, const TrainedBpe& bpe) {
    const std::string prefix = folder.empty() || folder.ends_with('/') ? folder : folder + "/";
    write_file(prefix + "merges.txt", bpe.merges_text());
    write_file(prefix + "vocab.json", bpe.vocab_text());
}

} // namespace clip::train
