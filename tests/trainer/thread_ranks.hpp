// SPDX-License-Identifier: MIT
// Ranks that are threads of this process.
#pragma once

#include <barrier>
#include <cstring>
#include <exception>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "backend/registry.hpp"
#include "communicator/communicator.hpp"

namespace clip::test {

/// One of them. What a rank gives lies in `Shared` between two meetings.
class ThreadRanks final : public Communicator {
  public:
    struct Shared {
        explicit Shared(std::size_t count)
            : meet(static_cast<std::ptrdiff_t>(count)), doubles(count), floats(count),
              bytes(count) {}
        std::barrier<> meet;
        std::vector<std::vector<double>> doubles;
        std::vector<std::vector<float>> floats;
        std::vector<std::vector<std::byte>> bytes;
    };
    ThreadRanks(Shared& shared, std::size_t rank) : shared_(shared), rank_(rank) {}

    int rank() const override { return static_cast<int>(rank_); }
    int size() const override { return static_cast<int>(shared_.floats.size()); }
    std::string description() const override { return "threads"; }
    void all_gather(std::span<const float> own, std::span<float> all,
                    std::span<const std::size_t> counts) override {
        shared_.floats[rank_].assign(own.begin(), own.end());
        shared_.meet.arrive_and_wait();
        std::size_t next = 0;
        for (std::size_t r = 0; r < shared_.floats.size(); ++r) {
            const std::vector<float>& part = shared_.floats[r];
            if (part.size() != counts[r] || next + part.size() > all.size())
                fail(ErrorCode::internal, "ranks do not agree about their parts");
            std::copy(part.begin(), part.end(), all.begin() + static_cast<std::ptrdiff_t>(next));
            next += part.size();
        }
        shared_.meet.arrive_and_wait();
    }
    void all_reduce_sum(std::span<float> values) override { add_up(shared_.floats, values); }
    void all_reduce_sum(std::span<double> values) override { add_up(shared_.doubles, values); }
    void broadcast(std::span<std::byte> bytes, int root) override {
        shared_.bytes[rank_].assign(bytes.begin(), bytes.end());
        shared_.meet.arrive_and_wait();
        const auto& from = shared_.bytes[static_cast<std::size_t>(root)];
        std::copy(from.begin(), from.end(), bytes.begin());
        shared_.meet.arrive_and_wait();
    }
    void barrier() override { shared_.meet.arrive_and_wait(); }
    void abort(int) override {}

  private:
    template <typename T>
    void add_up(std::vector<std::vector<T>>& parts, std::span<T> values) {
        parts[rank_].assign(values.begin(), values.end());
        shared_.meet.arrive_and_wait();
        for (std::size_t i = 0; i < values.size(); ++i) {
            double sum = 0;
            for (const std::vector<T>& part : parts)
                sum += static_cast<double>(part.at(i));
            values[i] = static_cast<T>(sum);
        }
        shared_.meet.arrive_and_wait();
    }

    Shared& shared_;
    std::size_t rank_;
};

/// Plays `count` ranks, each with a backend (the plain one) of its own, and throws what one of them
/// has thrown.
inline void play_ranks(std::size_t count,
                       const std::function<void(std::size_t, Communicator&, Backend&)>& body) {
    ThreadRanks::Shared shared(count);
    std::vector<std::exception_ptr> errors(count);
    std::vector<std::thread> threads;
    for (std::size_t rank = 0; rank < count; ++rank)
        threads.emplace_back([&, rank] {
            try {
                ThreadPool pool(1);
                const auto backend = make_backend({}, pool, {.cpu = CpuImplementation::ref});
                ThreadRanks ranks(shared, rank);
                body(rank, ranks, *backend);
            } catch (...) {
                errors[rank] = std::current_exception();
                shared.meet.arrive_and_drop(); // the others need not wait
            }
        });
    for (std::thread& thread : threads)
        thread.join();
    for (const std::exception_ptr& error : errors)
        if (error)
            std::rethrow_exception(error);
}

} // namespace clip::test
