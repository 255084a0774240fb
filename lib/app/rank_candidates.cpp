// SPDX-License-Identifier: MIT
#include "app/rank_candidates.hpp"

#include <algorithm>
#include <utility>

#include <unistd.h>

#include "app/batches.hpp"
#include "app/stream_peek.hpp"
#include "base/concat.hpp"
#include "io/input_record.hpp"

namespace clip::app {

namespace {

constexpr std::size_t kInputsAtOnce = 1024;

bool ends_like_hdf5(const std::string& path) {
    return path.ends_with(".h5") || path.ends_with(".hdf5");
}

} // namespace

Candidates::Candidates(const RankOptions& options, std::vector<std::string_view> own_keys,
                       EmbeddingSpace& space, InputVectors& vectors, FailureLog& failures,
                       Reporter& reporter)
    : options_(options), own_keys_(std::move(own_keys)), space_(space), vectors_(vectors),
      failures_(failures), reporter_(reporter) {
    std::vector<std::string> operands = options.inputs;
    if (operands.empty())
        operands.emplace_back("-");
    for (const std::string& operand : operands) {
        if (is_embedding_file(operand)) {
            sources_.push_back({.file = operand});
            continue;
        }
        if (sources_.empty() || !sources_.back().file.empty())
            sources_.emplace_back();
        sources_.back().operands.push_back(operand);
    }
}

bool Candidates::is_embedding_file(const std::string& operand) const {
    if (operand == "-")
        return begins_with(STDIN_FILENO, "\x89HDF", &reporter_.stop());
    if (const int fd = shell_pipe(operand); fd >= 0)
        return !options_.texts && begins_with(fd, "\x89HDF", &reporter_.stop());
    return !options_.texts && (ends_like_hdf5(operand) || io::looks_like_hdf5(operand));
}

io::EmbeddingReader& Candidates::open(Source& source,
                                      std::unique_ptr<io::EmbeddingReader>& opened) {
    if (source.open)
        return *source.open;
    auto reader = std::make_unique<io::EmbeddingReader>(io::EmbeddingReader::open(source.file));
    if (source.rows >= 0 && reader->rows() != source.rows)
        fail(ErrorCode::io_failure, concat(source.file, ": it was changed while it was searched"));
    source.rows = reader->rows();
    // A pipe gives its bytes once.
    auto& place = source.file == "-" || !io::looks_like_hdf5(source.file) ? source.open : opened;
    place = std::move(reader);
    return *place;
}

void Candidates::fail_file(Source& source, const Error& error) {
    source.failed = true;
    ++unusable_;
    Input input;
    input.position = ++positions_;
    input.name = source.file == "-" ? "standard input" : source.file;
    input.has_item = false;
    failures_.add(input, error);
}

/// Null where the file cannot be used. Another model or layer ends the run.
const io::EmbeddingReader* Candidates::open_checked(Source& source,
                                                    std::unique_ptr<io::EmbeddingReader>& opened) {
    const io::EmbeddingReader* reader = nullptr;
    try {
        reader = &open(source, opened);
    } catch (const Error& error) {
        fail_file(source, error); // also a version of the format that this build does not know
        return nullptr;
    }
    try {
        space_.meet(reader->name(), reader->header());
    } catch (const Error& error) {
        if (error.code() == ErrorCode::version_mismatch)
            throw;
        fail_file(source, error);
        return nullptr;
    }
    return reader;
}

void Candidates::check_files() {
    for (Source& source : sources_) {
        std::unique_ptr<io::EmbeddingReader> opened;
        if (!source.file.empty())
            open_checked(source, opened);
    }
}

void Candidates::fail_rows(const Source& source, std::uint64_t row, std::uint64_t count,
                           const Error& error) {
    const std::string file = source.file == "-" ? "standard input" : source.file;
    Input input;
    input.has_item = false;
    input.position = *source.first_position + row;
    input.name = concat(file, ": row ", row);
    if (count > 1)
        input.name += concat(" to ", row + count - 1);
    // The file's own reader names it, too.
    std::string_view reason = error.what();
    if (reason.starts_with(file + ": "))
        reason.remove_prefix(file.size() + 2);
    failures_.add(input, Error(error.code(), std::string(reason)), count);
}

void Candidates::report(std::span<const BadRows> bad) {
    for (const BadRows& rows : bad) {
        const Source* source = source_of(rows.first);
        unusable_ += rows.count;
        if (!source->file.empty()) {
            fail_rows(*source, rows.first - *source->first_ordinal, rows.count, rows.error);
            continue;
        }
        const Candidate& known = kept_.at(rows.first);
        Input input;
        input.item = known.item;
        input.has_item = known.has_item;
        input.is_text = known.is_text;
        input.name = known.name;
        input.position = rows.first + 1;
        failures_.add(input, rows.error);
    }
}

void Candidates::visit_file(Source& source, const Visit& visit) {
    std::unique_ptr<io::EmbeddingReader> opened;
    const io::EmbeddingReader* reader = open_checked(source, opened);
    if (reader == nullptr)
        return;
    source.first_position = positions_ + 1;
    source.first_ordinal = next_ordinal_;
    const FileRows rows(*reader);
    std::vector<BadRows> bad;
    std::vector<std::uint64_t> taken;
    visit({.rows = rows, .first_ordinal = next_ordinal_, .file = reader, .inputs = {}}, bad, taken);
    report(bad);
    next_ordinal_ += static_cast<std::uint64_t>(reader->rows());
    positions_ += static_cast<std::uint64_t>(reader->rows());
}

void Candidates::keep(Input& input, std::uint64_t ordinal) {
    kept_.insert_or_assign(ordinal, Candidate{.item = std::move(input.item),
                                              .has_item = input.has_item,
                                              .is_text = input.is_text,
                                              .extra = std::move(input.extra),
                                              .name = std::move(input.name)});
}

void Candidates::stream(Source& source,
                        const std::function<void(std::vector<Input>& batch)>& visit) {
    source.first_ordinal = next_ordinal_;
    InputSource inputs({.operands = source.operands,
                        .null_separated = options_.null_separated,
                        .recursive = options_.recursive,
                        .texts = options_.texts,
                        .embeddings = !options_.texts,
                        .captions = true,
                        .own_keys = own_keys_,
                        .stop = &reporter_.stop()});
    const std::size_t size = options_.batch_size > 0 ? options_.batch_size : kInputsAtOnce;
    const std::uint64_t before = positions_;
    for_each_batch(inputs, size, reporter_.stop(), [&](std::vector<Input>& batch) {
        const std::size_t came = batch.size();
        for (Input& input : batch) {
            input.position += before;
            positions_ = input.position;
        }
        visit(batch);
        reporter_.progress(came, 0, total());
    });
}

void Candidates::for_each(const Visit& visit) {
    for (Source& source : sources_) {
        if (reporter_.stop().load())
            return;
        if (source.failed)
            continue;
        if (!source.file.empty()) {
            visit_file(source, visit);
            continue;
        }
        std::vector<float> values;
        stream(source, [&](std::vector<Input>& batch) {
            unusable_ += batch.size();
            vectors_.gather(batch, values);
            unusable_ -= batch.size();
            if (batch.empty())
                return;
            const MemoryRows rows(values, space_.dim());
            std::vector<BadRows> bad;
            std::vector<std::uint64_t> taken;
            visit({.rows = rows, .first_ordinal = next_ordinal_, .inputs = batch}, bad, taken);
            for (const BadRows& one : bad)
                unusable_ += one.count;
            for (const BadRows& one : bad)
                for (std::uint64_t i = one.first; i < one.first + one.count; ++i)
                    failures_.add(batch[static_cast<std::size_t>(i - next_ordinal_)], one.error);
            std::sort(taken.begin(), taken.end());
            taken.erase(std::unique(taken.begin(), taken.end()), taken.end());
            for (const std::uint64_t ordinal : taken)
                keep(batch[static_cast<std::size_t>(ordinal - next_ordinal_)], ordinal);
            next_ordinal_ += batch.size();
        });
    }
}

std::vector<std::unique_ptr<RowSet>> Candidates::open_all() {
    std::vector<std::unique_ptr<RowSet>> out;
    in_memory_.reserve(sources_.size()); // rows are pointed to
    for (Source& source : sources_) {
        if (source.failed || reporter_.stop().load())
            continue;
        if (source.file.empty()) {
            std::vector<float>& all = in_memory_.emplace_back();
            std::vector<float> values;
            stream(source, [&](std::vector<Input>& batch) {
                unusable_ += batch.size();
                vectors_.gather(batch, values);
                unusable_ -= batch.size();
                all.insert(all.end(), values.begin(), values.end());
                for (Input& input : batch)
                    keep(input, next_ordinal_++);
            });
            if (!all.empty())
                out.push_back(std::make_unique<MemoryRows>(all, space_.dim()));
            continue;
        }
        std::unique_ptr<io::EmbeddingReader> opened;
        if (open_checked(source, opened) == nullptr)
            continue;
        source.first_position = positions_ + 1;
        if (opened)
            source.open = std::move(opened);
        source.first_ordinal = next_ordinal_;
        out.push_back(std::make_unique<FileRows>(*source.open));
        next_ordinal_ += static_cast<std::uint64_t>(source.rows);
        positions_ += static_cast<std::uint64_t>(source.rows);
    }
    return out;
}

Candidates::Source* Candidates::source_of(std::uint64_t ordinal) {
    Source* found = nullptr;
    for (Source& source : sources_)
        if (source.first_ordinal && *source.first_ordinal <= ordinal)
            found = &source;
    expect(found != nullptr, "candidates: an ordinal that none has");
    return found;
}

std::string Candidates::carried(const io::EmbeddingReader::Item& item) const {
    if (item.extra.empty())
        return {};
    // A record whose item is of the same kind: the other kind's key may be among the carried ones.
    return io::parse_record(
               concat(item.is_text ? "{\"text\":\"\"," : "{\"path\":\"-\",", item.extra, '}'),
               {.plain_is_text = item.is_text, .own_keys = own_keys_})
        .value()
        .extra;
}

std::vector<Candidate> Candidates::look_up(std::span<const std::uint64_t> ordinals) {
    std::vector<Candidate> out;
    out.reserve(ordinals.size());
    for (std::size_t i = 0; i < ordinals.size();) {
        Source* source = source_of(ordinals[i]);
        if (source->file.empty()) {
            out.push_back(kept_.at(ordinals[i++]));
            continue;
        }
        const std::uint64_t first = *source->first_ordinal;
        const std::uint64_t end = first + static_cast<std::uint64_t>(source->rows);
        std::vector<std::int64_t> rows;
        for (; i < ordinals.size() && ordinals[i] < end; ++i)
            rows.push_back(static_cast<std::int64_t>(ordinals[i] - first));
        std::unique_ptr<io::EmbeddingReader> opened;
        const io::EmbeddingReader& reader = open(*source, opened);
        std::vector<io::EmbeddingReader::Item> items;
        try {
            items = reader.read_items_at(rows);
        } catch (const Error&) {
            items.clear(); // one of them is broken: the others can be read one by one
        }
        for (std::size_t r = 0; r < rows.size(); ++r)
            try {
                out.push_back(candidate_of(*source, rows[r],
                                           items.empty() ? reader.read_items(rows[r], 1).front()
                                                         : std::move(items[r])));
            } catch (const Error& error) {
                fail_rows(*source, static_cast<std::uint64_t>(rows[r]), 1, error);
                out.push_back({.file = source->file, .row = rows[r], .failed = true});
            }
    }
    return out;
}

Candidate Candidates::candidate_of(const Source& source, std::int64_t row,
                                   io::EmbeddingReader::Item item) const {
    std::string extra = carried(item);
    return {.item = std::move(item.item),
            .is_text = item.is_text,
            .extra = std::move(extra),
            .file = source.file,
            .row = row};
}

void Candidates::keep_only(std::span<const std::uint64_t> ordinals) {
    std::erase_if(kept_, [&](const auto& one) {
        return !std::binary_search(ordinals.begin(), ordinals.end(), one.first);
    });
}

std::optional<std::uint64_t> Candidates::total() const {
    std::uint64_t rows = 0;
    for (const Source& source : sources_) {
        if (source.file.empty())
            return std::nullopt;
        if (!source.failed)
            rows += static_cast<std::uint64_t>(std::max<std::int64_t>(source.rows, 0));
    }
    return rows;
}

} // namespace clip::app
