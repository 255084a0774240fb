// SPDX-License-Identifier: MIT
#include "communicator/mpi_plugin/plugin.h"

#include <cstdio>
#include <string>

#define OMPI_SKIP_MPICXX 1 // the C++ bindings that MPI dropped in 2012
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>

namespace {

int all_gather(const void* own, void* all, const int* counts, const int* places) {
    int rank = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    return MPI_Allgatherv(own == nullptr ? MPI_IN_PLACE : own, own == nullptr ? 0 : counts[rank],
                          MPI_BYTE, all, counts, places, MPI_BYTE, MPI_COMM_WORLD);
}

int exchange(const void* from, const int* from_counts, const int* from_places, void* to,
             const int* to_counts, const int* to_places) {
    return MPI_Alltoallv(from, from_counts, from_places, MPI_BYTE, to, to_counts, to_places,
                         MPI_BYTE, MPI_COMM_WORLD);
}

int broadcast(void* bytes, int count, int root) {
    return MPI_Bcast(bytes, count, MPI_BYTE, root, MPI_COMM_WORLD);
}

int barrier() {
    return MPI_Barrier(MPI_COMM_WORLD);
}

int finish() {
    return MPI_Finalize();
}

void abort_all(int status) {
    MPI_Abort(MPI_COMM_WORLD, status);
}

void explain(int code, char* message, size_t message_size) {
    char text[MPI_MAX_ERROR_STRING] = "";
    int length = 0;
    if (MPI_Error_string(code, text, &length) != MPI_SUCCESS || length == 0)
        std::snprintf(message, message_size, "error %d", code);
    else
        std::snprintf(message, message_size, "%s", text);
}

std::string start(int version, clip_mpi_world* world) {
    if (version != CLIP_MPI_VERSION)
        return "the plugin is of another version";
    int started = 0, granted = 0;
    if (MPI_Initialized(&started) != MPI_SUCCESS || started != 0)
        return "MPI was started before";
    if (MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &granted) != MPI_SUCCESS)
        return "MPI cannot be started";
    // Errors end the process unless somebody wants to hear of them.
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &world->rank);
    MPI_Comm_size(MPI_COMM_WORLD, &world->size);
    char library[MPI_MAX_LIBRARY_VERSION_STRING] = "";
    int length = 0;
    MPI_Get_library_version(library, &length);
    std::snprintf(world->library, sizeof world->library, "%.255s", library);
    world->all_gather = all_gather;
    world->exchange = exchange;
    world->broadcast = broadcast;
    world->barrier = barrier;
    world->finish = finish;
    world->abort = abort_all;
    world->explain = explain;
    if (granted < MPI_THREAD_SERIALIZED) {
        MPI_Finalize();
        return "this MPI does not work in programs with threads";
    }
    return {};
}

} // namespace

extern "C" int clip_mpi_start(int version, clip_mpi_world* world, char* message,
                              size_t message_size) {
    try {
        const std::string problem = start(version, world);
        if (problem.empty())
            return 0;
        std::snprintf(message, message_size, "%s", problem.c_str());
    } catch (...) {
        std::snprintf(message, message_size, "an unknown error");
    }
    return 1;
}
