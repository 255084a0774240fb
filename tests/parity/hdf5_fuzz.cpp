// SPDX-License-Identifier: MIT
// Reads broken embedding files, each in a process of its own, and counts how that ends.
//
//   hdf5_fuzz FOLDER FIRST COUNT      mutants FIRST, FIRST + 1, ... of the .h5 files in FOLDER
//   hdf5_fuzz FOLDER NUMBER FILE      writes one mutant to FILE, to look at it
//   hdf5_fuzz FILE                    prints FILE as JSON lines, as clip-embed writes them
//
// A mutant depends on its number and on the files only. Every fourth one is read from a pipe.
// Exit status 1 where one ended in a signal, a sanitizer's report, a wrong exception or a hang.
#include <algorithm>
#include <array>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include "base/error.hpp"
#include "io/embedding_jsonl.hpp"
#include "io/embedding_reader.hpp"

using namespace clip;
using namespace clip::io;

namespace {

constexpr int kRefused = 10; // exit status of a child: an Error, as it should be
constexpr unsigned kSeconds = 60;

struct Random {
    std::uint64_t state;
    std::uint64_t next() {
        std::uint64_t z = state += 0x9e3779b97f4a7c15U;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
        z = (z ^ z >> 27) * 0x94d049bb133111ebU;
        return z ^ z >> 31;
    }
    std::size_t below(std::size_t limit) { return static_cast<std::size_t>(next() % limit); }
};

std::string read_whole(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

void write_whole(const std::string& path, std::string_view bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

/// Where the structure of a file is: its first bytes, and what follows the signatures.
std::vector<std::size_t> places_of_structure(const std::string& bytes) {
    std::vector<std::size_t> out = {0, 512, 1024, 2048, 4096};
    for (const char* sign : {"TREE", "SNOD", "HEAP", "GCOL", "OHDR", "OCHK", "FAHD", "FADB", "EAHD",
                             "EAIB", "EASB", "EADB", "FRHP", "FSHD", "BTHD", "BTLF"})
        for (std::size_t at = bytes.find(sign); at != std::string::npos;
             at = bytes.find(sign, at + 4))
            out.push_back(at);
    // Object headers of version 1 begin with 1, 0 and a small number of messages.
    for (std::size_t at = 0; at + 16 < bytes.size(); at += 8)
        if (bytes[at] == 1 && bytes[at + 1] == 0 && bytes[at + 2] > 0 && bytes[at + 3] == 0 &&
            bytes[at + 4] == 1 && bytes[at + 5] == 0)
            out.push_back(at);
    return out;
}

std::string mutate(std::string bytes, Random& random) {
    const std::vector<std::size_t> places = places_of_structure(bytes);
    const std::size_t changes = 1 + random.below(4);
    for (std::size_t i = 0; i < changes && bytes.size() > 16; ++i) {
        std::size_t at = random.below(bytes.size());
        if (random.below(4) != 0)
            at =
                places[random.below(places.size())] + random.below(random.below(2) == 0 ? 64 : 512);
        at = std::min(at, bytes.size() - 9);
        const std::array<std::uint64_t, 10> odd = {0,
                                                   1,
                                                   0xff,
                                                   0xffff,
                                                   0xffffffff,
                                                   ~std::uint64_t{0},
                                                   bytes.size(),
                                                   std::uint64_t{1} << 63,
                                                   std::uint64_t{1} << 40,
                                                   random.below(bytes.size())};
        const std::size_t width = std::size_t{1} << random.below(4);
        switch (random.below(16)) {
        case 0: // cut off
            bytes.resize(at + 1);
            break;
        case 1: // a part of it elsewhere
            std::memmove(bytes.data() + at, bytes.data() + random.below(bytes.size() - 8),
                         std::min<std::size_t>(8, bytes.size() - at));
            break;
        case 2:
        case 3:
        case 4:
        case 5: { // a number that begs for trouble
            const std::uint64_t number = odd[random.below(odd.size())];
            std::memcpy(bytes.data() + at, &number, width);
            break;
        }
        case 6: // a little more or less
            bytes[at] = static_cast<char>(bytes[at] + (random.below(2) == 0 ? 1 : -1));
            break;
        default:
            bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.below(8)));
        }
    }
    return bytes;
}

void read_all(const std::string& path) {
    const EmbeddingReader reader = EmbeddingReader::open(path);
    const std::int64_t rows = reader.rows();
    const std::int64_t block = std::min<std::int64_t>(reader.block_rows(), 4096);
    std::vector<float> values;
    for (std::int64_t first = 0; first < rows; first += block) {
        const std::int64_t count = std::min(block, rows - first);
        values.resize(static_cast<std::size_t>(count * reader.header().dim));
        reader.read_rows(first, count, values.data());
    }
    for (std::int64_t first = 0; first < rows; first += 1000)
        (void)reader.read_items(first, std::min<std::int64_t>(1000, rows - first));
    if (rows > 0) {
        const std::vector<std::int64_t> last = {rows - 1};
        (void)reader.read_items_at(last);
    }
}

int print_rows(const std::string& path) {
    try {
        const EmbeddingReader reader = EmbeddingReader::open(path);
        const auto dim = static_cast<std::size_t>(reader.header().dim);
        std::vector<std::int64_t> row(1);
        for (std::int64_t& at = row[0]; at < reader.rows(); ++at) {
            EmbeddingReader::Item item = reader.read_items_at(row).front();
            EmbeddingRow out{std::move(item.item), item.is_text, std::move(item.extra),
                             std::vector<float>(dim)};
            reader.read_rows(at, 1, out.values.data());
            std::string line;
            append_embedding_line(line, out, reader.header().model);
            std::fwrite(line.data(), 1, line.size(), stdout);
        }
    } catch (const Error& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
    return 0;
}

/// Reads `bytes` in a child. Returns what waitpid() says of it.
int read_in_child(const std::string& bytes, const std::string& path, bool through_pipe) {
    std::fflush(nullptr);
    const pid_t child = ::fork();
    if (child != 0) {
        int status = 0;
        ::waitpid(child, &status, 0);
        return status;
    }
    ::alarm(kSeconds);
    int code = 0;
    std::array<int, 2> ends{};
    std::thread feeder;
    try {
        if (through_pipe && ::pipe(ends.data()) == 0) {
            std::signal(SIGPIPE, SIG_IGN);
            ::dup2(ends[0], STDIN_FILENO);
            ::close(ends[0]);
            feeder = std::thread([&] {
                for (std::size_t at = 0; at < bytes.size();) {
                    const ssize_t done = ::write(ends[1], bytes.data() + at, bytes.size() - at);
                    if (done <= 0)
                        break;
                    at += static_cast<std::size_t>(done);
                }
                ::close(ends[1]);
            });
            read_all("-");
        } else {
            write_whole(path, bytes);
            read_all(path);
        }
    } catch (const Error& error) {
        code = error.code() == ErrorCode::internal ? 3 : kRefused;
        if (code == 3)
            std::fprintf(stderr, "%s\n", error.what());
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        code = 2;
    }
    if (feeder.joinable())
        feeder.detach();
    std::_Exit(code);
}

} // namespace

int main(int argc, char** argv) {
    const std::string folder = argc > 1 ? argv[1] : "";
    if (argc == 2)
        return print_rows(folder);
    if (argc != 4)
        return 2;
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder))
        if (entry.path().extension() == ".h5")
            files.push_back(entry.path().string());
    if (files.empty())
        return 2;
    std::sort(files.begin(), files.end());
    const auto make = [&](std::uint64_t number) {
        Random random{number * 0x2545f4914f6cdd1dU};
        return mutate(read_whole(files[number % files.size()]), random);
    };
    const std::uint64_t first = std::strtoull(argv[2], nullptr, 10);
    char* end = nullptr;
    const std::uint64_t count = std::strtoull(argv[3], &end, 10);
    if (*end != '\0') {
        write_whole(argv[3], make(first));
        return 0;
    }
    const std::string path =
        (std::filesystem::temp_directory_path() / ("mutant-" + std::to_string(::getpid()) + ".h5"))
            .string();
    std::uint64_t read = 0, refused = 0, wrong = 0;
    for (std::uint64_t number = first; number < first + count; ++number) {
        const int status = read_in_child(make(number), path, number % 4 == 3);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
            ++read;
        } else if (WIFEXITED(status) && WEXITSTATUS(status) == kRefused) {
            ++refused;
        } else {
            ++wrong;
            std::printf("mutant %llu of %s: %s %d\n", static_cast<unsigned long long>(number),
                        files[number % files.size()].c_str(),
                        WIFSIGNALED(status) ? "signal" : "status",
                        WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        }
    }
    std::error_code ignored;
    std::filesystem::remove(path, ignored);
    std::printf("%llu mutants: %llu read, %llu refused, %llu crashed\n",
                static_cast<unsigned long long>(count), static_cast<unsigned long long>(read),
                static_cast<unsigned long long>(refused), static_cast<unsigned long long>(wrong));
    return wrong == 0 ? 0 : 1;
}
