// SPDX-License-Identifier: MIT
// Run by mpi_ranks.sh under mpirun; each rank checks, and knows what the others have.
//
//   mpi_ranks          all tests; rank 0 ends with a line that is the same in every run
//   mpi_ranks fail     rank 1 fails while the others wait for it
//   mpi_ranks unwind   the same, and nobody calls abort
//   mpi_ranks alone    without mpirun: three processes are said to have been launched
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "base/error.hpp"
#include "communicator/communicator.hpp"

using namespace clip;

namespace {

Communicator* ranks = nullptr;
std::uint64_t digest = 14695981039346656037u; // FNV-1a of all sums

template <typename T>
void add_to_digest(const std::vector<T>& values) {
    for (const T& value : values) {
        unsigned char bytes[sizeof(T)];
        std::memcpy(bytes, &value, sizeof value);
        for (const unsigned char byte : bytes)
            digest = (digest ^ byte) * 1099511628211u;
    }
}

/// What rank `r` has: of very different sizes, so that the order of a sum shows.
template <typename T>
std::vector<T> values_of(int r, std::size_t count) {
    std::vector<T> values(count);
    std::uint64_t state = 0x9e3779b97f4a7c15u * (static_cast<std::uint64_t>(r) + 1);
    for (T& value : values) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        const auto mantissa = static_cast<double>(state >> 11) / 9007199254740992.0 - 0.5;
        value = static_cast<T>(std::ldexp(mantissa, static_cast<int>(state >> 3 & 31)));
    }
    return values;
}

template <typename T>
std::vector<T> serial_sum(std::size_t count) {
    std::vector<double> sum(count);
    for (int r = 0; r < ranks->size(); ++r) {
        const std::vector<T> values = values_of<T>(r, count);
        for (std::size_t i = 0; i < count; ++i)
            sum[i] = r == 0 ? static_cast<double>(values[i]) : sum[i] + values[i];
    }
    return {sum.begin(), sum.end()};
}

/// Around the sizes of a piece (4096 bytes here), of a small sum, and of what ranks share evenly.
const std::vector<std::size_t> kCounts = {0,   1,    2,    3,    7,    100,  341,
                                          342, 1023, 1024, 1025, 4096, 50001};

} // namespace

TEST_CASE("who is here") {
    CHECK(ranks->size() > 1);
    CHECK(ranks->rank() >= 0);
    CHECK(ranks->rank() < ranks->size());
    const std::string text = ranks->description();
    CHECK_MESSAGE(text.starts_with(std::to_string(ranks->size()) + " processes ("), text);
    CHECK_MESSAGE(text.find_first_of("\t\n,") == std::string::npos, text);
}

TEST_CASE_TEMPLATE("sums are those of one process, in the order of ranks, bit for bit", T, float,
                   double) {
    for (const std::size_t count : kCounts) {
        std::vector<T> values = values_of<T>(ranks->rank(), count);
        ranks->all_reduce_sum(std::span<T>(values));
        CHECK(values == serial_sum<T>(count));
        add_to_digest(values);
    }
}

TEST_CASE("parts of different lengths are gathered in the order of ranks") {
    for (const std::size_t count : kCounts)
        for (const int empty : {-1, 0, 1}) {
            std::vector<std::size_t> counts;
            std::vector<float> want;
            std::size_t place = 0;
            for (int r = 0; r < ranks->size(); ++r) {
                if (r == ranks->rank())
                    place = want.size();
                const auto add = static_cast<std::size_t>(r) * 1000;
                counts.push_back(r == empty ? 0 : count + add);
                const std::vector<float> part = values_of<float>(r, counts.back());
                want.insert(want.end(), part.begin(), part.end());
            }
            const std::size_t mine = counts[static_cast<std::size_t>(ranks->rank())];
            const std::vector<float> own = values_of<float>(ranks->rank(), mine);
            std::vector<float> all(want.size(), -1.0f);
            ranks->all_gather(own, all, counts);
            CHECK(all == want);
            // The part may lie in its place already.
            std::vector<float> placed(want.size(), -1.0f);
            std::copy(own.begin(), own.end(), placed.begin() + static_cast<std::ptrdiff_t>(place));
            ranks->all_gather(std::span(placed).subspan(place, mine), placed, counts);
            CHECK(placed == want);
            add_to_digest(all);
        }
}

TEST_CASE("everybody gets what the root has") {
    for (const std::size_t count : kCounts)
        for (int root = 0; root < ranks->size(); ++root) {
            std::vector<float> values = values_of<float>(ranks->rank(), count);
            ranks->broadcast(std::as_writable_bytes(std::span(values)), root);
            CHECK(values == values_of<float>(root, count));
        }
    CHECK_THROWS_AS(ranks->broadcast({}, ranks->size()), Error); // on all ranks, before MPI
}

TEST_CASE("one that says true is enough") {
    CHECK_FALSE(ranks->any(false));
    CHECK(ranks->any(true));
    for (int r = 0; r < ranks->size(); ++r)
        CHECK(ranks->any(ranks->rank() == r));
}

TEST_CASE("nobody passes a barrier before the last has come") {
    using Clock = std::chrono::steady_clock;
    ranks->barrier();
    const auto begin = Clock::now();
    if (ranks->rank() == ranks->size() - 1)
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
    ranks->barrier();
    CHECK(Clock::now() - begin > std::chrono::milliseconds(100));
}

TEST_CASE("all ranks have had the same results") {
    std::uint64_t first = digest;
    ranks->broadcast(std::as_writable_bytes(std::span(&first, 1)), 0);
    CHECK_FALSE(ranks->any(first != digest));
}

namespace {

/// What Open MPI's mpirun, or another's, says.
std::size_t launched() {
    for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"})
        if (const char* value = std::getenv(name); value != nullptr)
            return static_cast<std::size_t>(std::atoi(value));
    return 1;
}

int alone() {
    try {
        make_communicator({.launched = 3});
    } catch (const Error& error) {
        std::printf("%s\n", error.what());
        return error.code() == ErrorCode::unsupported ? 0 : 1;
    }
    return 1;
}

int failing_rank(Communicator& of, bool says_so) {
    try {
        if (of.rank() == 1)
            fail(ErrorCode::internal, "rank 1 fails");
        of.barrier();
    } catch (const Error& error) {
        std::fprintf(stderr, "%s\n", error.what());
        if (!says_so)
            throw;
        of.abort(5);
    }
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    const std::string mode = argc > 1 ? argv[1] : "";
    if (mode == "alone")
        return alone();
    try {
        const auto made = make_communicator({.launched = launched(), .piece_bytes = 4096});
        if (mode == "fail" || mode == "unwind")
            return failing_rank(*made, mode == "fail");
        ranks = made.get();
        doctest::Context context;
        context.setOption("no-intro", true);
        context.setOption("no-colors", true);
        context.setOption("order-by", "file");
        const int status = context.run();
        if (made->rank() == 0)
            std::printf("digest of %d ranks: %016llx\n", made->size(),
                        static_cast<unsigned long long>(digest));
        return status;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "mpi_ranks: %s\n", error.what());
        return 4;
    }
}
