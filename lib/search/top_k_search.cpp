// SPDX-License-Identifier: MIT
#include "search/top_k_search.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "base/concat.hpp"
#include "ops/exact_dots.hpp"
#include "ops/screen.hpp"
#include "search/search_worker.hpp"

namespace clip {

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
// Up to so many queries all cosines are computed: reading the rows takes longer.
constexpr std::int64_t kFewQueries = 4;
// Rows that are screened together; fewer as long as there are no limits yet, because then every
// pair is computed.
constexpr std::int64_t kMostRows = 256, kFewestRows = 32;
constexpr std::int64_t kMostDots = std::int64_t{1} << 16; // in memory, where all are computed
constexpr std::size_t kBlocksAtOnce = 128;                // between two calls of `progress`

/// a comes before b.
bool better(const SearchHit& a, const SearchHit& b) {
    return a.score() != b.score() ? a.score() > b.score() : a.ordinal < b.ordinal;
}

/// The best k hits of one query that one thread saw, as a heap with the worst on top.
class Best {
  public:
    /// Returns whether the hit was taken.
    bool offer(const SearchHit& hit, std::int64_t k) {
        if (k == 0) {
            hits_.push_back(hit);
            return true;
        }
        if (full(k)) {
            if (!better(hit, hits_.front()))
                return false;
            std::pop_heap(hits_.begin(), hits_.end(), better);
            hits_.back() = hit;
        } else {
            hits_.push_back(hit);
        }
        std::push_heap(hits_.begin(), hits_.end(), better);
        return true;
    }
    bool full(std::int64_t k) const {
        return k > 0 && static_cast<std::int64_t>(hits_.size()) >= k;
    }
    float worst() const { return hits_.front().score(); }
    const std::vector<SearchHit>& hits() const { return hits_; }

  private:
    std::vector<SearchHit> hits_;
};

/// sum of exp(x) as exp(most) * sum.
struct ExpSum {
    double most = -std::numeric_limits<double>::infinity();
    double sum = 0;

    void add(const ExpSum& other) {
        if (other.sum == 0)
            return;
        if (other.most > most) {
            sum = sum * std::exp(most - other.most) + other.sum;
            most = other.most;
        } else {
            sum += other.sum * std::exp(other.most - most);
        }
    }
};

struct Worker : SearchWorker {
    std::vector<Best> best;    // (Q)
    std::vector<float> limits; // (Q) for the block that is screened
    std::vector<double> dots;
    std::int64_t seen = 0; // rows
    std::vector<std::uint64_t> taken;
};

} // namespace

struct TopKSearch::State {
    State(ThreadPool& pool_, const SearchQueries& queries_, const SearchOptions& options_)
        : pool(pool_), queries(queries_), options(options_),
          limits(static_cast<std::size_t>(queries_.count())),
          sums(options_.softmax_scale ? static_cast<std::size_t>(queries_.count()) : 0) {
        for (std::atomic<float>& limit : limits)
            limit.store(options.least.value_or(-kInfinity), std::memory_order_relaxed);
        screens = !options.softmax_scale && queries.count() > kFewQueries &&
                  (options.k > 0 || options.least);
        Worker& first = workers.first();
        if (screens)
            prepared = ops::prepare_screen(
                *first.backend,
                {queries.unit.data(), Shape{queries.count(), queries.width}, DType::f32, {}});
    }

    void block(Worker& worker, const RowSet& rows, std::int64_t first, std::int64_t count,
               std::uint64_t ordinal, std::size_t index);
    void screen_rows(Worker& worker, std::int64_t first, std::int64_t count, std::uint64_t ordinal);
    void all_rows(Worker& worker, std::int64_t first, std::int64_t count, std::uint64_t ordinal,
                  std::vector<ExpSum>& block_sums);
    void offer(Worker& worker, std::int64_t query, const SearchHit& hit);
    void commit(std::size_t index, std::vector<ExpSum> block_sums);

    ThreadPool& pool;
    const SearchQueries& queries;
    SearchOptions options;
    bool screens = false;
    bool keeps_taken = false;
    SearchWorkers<Worker> workers;
    std::unique_ptr<PreparedScreen> prepared;
    /// For each query a cosine that a hit must reach: k rows are known to reach it, or `least`.
    std::vector<std::atomic<float>> limits;

