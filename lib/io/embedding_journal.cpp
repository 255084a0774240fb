// SPDX-License-Identifier: MIT
#include "io/embedding_journal.hpp"

#include <algorithm>
#include <iterator>
#include <sstream>
#include <unordered_map>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

#include "base/concat.hpp"
#include "io/atomic_file.hpp"
#include "io/embedding_reader.hpp"
#include "io/finished_rows.hpp"
#include "io/journal_file.hpp"

namespace clip::io {

namespace {

constexpr std::uint64_t kInFile = std::uint64_t{1} << 63; // a place in FILE, not in FILE.part
constexpr std::uint64_t kStoredExtra = ~std::uint64_t{0}; // the keys beside the values
constexpr std::uint64_t kEmptyExtra = kStoredExtra - 1;   // none
constexpr off_t kNpyHeaderBytes = 128;                    // of an array without rows
constexpr std::size_t kFlushBytes = std::size_t{4} << 20;

struct StringHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
        return std::hash<std::string_view>()(text);
    }
};

struct Known {
    std::uint64_t place = 0;
    bool used = false;
};

using Index = std::unordered_map<std::string, Known, StringHash, std::equal_to<>>;

/// One row of FILE to be: where its values are, and where its carried keys are if not with them.
struct Planned {
    std::uint64_t place = 0;
    std::uint64_t extra = kStoredExtra;
};

std::vector<std::string> words_of(const std::string& text) {
    std::istringstream in(text);
    return {std::istream_iterator<std::string>(in), {}};
}

/// The words of `a` that `b` does not have: "crop=none layer=penultimate".
std::string missing_words(const std::string& a, const std::string& b) {
    const std::vector<std::string> others = words_of(b);
    std::string out;
    for (const std::string& word : words_of(a))
        if (std::find(others.begin(), others.end(), word) == others.end())
            out += (out.empty() ? "" : " ") + word;
    return out.empty() ? "nothing" : out;
}

/// Settings without the words on the layer, which JSON lines tell apart.
std::string without_layer(const std::string& settings) {
    std::string out;
    for (const std::string& word : words_of(settings))
        if (!word.starts_with("layer="))
            out += (out.empty() ? "" : " ") + word;
    return out;
}

std::string layer_word(const std::string& settings) {
    const std::string other = other_layer(settings);
    return "layer=" + (other.empty() ? "projected" : other);
}

/// Refuses to mix rows that were made otherwise. JSON lines record only the layer, files of other
/// programs nothing; the rest is taken to be the default.
void check_same(const std::string& name, const EmbeddingHeader& there, const JournalOptions& run,
                std::string_view way_out) {
    const EmbeddingHeader& ours = run.header;
    std::string differing;
    const auto compare = [&differing](const auto& theirs, const auto& mine,
                                      std::string_view what = "") {
        if (theirs != mine)
            differing += concat(differing.empty() ? "" : "; ", theirs, what, " (this run: ", mine,
                                what, ")");
    };
    const auto shape = [](const EmbeddingHeader& header) -> std::string_view {
        return header.normalized ? "normalized" : "not normalized";
    };
    compare(there.model, ours.model);
    compare(there.dim, ours.dim, " values");
    compare(dtype_name(there.store), dtype_name(ours.store));
    compare(shape(there), shape(ours));
    const bool unknown = without_layer(there.settings).empty();
    std::string mine = ours.settings, usual = run.default_settings;
    if (unknown && run.format == EmbeddingFormat::jsonl) {
        compare(layer_word(there.settings), layer_word(mine));
        mine = without_layer(mine);
        usual = without_layer(usual);
    } else if (!unknown && there.settings != mine) {
        compare(missing_words(there.settings, mine), missing_words(mine, there.settings));
    }
    if (!differing.empty())
        fail(ErrorCode::version_mismatch,
             concat("resume ", name, ": its rows were made with ", differing, "; ", way_out));
    if (unknown && mine != usual)
        fail(ErrorCode::version_mismatch,
             concat("resume ", name,
                    ": it does not record how its rows were made, and this run has ",
                    missing_words(mine, usual), " (default: ", missing_words(usual, mine),
                    "); run without --resume, or keep rows in HDF5"));
}

/// Whether FILE holds rows; what cannot be read may be anything, and counts.
bool holds_rows(const std::string& path, EmbeddingFormat format) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0 || info.st_size == 0)
        return false;
    if (format == EmbeddingFormat::npy)
        return info.st_size > kNpyHeaderBytes;
    try {
        return format != EmbeddingFormat::h5 || EmbeddingReader::open(path).rows() > 0;
    } catch (const Error&) {
        return true;
    }
}

} // namespace

