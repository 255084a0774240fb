// SPDX-License-Identifier: MIT
// How the processes ("ranks") of a training run talk to each other.
//
// The seam for CUDA: what is summed over ranks lies on the device there, and NCCL moves it without
// the host. A CudaCommunicator is then one more subclass: it is made from this one (rank 0 makes
// the ncclUniqueId, which `broadcast` carries to the others), overrides all_gather and
// all_reduce_sum for spans of device memory on a stream that it owns, and hands barrier, any,
// broadcast and abort on to the host's. What it must keep is the promise of all_reduce_sum: the
// same bits on all ranks, and in every run with as many ranks. NCCL gives the first, and the second
// where its algorithm and protocol are fixed (NCCL_ALGO=Ring, NCCL_PROTO=Simple); one that may not
// depend on that sums by ncclAllGather and a kernel that adds in the order of ranks, as is done
// here.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace clip {

/// Every function is collective unless it says otherwise: all ranks call the same ones in the same
/// order, with equally many elements, from one thread at a time. They return when this rank's part
/// is done and its memory may be used again.
///
/// Where one rank fails, the others would wait for it for ever. Whoever owns a communicator keeps
/// it outside of what may throw, catches, reports, and calls `abort`. A communicator that is
/// destroyed by an exception says no goodbye to the others, so that it does not wait for them
/// either; mpirun ends them when this process ends, srun does so with --kill-on-bad-exit. A rank
/// that is killed ends the others in the same way.
///
/// Errors: internal (spans do not fit each other), io_failure (MPI failed; why is in the message).
class Communicator {
  public:
    virtual ~Communicator() = default;
    Communicator(const Communicator&) = delete;
    Communicator& operator=(const Communicator&) = delete;

    virtual int rank() const = 0; ///< from 0; not collective
    virtual int size() const = 0; ///< at least 1; not collective
    /// "1 process", or "4 processes (Open MPI 4.1.4)". Not collective.
    virtual std::string description() const = 0;

    /// The ranks' parts one after the other: all (sum of counts), with counts[r] elements from rank
    /// r; own (counts[rank()]) may be its place in `all`. Counts are the same on all ranks.
    virtual void all_gather(std::span<const float> own, std::span<float> all,
                            std::span<const std::size_t> counts) = 0;
    /// Each element becomes its sum over the ranks, added in the order of ranks in double and then
    /// rounded: the same bits on all ranks, whatever the number of elements and in every run.
    virtual void all_reduce_sum(std::span<float> values) = 0;
    virtual void all_reduce_sum(std::span<double> values) = 0;
    /// Everybody gets what `root` has; see std::as_writable_bytes.
    virtual void broadcast(std::span<std::byte> bytes, int root) = 0;
    /// Returns when all ranks have called it.
    virtual void barrier() = 0;
    /// Whether any rank says true; every rank gets the same answer.
    bool any(bool mine);

    /// Ends the other ranks' processes and this one, with this exit status; for one rank that has
    /// failed, so not collective. Does nothing, and returns, where there are no others. Message
    /// streams must have been flushed.
    virtual void abort(int status) = 0;

  protected:
    Communicator() = default;
};

struct CommunicatorSettings {
    /// How many processes a launcher (mpirun, srun) says that it started; 1 where there is none.
    /// The library reads no environment variables: commands do.
    std::size_t launched = 1;
    std::string plugin; ///< path of the MPI plugin; empty: found as in base/plugin.hpp
    std::size_t piece_bytes = std::size_t{4} << 20; ///< sent at once, 1 to 2^30; memory in use
};

/// Of one process: copies, or nothing at all.
std::unique_ptr<Communicator> make_local_communicator();

/// Of all processes that were launched together, over MPI; local where this is the only one, which
/// then does not pay for MPI: it is a plugin that is loaded here. Made once a process.
/// Errors: unsupported (this build has no MPI, or another than the launcher's: each process would
/// train alone and overwrite what the others write), io_failure.
std::unique_ptr<Communicator> make_communicator(const CommunicatorSettings& settings);

} // namespace clip
