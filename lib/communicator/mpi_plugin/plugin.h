/* SPDX-License-Identifier: MIT
   The functions between the library and the plugin that links MPI. Plain C: nothing of MPI, no
   exception and no C++ type crosses it. */
#pragma once

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Raised whenever the meaning of what follows changes; the plugin refuses any other. */
#define CLIP_MPI_VERSION 1

/* The processes that were started together, and what they can do. Counts and places are bytes.
   Functions return 0, or a code for `explain`. */
struct clip_mpi_world {
    int rank;
    int size;
    char library[256]; /* "Open MPI v4.1.4, package: ..." */

    /* The ranks' parts to their places in `all`. `own` (counts[rank]) is NULL where it is there. */
    int (*all_gather)(const void* own, void* all, const int* counts, const int* places);
    /* Part r of `from` goes to rank r; what rank r has for this one comes to part r of `to`. */
    int (*exchange)(const void* from, const int* from_counts, const int* from_places, void* to,
                    const int* to_counts, const int* to_places);
    int (*broadcast)(void* bytes, int count, int root);
    int (*barrier)(void);
    /* Says goodbye to the others, and waits for theirs. */
    int (*finish)(void);
    /* Ends all processes. */
    void (*abort)(int status);
    void (*explain)(int code, char* message, size_t message_size);
};

/* Joins the others, once a process. Returns 0, or 1 with a message of at most `message_size` bytes,
   its final NUL included. */
typedef int (*clip_mpi_start_function)(int version, struct clip_mpi_world* world, char* message,
                                       size_t message_size);

__attribute__((visibility("default"))) int clip_mpi_start(int version, struct clip_mpi_world* world,
                                                          char* message, size_t message_size);

#ifdef __cplusplus
}
#endif