struct EmbeddingJournal::State {
    JournalOptions options;
    std::string target; // FILE with links followed, so that every name of it has one journal
    JournalFile part;
    std::unique_ptr<FinishedRows> finished; // FILE of an earlier run
    Index paths, texts;
    std::vector<Planned> plan;
    std::uint64_t used = 0;
    std::uint64_t dropped = 0;
    bool failed = false;

    explicit State(const JournalOptions& given)
        : options(given), target(resolve_links(given.path)), part(target + ".part", given.path) {}

    void remember(std::string_view item, bool is_text, std::uint64_t place) {
        (is_text ? texts : paths).insert_or_assign(std::string(item), Known{place, false});
    }
    void index_finished();
    void open_part();
    void read(const Planned& planned, EmbeddingRow& row);
};

void EmbeddingJournal::State::index_finished() {
    struct stat info {};
    if (::stat(target.c_str(), &info) != 0 || info.st_size == 0 ||
        options.format == EmbeddingFormat::npy)
        return;
    finished = open_finished_rows(options.path, options.format, options.header);
    if (finished->rows() > 0)
        check_same(options.path, finished->header(), options,
                   "run without --resume to make it anew");
    finished->visit([this](std::uint64_t place, std::string_view item, bool is_text) {
        remember(item, is_text, place | kInFile);
    });
}

void EmbeddingJournal::State::open_part() {
    EmbeddingHeader there;
    if (!options.resume || !part.read_header(there)) {
        part.start(options.header);
        return;
    }
    check_same(target + ".part", there, options, "remove it, or run without --resume");
    dropped = part.scan(there, [this](std::uint64_t offset, std::string_view item, bool is_text) {
        remember(item, is_text, offset);
    });
}

void EmbeddingJournal::State::read(const Planned& planned, EmbeddingRow& row) {
    if ((planned.place & kInFile) != 0)
        finished->read(planned.place & ~kInFile, row);
    else
        part.read_row(planned.place, row);
    if (planned.extra == kEmptyExtra)
        row.extra.clear();
    else if (planned.extra != kStoredExtra)
        row.extra = part.read_extra(planned.extra);
}

EmbeddingJournal::EmbeddingJournal(const JournalOptions& options) {
    expect(!is_stream_target(options.path), "journal: a stream has no place for one");
    // A folder that refuses FILE itself is better known now than after hours.
    { const AtomicFile probe(options.path); }
    state_ = std::make_unique<State>(options);
    if (options.resume)
        state_->index_finished();
    state_->open_part();
}

EmbeddingJournal::~EmbeddingJournal() = default;

std::optional<KnownRow> EmbeddingJournal::lookup(std::string_view item, bool is_text) {
    Index& index = is_text ? state_->texts : state_->paths;
    const auto found = index.find(item);
    if (found == index.end())
        return std::nullopt;
    state_->used += found->second.used ? 0 : 1;
    found->second.used = true;
    return KnownRow{found->second.place};
}

void EmbeddingJournal::reuse(KnownRow row, std::string_view extra) {
    State& state = *state_;
    // The stored keys are those of an earlier input list; the present ones are written beside.
    state.plan.push_back({row.place, extra.empty() ? kEmptyExtra : state.part.add_extra(extra)});
    if (state.part.pending_bytes() >= kFlushBytes)
        flush();
}

void EmbeddingJournal::append(const EmbeddingRow& row) {
    State& state = *state_;
    check_embedding_row(row, state.options.header);
    state.plan.push_back({state.part.add_row(row), kStoredExtra});
    if (state.part.pending_bytes() >= kFlushBytes)
        flush();
}

void EmbeddingJournal::flush() {
    State& state = *state_;
    expect(!state.failed, "journal: used after a failed write");
    state.failed = true;
    state.part.flush();
    state.failed = false;
}

void EmbeddingJournal::finish() {
    flush();
    State& state = *state_;
    const auto writer =
        create_embedding_file(state.options.path, state.options.format, state.options.header);
    EmbeddingRow row;
    for (const Planned& planned : state.plan) {
        state.read(planned, row);
        writer->append(row);
    }
    writer->finish();
    state.part.remove();
}

std::uint64_t EmbeddingJournal::rows() const {
    return state_->plan.size();
}
std::uint64_t EmbeddingJournal::known() const {
    return state_->paths.size() + state_->texts.size();
}
std::uint64_t EmbeddingJournal::unused() const {
    return known() - state_->used;
}
bool EmbeddingJournal::would_only_remove() const {
    const JournalOptions& options = state_->options;
    return state_->plan.empty() && (known() > 0 || holds_rows(options.path, options.format));
}
std::uint64_t EmbeddingJournal::kept() const {
    return state_->part.rows();
}
std::uint64_t EmbeddingJournal::dropped_bytes() const {
    return state_->dropped;
}

} // namespace clip::io
