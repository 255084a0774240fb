// SPDX-License-Identifier: MIT
// Rows are taken in large blocks as queries; everything from the block's first row on is screened
// against it. So rows are read once for each large block, and compared once with each other.
#include "search/duplicates.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <numeric>

#include "base/concat.hpp"
#include "ops/exact_dots.hpp"
#include "ops/screen.hpp"
#include "search/search_worker.hpp"

namespace clip {

namespace {

constexpr std::int64_t kQueryRows = 8192;  // of a large block: 16 MiB at a width of 512
constexpr std::int64_t kScreenRows = 256;  // screened together
constexpr std::size_t kBlocksAtOnce = 128; // between two calls of `progress`

/// Which rows are connected. `same` may be asked by many threads while one links.
class UnionFind {
  public:
    explicit UnionFind(std::uint64_t count) : parents_(static_cast<std::size_t>(count)) {
        for (std::size_t i = 0; i < parents_.size(); ++i)
            parents_[i].store(i, std::memory_order_relaxed);
    }
    std::uint64_t find(std::uint64_t x) const {
        for (;;) {
            const std::uint64_t parent = parents_[x].load(std::memory_order_relaxed);
            if (parent == x)
                return x;
            x = parent;
        }
    }
    /// The smaller root stays one, so that a group's root is its first member.
    void link(std::uint64_t a, std::uint64_t b) {
        const std::uint64_t x = find(a), y = find(b);
        const std::uint64_t root = std::min(x, y);
        parents_[std::max(x, y)].store(root, std::memory_order_relaxed);
        // Shorter ways for the next time.
        for (std::uint64_t from : {a, b})
            while (from != root) {
                const std::uint64_t next = parents_[from].load(std::memory_order_relaxed);
                parents_[from].store(root, std::memory_order_relaxed);
                from = next;
            }
    }

  private:
    std::vector<std::atomic<std::uint64_t>> parents_;
};

struct Worker : SearchWorker {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> links;
};

/// Consecutive rows of one set.
struct Piece {
    const RowSet* set;
    std::size_t set_index;
    std::int64_t first, count;
    std::uint64_t ordinal; // of the set's first row
    std::uint64_t start() const { return ordinal + static_cast<std::uint64_t>(first); }
    std::uint64_t end() const { return start() + static_cast<std::uint64_t>(count); }
};

class DuplicateSearch {
  public:
    DuplicateSearch(ThreadPool& pool, std::span<const RowSet* const> sets,
                    const DuplicateOptions& options)
        : pool_(pool), options_(options), sets_(sets) {
        for (std::size_t i = 0; i < sets.size(); ++i) {
            const RowSet& set = *sets[i];
            if (set.width() != sets.front()->width())
                fail(ErrorCode::shape_mismatch,
                     concat("find duplicates: rows of different widths (", sets.front()->width(),
                            " and ", set.width(), ")"));
            const auto cut = [&](std::int64_t size, std::vector<Piece>& out) {
                for (std::int64_t first = 0; first < set.rows(); first += size)
                    out.push_back({&set, i, first, std::min(size, set.rows() - first), total_});
            };
            cut(set.block_rows(), blocks_);
            cut(std::max(set.block_rows(), kQueryRows / set.block_rows() * set.block_rows()),
                large_);
            total_ += static_cast<std::uint64_t>(set.rows());
        }
        groups_ = std::make_unique<UnionFind>(total_);
        bad_rows_.resize(static_cast<std::size_t>(total_));
    }

    void run(std::vector<BadRows>& bad, const std::function<bool(double)>& progress) {
        double done = 0, all = 0;
        for (const Piece& large : large_)
            all += work_of(large);
        for (const Piece& large : large_) {
            const double before = done;
            done += work_of(large);
            if (!compare(large, bad, [&](double share) {
                    return !progress || progress((before + share * (done - before)) / all);
                }))
                return;
        }
    }

    std::vector<std::vector<DuplicateMember>> groups();

  private:
    double work_of(const Piece& large) const {
        return static_cast<double>(large.count) * static_cast<double>(total_ - large.start());
    }
    bool compare(const Piece& large, std::vector<BadRows>& bad,
                 const std::function<bool(double)>& progress);
    void load_queries(const Piece& large, std::vector<BadRows>& bad);
    void compare_block(Worker& worker, const Piece& large, const Piece& block,
                       const PreparedScreen& prepared);
    void flush(Worker& worker);

    ThreadPool& pool_;
    DuplicateOptions options_;
    SearchWorkers<Worker> workers_;
    std::span<const RowSet* const> sets_;
    std::vector<Piece> blocks_, large_;
    std::uint64_t total_ = 0;
    std::unique_ptr<UnionFind> groups_;
    std::vector<bool> bad_rows_; // written between loops only
    std::mutex links_mutex_;