    // Sums are added in the order of the blocks, whichever thread is done first.
    std::mutex sums_mutex;
    std::vector<ExpSum> sums;
    std::map<std::size_t, std::vector<ExpSum>> waiting;
    std::size_t next_block = 0;
};

void TopKSearch::State::offer(Worker& worker, std::int64_t query, const SearchHit& hit) {
    const auto q = static_cast<std::size_t>(query);
    if (options.least && hit.score() < *options.least)
        return;
    Best& best = worker.best[q];
    if (!best.offer(hit, options.k))
        return;
    if (keeps_taken)
        worker.taken.push_back(hit.ordinal);
    if (!best.full(options.k))
        return;
    const float worst = best.worst();
    float known = limits[q].load(std::memory_order_relaxed);
    while (known < worst &&
           !limits[q].compare_exchange_weak(known, worst, std::memory_order_relaxed)) {
    }
}

/// Pairs that pass the screen are computed and offered.
void TopKSearch::State::screen_rows(Worker& worker, std::int64_t first, std::int64_t count,
                                    std::uint64_t ordinal) {
    worker.limits.resize(limits.size());
    for (std::size_t q = 0; q < limits.size(); ++q)
        worker.limits[q] = limits[q].load(std::memory_order_relaxed);
    worker.pairs.clear();
    const RowBlock& block = worker.block;
    ops::screen(*worker.backend,
                {.rows = block.view(first, count),
                 .inverse_norms = block.inverse_norms().subspan(static_cast<std::size_t>(first),
                                                                static_cast<std::size_t>(count)),
                 .queries = prepared.get(),
                 .limits = worker.limits,
                 .pairs = &worker.pairs});
    for (const ScreenPair& pair : worker.pairs) {
        const std::int64_t row = first + pair.row;
        if (block.is_bad(row))
            continue;
        double dot = 0;
        ops::exact_dots(
            *worker.backend,
            {.rows = block.row(row), .queries = queries.view(pair.query, 1), .dots = {&dot, 1}});
        const double norm = queries.norms[static_cast<std::size_t>(pair.query)] * block.norm(row);
        offer(worker, pair.query, {ordinal + static_cast<std::uint64_t>(row), dot / norm});
    }
}

void TopKSearch::State::all_rows(Worker& worker, std::int64_t first, std::int64_t count,
                                 std::uint64_t ordinal, std::vector<ExpSum>& block_sums) {
    const RowBlock& block = worker.block;
    const std::int64_t width = queries.count();
    worker.dots.resize(static_cast<std::size_t>(count * width));
    ops::exact_dots(
        *worker.backend,
        {.rows = block.view(first, count), .queries = queries.view(0, width), .dots = worker.dots});
    for (std::int64_t row = first; row < first + count; ++row) {
        if (block.is_bad(row))
            continue;
        const double* dots = worker.dots.data() + (row - first) * width;
        for (std::int64_t query = 0; query < width; ++query) {
            const auto q = static_cast<std::size_t>(query);
            const double cosine = dots[q] / (queries.norms[q] * block.norm(row));
            if (options.softmax_scale)
                block_sums[q].add({*options.softmax_scale * cosine, 1});
            if (static_cast<float>(cosine) >= limits[q].load(std::memory_order_relaxed))
                offer(worker, query, {ordinal + static_cast<std::uint64_t>(row), cosine});
        }
    }
}

void TopKSearch::State::block(Worker& worker, const RowSet& rows, std::int64_t first,
                              std::int64_t count, std::uint64_t ordinal, std::size_t index) {
    worker.best.resize(static_cast<std::size_t>(queries.count()));
    std::vector<ExpSum> block_sums(options.softmax_scale ? sums.size() : 0);
    if (worker.block.load(*worker.backend, rows, first, count, ordinal, worker.bad)) {
        const std::uint64_t start = ordinal + static_cast<std::uint64_t>(first);
        for (std::int64_t done = 0, some = 0; done < count; done += some) {
            some = std::min(count - done,
                            screens ? std::clamp(worker.seen, kFewestRows, kMostRows)
                                    : std::max<std::int64_t>(1, kMostDots / queries.count()));
            if (screens)
                screen_rows(worker, done, some, start);
            else
                all_rows(worker, done, some, start, block_sums);
            worker.seen += some;
        }
    }
    if (options.softmax_scale)
        commit(index, std::move(block_sums));
}

