// SPDX-License-Identifier: MIT
// What a command knows of the world around it. The library reads no environment variable: `cmd`
// reads those that are named here.
#pragma once

#include <array>
#include <map>
#include <string>
#include <vector>

namespace clip::app {

struct Environment {
    std::string program;    ///< "clip-embed 0.1.0": written into embedding files
    std::string vocabulary; ///< $CLIP_VOCAB: a file or folder of tokenizer files; may be empty
    std::string
        data_folder; ///< PREFIX/share/clip: models and vocabulary installed with the toolkit
    std::string
        hub_folder; ///< the Hugging Face cache, such as ~/.cache/huggingface/hub; may be empty
    /// Set variables out of kLauncherVariables and kLocalSizeVariables.
    std::map<std::string, std::string> launcher;
};

/// Where launchers say which of how many processes this is: (rank from 0, size), best first.
struct LauncherVariables {
    const char* rank;
    const char* size;
};
inline constexpr std::array<LauncherVariables, 3> kLauncherVariables{{
    {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"}, // Open MPI
    {"PMI_RANK", "PMI_SIZE"},                         // MPICH, Intel MPI
    {"SLURM_PROCID", "SLURM_NTASKS"}, // srun; last: mpirun inside a Slurm job sets both
}};
/// Where they say how many of the processes are on this machine.
inline constexpr std::array<const char*, 3> kLocalSizeVariables{
    "OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS", "SLURM_NTASKS_PER_NODE"};

} // namespace clip::app
