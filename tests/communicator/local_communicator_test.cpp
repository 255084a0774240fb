// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "base/error.hpp"
#include "communicator/communicator.hpp"

using namespace clip;

namespace {

std::string refusal(const CommunicatorSettings& settings, ErrorCode code) {
    try {
        make_communicator(settings);
    } catch (const Error& error) {
        CHECK(error.code() == code);
        return error.what();
    }
    return "no error";
}

bool says(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("communicator of one process: gives back what it gets") {
    for (const auto& one : {make_local_communicator(), make_communicator({})}) {
        CHECK(one->rank() == 0);
        CHECK(one->size() == 1);
        CHECK(one->description() == "1 process");
        const std::vector<float> own{1, 2, 3};
        std::vector<float> all(3);
        const std::vector<std::size_t> counts{3};
        one->all_gather(own, all, counts);
        CHECK(all == own);
        one->all_gather(all, all, counts);
        CHECK(all == own);
        one->all_reduce_sum(std::span(all));
        CHECK(all == own);
        std::vector<double> doubles{0.5, -1};
        one->all_reduce_sum(std::span(doubles));
        CHECK(doubles == std::vector<double>{0.5, -1});
        one->broadcast(std::as_writable_bytes(std::span(all)), 0);
        CHECK(all == own);
        CHECK(one->any(true));
        CHECK_FALSE(one->any(false));
        one->barrier();
        one->abort(3); // there are no others
    }
}

TEST_CASE("communicator of one process: spans that do not fit are a bug of the caller") {
    const auto one = make_local_communicator();
    std::vector<float> own(3), all(4);
    const std::vector<std::size_t> counts{3}, two{2, 1};
    CHECK_THROWS_AS(one->all_gather(own, all, counts), Error);
    CHECK_THROWS_AS(one->all_gather(own, own, two), Error);
    CHECK_THROWS_AS(one->broadcast({}, 1), Error);
}

TEST_CASE("communicator: several processes without MPI do not train alone") {
    const std::string absent =
        refusal({.launched = 3, .plugin = "/nowhere/libclip_mpi.so"}, ErrorCode::unsupported);
    CHECK_MESSAGE(says(absent, "join 3 processes: this build has no MPI"), absent);
    CHECK_MESSAGE(says(absent, "not found"), absent);
    // A file that is there, but is no plugin.
    const std::string other =
        refusal({.launched = 2, .plugin = "/proc/self/exe"}, ErrorCode::unsupported);
    CHECK_MESSAGE(says(other, "join 2 processes: this build has no MPI"), other);
}