void TopKSearch::State::commit(std::size_t index, std::vector<ExpSum> block_sums) {
    const std::lock_guard lock(sums_mutex);
    waiting.emplace(index, std::move(block_sums));
    for (auto next = waiting.begin(); next != waiting.end() && next->first == next_block;
         next = waiting.erase(next), ++next_block)
        for (std::size_t q = 0; q < sums.size(); ++q)
            sums[q].add(next->second[q]);
}

TopKSearch::TopKSearch(ThreadPool& pool, const SearchQueries& queries, const SearchOptions& options)
    : state_(std::make_unique<State>(pool, queries, options)) {}
TopKSearch::~TopKSearch() = default;

void TopKSearch::search(const RowSet& rows, std::uint64_t first_ordinal, std::vector<BadRows>& bad,
                        const std::function<bool(std::int64_t rows)>& progress,
                        std::vector<std::uint64_t>* taken) {
    State& state = *state_;
    state.keeps_taken = taken != nullptr;
    if (rows.width() != state.queries.width)
        fail(ErrorCode::shape_mismatch,
             concat("search: rows have another width than the queries (got ", rows.width(),
                    ", want ", state.queries.width, ")"));
    const std::int64_t block_rows = rows.block_rows();
    const auto blocks = static_cast<std::size_t>((rows.rows() + block_rows - 1) / block_rows);
    const std::size_t first_index = state.next_block; // no block waits between two calls
    const std::size_t bad_before = bad.size();
    for (std::size_t begin = 0; begin < blocks; begin += kBlocksAtOnce) {
        const std::size_t end = std::min(blocks, begin + kBlocksAtOnce);
        state.pool.parallel_for(end - begin, 1, [&](std::size_t from, std::size_t to) {
            SearchWorkers<Worker>::Lease worker(state.workers);
            for (std::size_t i = begin + from; i < begin + to; ++i) {
                const std::int64_t first = static_cast<std::int64_t>(i) * block_rows;
                state.block(*worker, rows, first, std::min(block_rows, rows.rows() - first),
                            first_ordinal, first_index + i);
            }
        });
        const std::int64_t from = static_cast<std::int64_t>(begin) * block_rows;
        const std::int64_t to = std::min(rows.rows(), static_cast<std::int64_t>(end) * block_rows);
        if (progress && !progress(to - from))
            break;
    }
    for (const auto& worker : state.workers.all()) {
        std::move(worker->bad.begin(), worker->bad.end(), std::back_inserter(bad));
        worker->bad.clear();
        if (taken != nullptr)
            taken->insert(taken->end(), worker->taken.begin(), worker->taken.end());
        worker->taken.clear();
    }
    std::sort(bad.begin() + static_cast<std::ptrdiff_t>(bad_before), bad.end(),
              [](const BadRows& a, const BadRows& b) { return a.first < b.first; });
}

std::vector<std::vector<SearchHit>> TopKSearch::hits() const {
    const State& state = *state_;
    std::vector<std::vector<SearchHit>> out(static_cast<std::size_t>(state.queries.count()));
    for (const auto& worker : state_->workers.all())
        for (std::size_t q = 0; q < worker->best.size(); ++q) {
            const std::vector<SearchHit>& hits = worker->best[q].hits();
            out[q].insert(out[q].end(), hits.begin(), hits.end());
        }
    state.pool.parallel_for(out.size(), 1, [&](std::size_t begin, std::size_t end) {
        for (std::size_t q = begin; q < end; ++q) {
            std::sort(out[q].begin(), out[q].end(), better);
            if (state.options.k > 0 && out[q].size() > static_cast<std::size_t>(state.options.k))
                out[q].resize(static_cast<std::size_t>(state.options.k));
        }
    });
    return out;
}

std::vector<double> TopKSearch::log_sums() const {
    std::vector<double> out;
    for (const ExpSum& sum : state_->sums)
        out.push_back(sum.most + std::log(sum.sum));
    return out;
}

std::vector<std::uint64_t> TopKSearch::held_ordinals() const {
    std::vector<std::uint64_t> out;
    for (const auto& worker : state_->workers.all())
        for (const Best& best : worker->best)
            for (const SearchHit& hit : best.hits())
                out.push_back(hit.ordinal);
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
}

} // namespace clip
