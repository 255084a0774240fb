// SPDX-License-Identifier: MIT
#include "app/shard.hpp"

#include <doctest/doctest.h>

#include "base/error.hpp"

using namespace clip;
using namespace clip::app;

TEST_CASE("shard: N shards take every position once") {
    for (std::uint64_t count : {1u, 2u, 7u})
        for (std::uint64_t position = 1; position < 30; ++position) {
            int takers = 0;
            for (std::uint64_t index = 1; index <= count; ++index)
                takers += Shard{index, count}.takes(position) ? 1 : 0;
            CHECK(takers == 1);
        }
    CHECK(Shard{2, 3}.takes(2));
    CHECK(Shard{2, 3}.takes(5));
}

TEST_CASE("shard: reads K/N, and refuses what is not that") {
    const Environment none;
    CHECK(parse_shard("3/8", none).index == 3);
    CHECK(parse_shard("3/8", none).count == 8);
    CHECK(parse_shard("", none).count == 1);
    for (const char* bad : {"0/2", "3/2", "1", "/", "1/", "/2", "-1/2", "1/2/3", " 1/2", "1/0",
                            "99999999999999999999/99999999999999999999"})
        CHECK_THROWS_AS(parse_shard(bad, none), Error);
}

TEST_CASE("shard: auto counts ranks from the launcher's zero") {
    CHECK(parse_shard("auto", {}).count == 1);
    Environment mpi{.launcher = {{"OMPI_COMM_WORLD_RANK", "2"}, {"OMPI_COMM_WORLD_SIZE", "4"}}};
    CHECK(parse_shard("auto", mpi).index == 3);
    CHECK(parse_shard("auto", mpi).count == 4);
    mpi.launcher["SLURM_PROCID"] = "0"; // mpirun inside a Slurm job: mpirun's own ranks hold
    mpi.launcher["SLURM_NTASKS"] = "1";
    CHECK(parse_shard("auto", mpi).index == 3);
    mpi.launcher["OMPI_COMM_WORLD_RANK"] = "4";
    CHECK_THROWS_AS(parse_shard("auto", mpi), Error);
}
