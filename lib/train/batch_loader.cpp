// SPDX-License-Identifier: MIT
#include "train/batch_loader.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <numeric>
#include <thread>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "train/row_choice.hpp"

namespace clip::train {

namespace {

void check(std::uint64_t size, const LoaderOptions& options) {
    const std::string what = "load training data: ";
    if (options.batch_size == 0)
        fail(ErrorCode::invalid_argument, concat(what, "a batch needs rows (got 0)"));
    if (options.ranks == 0 || options.rank >= options.ranks || options.ranks > options.batch_size)
        fail(ErrorCode::invalid_argument,
             concat(what, "impossible share of a batch (got rank ", options.rank, " of ",
                    options.ranks, " for ", options.batch_size, " rows)"));
    if (size == 0)
        fail(ErrorCode::invalid_argument, concat(what, "there are no pairs"));
    if (options.sample.training && size < options.batch_size)
        fail(ErrorCode::invalid_argument,
             concat(what, "there are fewer pairs than a batch has (", size, " pairs, batches of ",
                    options.batch_size, "; a smaller --batch-size helps)"));
}

} // namespace

std::uint64_t LoaderStats::all_skipped() const {
    return std::accumulate(skipped.begin(), skipped.end(), std::uint64_t{0});
}

class BatchLoader::State {
  public:
    State(const PairSource& pairs, const Tokenizer& tokenizer, const LoaderOptions& options)
        : pairs_(pairs), options_(options), maker_(pairs, tokenizer, options.sample),
          size_(pairs.size()), shards_(pairs.shards()),
          first_row_(options.batch_size * options.rank / std::max<std::size_t>(options.ranks, 1)),
          rows_(options.batch_size * (options.rank + 1) / std::max<std::size_t>(options.ranks, 1) -
                first_row_) {
        check(size_, options);
        batches_ = options.sample.training ? size_ / options.batch_size
                                           : (size_ + options.batch_size - 1) / options.batch_size;
        if (options.batch > batches_)
            fail(ErrorCode::invalid_argument,
                 concat("load training data: no such batch to go on from (got ", options.batch,
                        ", an epoch has ", batches_, ")"));
        epoch_ = options.epoch;
        number_ = options.batch;
        if (number_ == batches_) {
            ++epoch_;
            number_ = 0;
        }
        start_work();
        try {
            for (std::size_t i = 0; i < std::max<std::size_t>(options.threads, 1); ++i)
                threads_.emplace_back([this] { work(); });
        } catch (...) {
            stop();
            throw;
        }
    }
    ~State() { stop(); }
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    std::uint64_t batches() const { return batches_; }
    const LoaderStats& stats() const { return stats_; }

    bool next(Batch& batch) {
        if (failure_)
            std::rethrow_exception(failure_);
        std::shared_ptr<Work> work;
        {
            std::unique_lock lock(mutex_);
            ++asked_;
            // Memory that has been touched already is used again: fresh pages cost more than a
            // copy.
            if (batch.pixels.capacity() > 0)
                spare_.push_back(std::move(batch.pixels));
            start_work();
            if (works_.empty()) {
                --asked_;
                return false;
            }
            work = works_.front();
            workers_wake_.notify_all();
            const auto begin = std::chrono::steady_clock::now();
            consumer_wakes_.wait(lock, [&] { return work->left == 0; });
            stats_.waited +=
                std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
            works_.pop_front();
            --asked_;
        }
        try {
            hand_out(*work, batch);
        } catch (...) {
            failure_ = std::current_exception();
            throw;
        }
        return true;
    }

  private:
    enum class RowState : std::uint8_t { absent, made, skipped };
    struct Row {
        RowState state = RowState::absent;
        std::vector<Skip> skips;
    };
    /// A batch that is being made.
    struct Work {
        Batch batch;
        std::shared_ptr<const EpochOrder> order;
        std::vector<Row> rows;
        std::size_t claimed = 0; ///< rows that a thread has taken
        std::size_t left = 0;    ///< rows that are not done
        std::exception_ptr failure;
    };

    void stop() {
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        workers_wake_.notify_all();
        for (std::thread& thread : threads_)
            thread.join();
        threads_.clear();
    }

    /// Lines up batches until there are as many as may be ahead. With the lock held.
    void start_work() {
        while (works_.size() < asked_ + options_.ahead && epoch_ < options_.end_epoch) {
            if (!order_ || order_epoch_ != epoch_) {
                const OrderOptions order{options_.sample.seed, options_.sample.training,
                                         options_.shuffle_buffer};
                order_.reset(); // before memory is taken for the next
                order_ = std::make_shared<const EpochOrder>(size_, shards_, order, epoch_);
                order_epoch_ = epoch_;
            }
            auto work = std::make_shared<Work>();
            work->order = order_;
            work->batch.epoch = epoch_;
            work->batch.number = number_;
            work->batch.last_of_epoch = number_ + 1 == batches_;
            if (!spare_.empty()) {
                work->batch.pixels = std::move(spare_.back());
                spare_.pop_back();
            }
            work->batch.pixels.resize(rows_ * maker_.pixel_count());
            work->batch.texts.resize(rows_);
            work->batch.indices.resize(rows_);
            work->rows.resize(rows_);
            work->left = rows_;
            works_.push_back(std::move(work));
            if (++number_ == batches_) {
                number_ = 0;
                ++epoch_;
            }
        }
    }

    /// A batch with a row that no thread has taken. With the lock held.
    std::shared_ptr<Work> open_work() {
        for (const auto& work : works_)
            if (work->claimed < rows_)
                return work;
        return nullptr;
    }

