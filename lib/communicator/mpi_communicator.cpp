// SPDX-License-Identifier: MIT
// Everything goes in pieces: MPI counts with int, and what is received before it is added or put in
// its place must not take as much memory as the gradients of a model.
#include <algorithm>
#include <array>
#include <exception>
#include <numeric>
#include <string_view>
#include <vector>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "base/plugin.hpp"
#include "communicator/communicator.hpp"
#include "communicator/mpi_plugin/plugin.h"

namespace clip {

namespace {

/// Below it every rank sends all it has to all others: one exchange in place of two.
constexpr std::size_t kSmallBytes = 32768;

/// Counts and places of parts that lie one after the other, in bytes.
class Parts {
  public:
    void add(std::size_t elements, std::size_t width) {
        places_.push_back(end_);
        counts_.push_back(static_cast<int>(elements * width));
        end_ += counts_.back();
    }
    const int* counts() const { return counts_.data(); }
    const int* places() const { return places_.data(); }

  private:
    std::vector<int> counts_, places_;
    int end_ = 0;
};

/// to[i] = the sum of parts[r * stride + i] over r, in double and in their order.
template <typename T>
void add_in_order(T* to, const T* parts, std::size_t stride, std::size_t ranks, std::size_t count) {
    std::array<double, 512> sums; // stays in the first-level cache
    for (std::size_t first = 0; first < count; first += sums.size()) {
        const std::size_t here = std::min(sums.size(), count - first);
        for (std::size_t i = 0; i < here; ++i)
            sums[i] = static_cast<double>(parts[first + i]);
        for (std::size_t r = 1; r < ranks; ++r)
            for (std::size_t i = 0; i < here; ++i)
                sums[i] += static_cast<double>(parts[r * stride + first + i]);
        for (std::size_t i = 0; i < here; ++i)
            to[first + i] = static_cast<T>(sums[i]);
    }
}

/// "Open MPI v4.1.4, package: ..." and "MPICH Version:\t4.0.2\n..." without what nobody asks for.
std::string library_name(std::string_view said) {
    std::string name;
    for (std::string_view rest = said.substr(0, said.find_first_of(",\n")); !rest.empty();) {
        const std::size_t begin = std::min(rest.find_first_not_of(" \t"), rest.size());
        rest.remove_prefix(begin);
        std::string_view word = rest.substr(0, rest.find_first_of(" \t"));
        rest.remove_prefix(word.size());
        if (word.size() > 1 && word[0] == 'v' && word[1] >= '0' && word[1] <= '9')
            word.remove_prefix(1);
        if (!word.empty() && word != "Version:")
            name += concat(name.empty() ? "" : " ", word);
    }
    return name;
}

class MpiCommunicator final : public Communicator {
  public:
    MpiCommunicator(const clip_mpi_world& world, std::size_t piece_bytes)
        : world_(world), ranks_(static_cast<std::size_t>(world.size)),
          piece_bytes_(std::clamp<std::size_t>(piece_bytes, 1, std::size_t{1} << 30)) {}

    ~MpiCommunicator() override {
        // The others do not know of an exception here: waiting for them would be for ever.
        if (std::uncaught_exceptions() <= exceptions_)
            world_.finish();
    }

    int rank() const override { return world_.rank; }
    int size() const override { return world_.size; }
    std::string description() const override {
        return concat(world_.size, " processes (", library_name(world_.library), ")");
    }

    void all_gather(std::span<const float> own, std::span<float> all,
                    std::span<const std::size_t> counts) override {
        expect(counts.size() == ranks_ && own.size() == counts[own_rank()] &&
                   all.size() == std::accumulate(counts.begin(), counts.end(), std::size_t{0}),
               "all_gather: counts do not fit the spans");
        const std::size_t piece = elements_of_piece<float>(ranks_);
        const std::size_t longest = *std::max_element(counts.begin(), counts.end());
        for (std::size_t first = 0; first < longest; first += piece) {
            const auto here = [&](std::size_t r) {
                return std::min(piece, counts[r] - std::min(first, counts[r]));
            };
            Parts parts;
            for (std::size_t r = 0; r < ranks_; ++r)
                parts.add(here(r), sizeof(float));
            float* received = room<float>(ranks_ * piece);
            // An empty span may have no address, which would mean another thing.
            const float nothing = 0;
            const float* sent = here(own_rank()) > 0 ? own.data() + first : &nothing;
            check(world_.all_gather(sent, received, parts.counts(), parts.places()), "gather");
            std::size_t place = first;
            for (std::size_t r = 0; r < ranks_; place += counts[r++]) {
                std::copy_n(received, here(r), all.data() + place);
                received += here(r);
            }
        }
    }

    void all_reduce_sum(std::span<float> values) override { add_up(values); }
    void all_reduce_sum(std::span<double> values) override { add_up(values); }