    // The rows of the large block.
    std::vector<float> values_, unit_, limits_;
    std::vector<double> norms_;
};

/// The rows of a large block, as stored and with length 1. Rows are looked at for what is wrong
/// with them here, once.
void DuplicateSearch::load_queries(const Piece& large, std::vector<BadRows>& bad) {
    const std::int64_t width = large.set->width();
    const auto size = static_cast<std::size_t>(large.count * width);
    values_.resize(size);
    unit_.resize(size);
    norms_.resize(static_cast<std::size_t>(large.count));
    limits_.assign(static_cast<std::size_t>(large.count), options_.least);
    const std::int64_t step = large.set->block_rows();
    pool_.parallel_for(
        static_cast<std::size_t>((large.count + step - 1) / step), 1,
        [&](std::size_t begin, std::size_t end) {
            SearchWorkers<Worker>::Lease worker(workers_);
            for (auto first = static_cast<std::int64_t>(begin) * step;
                 first < std::min(static_cast<std::int64_t>(end) * step, large.count);
                 first += step) {
                const std::int64_t count = std::min(step, large.count - first);
                const bool readable =
                    worker->block.load(*worker->backend, *large.set, large.first + first, count,
                                       large.ordinal, worker->bad);
                if (!readable) {
                    // Placeholders: they are bad rows, and never linked.
                    std::fill_n(values_.begin() + first * width, count * width, 1.0F);
                    std::fill_n(unit_.begin() + first * width, count * width, 1.0F);
                    std::fill_n(norms_.begin() + first, count, 1.0);
                    continue;
                }
                const ConstView view = worker->block.view(0, count);
                convert_to_f32(values_.data() + first * width, view.data, view.dtype,
                               static_cast<std::size_t>(count * width));
                for (std::int64_t r = 0; r < count; ++r) {
                    const double norm = worker->block.norm(r);
                    norms_[static_cast<std::size_t>(first + r)] = norm;
                    for (std::int64_t i = (first + r) * width; i < (first + r + 1) * width; ++i)
                        unit_[static_cast<std::size_t>(i)] = static_cast<float>(
                            static_cast<double>(values_[static_cast<std::size_t>(i)]) / norm);
                }
            }
        });
    for (const auto& worker : workers_.all()) {
        for (const BadRows& rows : worker->bad)
            std::fill_n(bad_rows_.begin() + static_cast<std::ptrdiff_t>(rows.first), rows.count,
                        true);
        std::move(worker->bad.begin(), worker->bad.end(), std::back_inserter(bad));
        worker->bad.clear();
    }
}

bool DuplicateSearch::compare(const Piece& large, std::vector<BadRows>& bad,
                              const std::function<bool(double)>& progress) {
    load_queries(large, bad);
    const std::int64_t width = large.set->width();
    const auto prepared = ops::prepare_screen(
        *workers_.first().backend, {unit_.data(), Shape{large.count, width}, DType::f32, {}});
    const auto first_block =
        std::partition_point(blocks_.begin(), blocks_.end(),
                             [&](const Piece& block) { return block.end() <= large.start(); });
    const auto skipped = static_cast<std::size_t>(first_block - blocks_.begin());
    const std::size_t count = blocks_.size() - skipped;
    for (std::size_t begin = 0; begin < count; begin += kBlocksAtOnce) {
        const std::size_t end = std::min(count, begin + kBlocksAtOnce);
        pool_.parallel_for(end - begin, 1, [&](std::size_t from, std::size_t to) {
            SearchWorkers<Worker>::Lease worker(workers_);
            for (std::size_t i = begin + from; i < begin + to; ++i)
                compare_block(*worker, large, blocks_[skipped + i], *prepared);
            flush(*worker);
        });
        if (!progress(static_cast<double>(end) / static_cast<double>(count)))
            return false;
    }
    return true;
}

void DuplicateSearch::compare_block(Worker& worker, const Piece& large, const Piece& block,
                                    const PreparedScreen& prepared) {
    if (options_.between && block.set_index == large.set_index)
        return;
    constexpr std::size_t kMostLinks = 4096;
    std::vector<BadRows> known; // they are reported when the block's turn as queries comes
    if (!worker.block.load(*worker.backend, *block.set, block.first, block.count, block.ordinal,
                           known))
        return;
    const std::int64_t width = block.set->width();
    for (std::int64_t first = 0; first < block.count; first += kScreenRows) {
        const std::int64_t count = std::min(kScreenRows, block.count - first);
        worker.pairs.clear();
        ops::screen(*worker.backend,
                    {.rows = worker.block.view(first, count),
                     .inverse_norms = worker.block.inverse_norms().subspan(
                         static_cast<std::size_t>(first), static_cast<std::size_t>(count)),
                     .queries = &prepared,
                     .limits = limits_,
                     .pairs = &worker.pairs});
        for (const ScreenPair& pair : worker.pairs) {
            const std::int64_t row = first + pair.row;
            const std::uint64_t a = large.start() + static_cast<std::uint64_t>(pair.query);
            const std::uint64_t b = block.start() + static_cast<std::uint64_t>(row);
            if (b <= a || worker.block.is_bad(row) || bad_rows_[static_cast<std::size_t>(a)] ||
                groups_->find(a) == groups_->find(b))
                continue;
            double dot = 0;
            const auto q = static_cast<std::size_t>(pair.query);
            ops::exact_dots(
                *worker.backend,
                {.rows = worker.block.row(row),
                 .queries = {values_.data() + pair.query * width, Shape{1, width}, DType::f32, {}},
                 .dots = {&dot, 1}});
            if (static_cast<float>(dot / (norms_[q] * worker.block.norm(row))) < options_.least)
                continue;
            worker.links.emplace_back(a, b);
            if (worker.links.size() >= kMostLinks)
                flush(worker);
        }
    }
}

void DuplicateSearch::flush(Worker& worker) {
    const std::lock_guard lock(links_mutex_);
    for (const auto& [a, b] : worker.links)
        groups_->link(a, b);
    worker.links.clear();
}

std::vector<std::vector<DuplicateMember>> DuplicateSearch::groups() {
    std::vector<std::vector<DuplicateMember>> out;
    std::vector<std::size_t> group_of; // by the root's place among roots that have members
    std::vector<std::uint64_t> roots;
    for (std::uint64_t row = 0; row < total_; ++row)
        if (const std::uint64_t root = groups_->find(row); root != row)
            roots.push_back(root);
    std::sort(roots.begin(), roots.end());
    roots.erase(std::unique(roots.begin(), roots.end()), roots.end());
    out.resize(roots.size());
    for (std::size_t i = 0; i < roots.size(); ++i)
        out[i].push_back({roots[i], 1});
    for (std::uint64_t row = 0; row < total_; ++row)
        if (const std::uint64_t root = groups_->find(row); root != row)
            out[static_cast<std::size_t>(std::lower_bound(roots.begin(), roots.end(), root) -
                                         roots.begin())]
                .push_back({row, 0});
    const std::int64_t width = sets_.empty() ? 0 : sets_.front()->width();
    std::vector<std::uint64_t> starts;
    std::uint64_t start = 0;
    for (const RowSet* set : sets_) {
        starts.push_back(start);
        start += static_cast<std::uint64_t>(set->rows());
    }
    const auto read = [&](std::uint64_t ordinal, RowBlock& block, Backend& backend) {
        const auto set = static_cast<std::size_t>(
            std::upper_bound(starts.begin(), starts.end(), ordinal) - starts.begin() - 1);
        std::vector<BadRows> none;
        if (!block.load(backend, *sets_[set], static_cast<std::int64_t>(ordinal - starts[set]), 1,
                        starts[set], none))
            throw Error(none.front().error);
    };
    pool_.parallel_for(out.size(), 8, [&](std::size_t begin, std::size_t end) {
        SearchWorkers<Worker>::Lease worker(workers_);
        std::vector<float> first(static_cast<std::size_t>(width));
        for (std::size_t i = begin; i < end; ++i) {
            read(out[i].front().ordinal, worker->block, *worker->backend);
            const double norm = worker->block.norm(0);
            convert_to_f32(first.data(), worker->block.row(0).data, worker->block.row(0).dtype,
                           first.size());
            for (std::size_t m = 1; m < out[i].size(); ++m) {
                read(out[i][m].ordinal, worker->block, *worker->backend);
                double dot = 0;
                ops::exact_dots(*worker->backend,
                                {.rows = worker->block.row(0),
                                 .queries = {first.data(), Shape{1, width}, DType::f32, {}},
                                 .dots = {&dot, 1}});
                out[i][m].cosine = dot / (norm * worker->block.norm(0));
            }
        }
    });
    return out;
}

} // namespace

std::vector<std::vector<DuplicateMember>>
find_duplicates(ThreadPool& pool, std::span<const RowSet* const> sets,
                const DuplicateOptions& options, std::vector<BadRows>& bad,
                const std::function<bool(double share)>& progress) {
    const std::size_t bad_before = bad.size();
    DuplicateSearch search(pool, sets, options);
    search.run(bad, progress);
    std::sort(bad.begin() + static_cast<std::ptrdiff_t>(bad_before), bad.end(),
              [](const BadRows& a, const BadRows& b) { return a.first < b.first; });
    return search.groups();
}

} // namespace clip