    void work() {
        PairRecord scratch;
        std::unique_lock lock(mutex_);
        for (;;) {
            std::shared_ptr<Work> work;
            workers_wake_.wait(lock, [&] { return stopping_ || (work = open_work()); });
            if (stopping_)
                return;
            const std::size_t row = work->claimed++;
            lock.unlock();
            std::exception_ptr failure;
            try {
                make_row(*work, row, scratch);
            } catch (...) {
                failure = std::current_exception();
            }
            lock.lock();
            if (failure && !work->failure)
                work->failure = failure;
            if (--work->left == 0)
                consumer_wakes_.notify_all();
        }
    }

    void make_row(Work& work, std::size_t row, PairRecord& scratch) const {
        Batch& batch = work.batch;
        float* pixels = batch.pixels.data() + row * maker_.pixel_count();
        const auto try_position = [&](std::uint64_t position) {
            const std::uint64_t index = (*work.order)[position];
            Skip skip;
            batch.indices[row] = index;
            if (maker_.make(batch.epoch, index, pixels, batch.texts[row], skip, scratch)) {
                work.rows[row].state = RowState::made;
                return true;
            }
            work.rows[row].state = RowState::skipped;
            work.rows[row].skips.push_back(std::move(skip));
            return false;
        };
        const BatchRow place{size_, options_.batch_size, batch.number, first_row_ + row};
        if (!options_.sample.training) {
            const std::uint64_t position = place.batch * place.batch_size + place.row;
            if (position < size_)
                try_position(position);
            return;
        }
        const std::uint64_t tries = std::min(tries_of(place), kMaxTries);
        for (std::uint64_t attempt = 0; attempt < tries && !stopping_; ++attempt)
            if (try_position(position_of(place, attempt)))
                return;
    }

    /// Counts what happened to a batch, and gives its rows that were made.
    void hand_out(Work& work, Batch& batch) {
        if (work.failure)
            std::rethrow_exception(work.failure);
        batch = std::move(work.batch);
        const std::size_t floats = maker_.pixel_count();
        std::size_t kept = 0;
        for (std::size_t row = 0; row < rows_; ++row) {
            Row& made = work.rows[row];
            for (const Skip& skip : made.skips)
                count(skip);
            if (made.state != RowState::made) {
                if (options_.sample.training)
                    give_up(made);
                continue;
            }
            ++stats_.pairs;
            ++made_in_epoch_;
            stats_.truncated += batch.texts[row].truncated ? 1 : 0;
            if (kept != row) {
                std::copy_n(batch.pixels.begin() + static_cast<std::ptrdiff_t>(row * floats),
                            floats,
                            batch.pixels.begin() + static_cast<std::ptrdiff_t>(kept * floats));
                batch.texts[kept] = std::move(batch.texts[row]);
                batch.indices[kept] = batch.indices[row];
            }
            ++kept;
        }
        batch.pixels.resize(kept * floats);
        batch.texts.resize(kept);
        batch.indices.resize(kept);
        if (!batch.last_of_epoch)
            return;
        if (made_in_epoch_ == 0 && skipped_in_epoch_ > 0)
            fail(ErrorCode::bad_format, concat("load the data: none of ", skipped_in_epoch_,
                                               " pairs can be used; the last: ", last_skip_));
        made_in_epoch_ = skipped_in_epoch_ = 0;
    }

    void count(const Skip& skip) {
        ++stats_.skipped[static_cast<std::size_t>(skip.reason)];
        ++skipped_in_epoch_;
        last_skip_ = concat(skip.name, ": ", skip.message);
        if (options_.on_skip && named_ < options_.named_skips) {
            ++named_;
            options_.on_skip(skip);
        }
    }

    [[noreturn]] void give_up(const Row& row) const {
        fail(ErrorCode::bad_format,
             concat("load training data: ", row.skips.size(),
                    " pairs in a row cannot be used; the last: ", last_skip_));
    }

    const PairSource& pairs_;
    const LoaderOptions options_;
    const SampleMaker maker_;
    const std::uint64_t size_;
    const std::vector<std::uint64_t> shards_;
    const std::size_t first_row_, rows_;
    std::uint64_t batches_ = 0;

    std::mutex mutex_;
    std::condition_variable workers_wake_, consumer_wakes_;
    std::deque<std::shared_ptr<Work>> works_; ///< in the order in which they are handed out
    std::vector<std::vector<float>> spare_;   ///< pixels of batches that came back
    std::size_t asked_ = 0;                   ///< 1 while next() waits
    std::uint32_t epoch_ = 0;                 ///< of the batch that is lined up next
    std::uint64_t number_ = 0;
    std::shared_ptr<const EpochOrder> order_;
    std::uint32_t order_epoch_ = 0;
    std::atomic<bool> stopping_ = false;
    std::vector<std::thread> threads_;

    // Of the thread that calls next().
    LoaderStats stats_;
    std::exception_ptr failure_;
    std::uint64_t made_in_epoch_ = 0, skipped_in_epoch_ = 0;
    std::size_t named_ = 0;
    std::string last_skip_;
};

BatchLoader::BatchLoader(const PairSource& pairs, const Tokenizer& tokenizer,
                         const LoaderOptions& options)
    : state_(std::make_unique<State>(pairs, tokenizer, options)) {}
BatchLoader::~BatchLoader() = default;

std::uint64_t BatchLoader::batches_per_epoch() const {
    return state_->batches();
}
bool BatchLoader::next(Batch& batch) {
    return state_->next(batch);
}
const LoaderStats& BatchLoader::stats() const {
    return state_->stats();
}

} // namespace clip::train