    void broadcast(std::span<std::byte> bytes, int root) override {
        expect(root >= 0 && root < world_.size, "broadcast: there is no such rank");
        while (!bytes.empty()) {
            const auto piece = bytes.first(std::min(bytes.size(), piece_bytes_));
            check(world_.broadcast(piece.data(), static_cast<int>(piece.size()), root),
                  "broadcast");
            bytes = bytes.subspan(piece.size());
        }
    }

    void barrier() override { check(world_.barrier(), "wait for"); }
    void abort(int status) override { world_.abort(status); }

  private:
    std::size_t own_rank() const { return static_cast<std::size_t>(world_.rank); }

    /// How many elements of each of `parts` parts go at once.
    template <typename T>
    std::size_t elements_of_piece(std::size_t parts) const {
        return std::max<std::size_t>(1, piece_bytes_ / sizeof(T) / parts);
    }

    template <typename T>
    T* room(std::size_t count) {
        const std::size_t doubles = (count * sizeof(T) + sizeof(double) - 1) / sizeof(double);
        if (room_.size() < doubles)
            room_.resize(doubles);
        return reinterpret_cast<T*>(room_.data());
    }

    template <typename T>
    void add_up(std::span<T> values) {
        const bool small = values.size_bytes() * ranks_ <= std::min(kSmallBytes, piece_bytes_);
        const std::size_t piece = ranks_ * elements_of_piece<T>(ranks_);
        for (; !values.empty(); values = values.subspan(std::min(piece, values.size())))
            if (small)
                add_up_small(values);
            else
                add_up_piece(values.first(std::min(piece, values.size())));
    }

    /// Everybody adds everything.
    template <typename T>
    void add_up_small(std::span<T> values) {
        Parts parts;
        for (std::size_t r = 0; r < ranks_; ++r)
            parts.add(values.size(), sizeof(T));
        T* received = room<T>(ranks_ * values.size());
        check(world_.all_gather(values.data(), received, parts.counts(), parts.places()), "sum");
        add_in_order(values.data(), received, values.size(), ranks_, values.size());
    }

    /// Each rank adds one part of the values, and gives it to all: 2 (ranks - 1) / ranks of them
    /// are sent and received by a rank, which is the least that will do.
    template <typename T>
    void add_up_piece(std::span<T> values) {
        const auto begin = [&](std::size_t r) { return values.size() * r / ranks_; };
        const std::size_t own = begin(own_rank() + 1) - begin(own_rank());
        Parts parts, owns;
        for (std::size_t r = 0; r < ranks_; ++r) {
            parts.add(begin(r + 1) - begin(r), sizeof(T));
            owns.add(own, sizeof(T));
        }
        T* received = room<T>(ranks_ * own);
        check(world_.exchange(values.data(), parts.counts(), parts.places(), received,
                              owns.counts(), owns.places()),
              "sum");
        add_in_order(values.data() + begin(own_rank()), received, own, ranks_, own);
        check(world_.all_gather(nullptr, values.data(), parts.counts(), parts.places()), "sum");
    }

    void check(int code, const char* what) const {
        if (code == 0)
            return;
        char message[1024] = "";
        world_.explain(code, message, sizeof message);
        fail(ErrorCode::io_failure,
             concat(what, " over ", world_.size, " processes: MPI failed (", message, ")"));
    }

    clip_mpi_world world_;
    std::size_t ranks_, piece_bytes_;
    std::vector<double> room_; ///< what has been received
    int exceptions_ = std::uncaught_exceptions();
};

} // namespace

std::unique_ptr<Communicator> make_communicator(const CommunicatorSettings& settings) {
    if (settings.launched <= 1)
        return make_local_communicator();
    const std::string together = concat("join ", settings.launched, " processes: ");
    // Some versions of Open MPI load parts of their own that do not say what they need.
    const PluginFile file{.name = "libclip_mpi.so",
                          .build_folder = "lib/communicator/mpi_plugin",
                          .chosen = settings.plugin,
                          .shares_symbols = true};
    const LoadedPlugin plugin = load_plugin(file, std::array{"clip_mpi_start"});
    if (plugin.functions.empty())
        fail(ErrorCode::unsupported,
             concat(together, "this build has no MPI: its plugin, ", file.name,
                    ", cannot be loaded (", plugin.problem, "); each would train alone"));
    clip_mpi_world world{};
    char message[256] = "";
    const auto start = reinterpret_cast<clip_mpi_start_function>(plugin.functions[0]);
    if (start(CLIP_MPI_VERSION, &world, message, sizeof message) != 0)
        fail(ErrorCode::io_failure, concat(together, message));
    if (static_cast<std::size_t>(world.size) != settings.launched) {
        world.finish(); // everybody comes here
        fail(ErrorCode::unsupported,
             concat(together, library_name(world.library), " sees ", world.size,
                    "; were they started by its own mpirun, or by srun --mpi=...?"));
    }
    return std::make_unique<MpiCommunicator>(world, settings.piece_bytes);
}

} // namespace clip
