// SPDX-License-Identifier: MIT
#include "io/torch_archive.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <set>
#include <unordered_map>

#include "base/concat.hpp"
#include "io/pickle.hpp"
#include "io/torch_tensors.hpp"
#include "io/zip_archive.hpp"

namespace clip::io {

using Kind = PickleValue::Kind;

namespace {

constexpr std::uint64_t kMaxPickleBytes = std::uint64_t{64} << 20;
constexpr int kMaxDepth = 64; ///< of modules inside modules
constexpr std::size_t kMaxVisits = 1 << 20;
constexpr std::size_t kMaxForeign = 8; ///< named; a user needs no more to be warned
constexpr std::size_t kMaxMetadataBytes = 4096;

/// Where training scripts put the state dict.
constexpr std::array<std::string_view, 3> kNestedKeys{"state_dict", "model_state_dict", "model"};

// ------------------------------------------------------------------ storages of ZIP archives
class ZipStorages : public StorageSource {
  public:
    ZipStorages(const ZipArchive& archive, std::string folder, std::size_t file_bytes,
                TensorStore& store)
        : archive_(archive), folder_(std::move(folder)), store_(store),
          // Weights hardly compress; an archive that unfolds this much holds none.
          inflate_left_(16 * std::uint64_t{file_bytes} + (std::uint64_t{64} << 20)) {}

    std::span<const std::byte> bytes(const TorchStorage& storage) override {
        const std::string name = folder_ + "data/" + storage.key;
        const ZipEntry* entry = archive_.find(name);
        if (entry == nullptr)
            fail(ErrorCode::not_found, concat(archive_.path(), ": no archive entry ", name));
        if (entry->size < storage.bytes())
            fail(ErrorCode::truncated,
                 concat(archive_.path(), ": archive entry ", name, " has ", entry->size,
                        " bytes, its tensors need ", storage.bytes()));
        if (entry->method == ZipArchive::kStored)
            return entry->bytes;
        auto& inflated = inflated_[storage.key];
        if (!inflated) {
            if (entry->size > inflate_left_)
                fail(ErrorCode::bad_format, archive_.path() + ": unfolds to more than weights can");
            inflate_left_ -= entry->size;
            inflated = std::make_shared<const std::vector<std::byte>>(archive_.inflate(*entry));
            store_.keep(inflated);
        }
        return *inflated;
    }

  private:
    const ZipArchive& archive_;
    std::string folder_;
    TensorStore& store_;
    std::uint64_t inflate_left_;
    std::unordered_map<std::string, std::shared_ptr<const std::vector<std::byte>>> inflated_;
};

// ------------------------------------------------------------------ storages of older files
/// One after another behind the pickles, each with its number of elements in front.
class TrailingStorages : public StorageSource {
  public:
    explicit TrailingStorages(const std::string& path) : path_(path) {}

    void add(const std::string& key, std::span<const std::byte> bytes) { storages_[key] = bytes; }

    std::span<const std::byte> bytes(const TorchStorage& storage) override {
        const auto found = storages_.find(storage.key);
        if (found == storages_.end())
            fail(ErrorCode::not_found, concat(path_, ": no storage ", storage.key));
        if (found->second.size() < storage.bytes())
            fail(ErrorCode::bad_format, concat(path_, ": storage ", storage.key, " has two sizes"));
        return found->second;
    }

  private:
    const std::string& path_;
    std::unordered_map<std::string, std::span<const std::byte>> storages_;
};

// ------------------------------------------------------------------ from values to names
class Collector {
  public:
    Collector(const Pickle& pickle, StorageSource& source, TorchArchive& out)
        : pickle_(pickle), source_(source), out_(out), what_(out.store.path()) {}

    void collect() {
        const PickleValue& root = pickle_.root();
        if (root.kind == Kind::call && called_name(pickle_, root).starts_with("__torch__.")) {
            out_.torchscript = true;
            module(root, "", 0);
        } else if (root.kind == Kind::dict) {
            const PickleValue* state = &root;
            for (const std::string_view key : kNestedKeys) {
                const PickleValue* nested = pickle_.find(root, key);
                if (nested != nullptr && nested->kind == Kind::dict) {
                    state = nested;
                    out_.nested_key = key;
                    keep_strings(root);
                    break;
                }
            }
            state_dict(*state);
        } else {
            const std::string_view name = called_name(pickle_, root);
            fail(ErrorCode::unsupported,
                 concat(what_, ": holds no state dict",
                        name.empty() ? "" : concat(", but an object of class ", name)));
        }
        if (out_.store.tensors().empty())
            fail(ErrorCode::bad_format, what_ + ": holds no tensors");
        note_foreign();
    }

  private:
    void state_dict(const PickleValue& dict) {
        for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2) {
            const PickleValue& key = pickle_[dict.items[i]];
            if (key.kind == Kind::text)
                tensor(key.text, pickle_[dict.items[i + 1]]);
        }
    }

    /// A TorchScript object: a call of its class, then its attributes as a dict.
    void module(const PickleValue& object, const std::string& prefix, int depth) {
        if (depth > kMaxDepth)
            fail(ErrorCode::bad_format, what_ + ": modules are nested too deeply");
        const PickleValue* state = object.items.size() > 2 ? &pickle_[object.items[2]] : nullptr;
        if (state == nullptr || state->kind != Kind::dict)
            return;
        for (std::size_t i = 0; i + 1 < state->items.size(); i += 2) {
            if (++visits_ > kMaxVisits)
                fail(ErrorCode::bad_format, what_ + ": has more attributes than a model can have");
            const PickleValue& key = pickle_[state->items[i]];
            const PickleValue& value = pickle_[state->items[i + 1]];
            if (key.kind != Kind::text)
                continue;
            if (called_name(pickle_, value).starts_with("__torch__."))
                module(value, concat(prefix, key.text, "."), depth + 1);
            else
                tensor(prefix + key.text, value);
        }
    }

    void tensor(const std::string& name, const PickleValue& value) {
        if (auto found = read_torch_tensor(pickle_, value, name, source_, what_))
            out_.store.add(*std::move(found));
    }

    void keep_strings(const PickleValue& dict) {
        std::map<std::string, std::string> strings;
        for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2) {
            const PickleValue& key = pickle_[dict.items[i]];
            const PickleValue& value = pickle_[dict.items[i + 1]];
            if (key.kind == Kind::text && value.kind == Kind::text &&
                key.text.size() + value.text.size() <= kMaxMetadataBytes)
                strings[key.text] = value.text;
        }
        out_.store.set_metadata(std::move(strings));
    }

    void note_foreign() {
        std::set<std::string> names;
        for (std::uint32_t i = 0; i < pickle_.size(); ++i) {
            const PickleValue& value = pickle_[i];
            if (value.kind == Kind::global && !value.text.starts_with("torch.") &&
                !value.text.starts_with("__torch__.") && !value.text.starts_with("collections.") &&
                names.size() < kMaxForeign)
                names.insert(value.text);
        }
        out_.foreign.assign(names.begin(), names.end());
    }

    const Pickle& pickle_;
    StorageSource& source_;
    TorchArchive& out_;
    const std::string& what_;
    std::size_t visits_ = 0;
};

void read_zip(const std::shared_ptr<const MappedFile>& file, TorchArchive& out) {
    const ZipArchive archive(file);
    constexpr std::string_view kPickle = "data.pkl";
    const ZipEntry* found = nullptr;
    for (const ZipEntry& entry : archive.entries()) {
        const std::string_view name = entry.name;
        if (!name.ends_with(kPickle) || std::count(name.begin(), name.end(), '/') > 1 ||
            (name.size() > kPickle.size() && name[name.size() - kPickle.size() - 1] != '/'))
            continue;
        if (found != nullptr)
            fail(ErrorCode::bad_format,
                 concat(file->path(), ": both ", found->name, " and ", name));
        found = &entry;
    }
    if (found == nullptr)
        fail(ErrorCode::bad_format,
             file->path() + ": a ZIP archive without data.pkl is no PyTorch file");
    const std::string folder = found->name.substr(0, found->name.size() - kPickle.size());
    const auto content = [&](const ZipEntry& entry) {
        if (entry.size > kMaxPickleBytes)
            fail(ErrorCode::bad_format, concat(file->path(), ": archive entry ", entry.name,
                                               " has ", entry.size, " bytes, which is too many"));
        return entry.method == ZipArchive::kDeflated
                   ? archive.inflate(entry)
                   : std::vector<std::byte>(entry.bytes.begin(), entry.bytes.end());
    };
    if (const ZipEntry* order = archive.find(folder + "byteorder")) {
        const std::vector<std::byte> text = content(*order);
        if (std::string_view(reinterpret_cast<const char*>(text.data()), text.size()) != "little")
            fail(ErrorCode::unsupported, file->path() + ": elements are not little-endian");
    }
    const Pickle pickle(content(*found), concat(file->path(), ": ", found->name));
    ZipStorages storages(archive, folder, file->bytes().size(), out.store);
    Collector(pickle, storages, out).collect();
}

/// Before PyTorch 1.6: five pickles (magic number, protocol, system, the object, its storages'
/// keys), then the storages.
void read_concatenated(const std::shared_ptr<const MappedFile>& file, TorchArchive& out) {
    constexpr std::string_view kMagic("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 10);
    const std::string& path = file->path();
    std::span<const std::byte> rest = file->bytes();
    const auto next = [&] {
        Pickle pickle(rest, path);
        rest = rest.subspan(pickle.consumed());
        return pickle;
    };
    const Pickle magic = next();
    if (magic.root().kind != Kind::bytes || magic.root().text != kMagic)
        fail(ErrorCode::bad_format, path + ": a pickle, but not one of PyTorch");
    const Pickle protocol = next();
    if (protocol.root().integer != 1001)
        fail(ErrorCode::version_mismatch,
             concat(path, ": PyTorch file of protocol ", protocol.root().integer));
    const Pickle system = next();
    const PickleValue* little = system.find(system.root(), "little_endian");
    if (little == nullptr || little->integer != 1)
        fail(ErrorCode::unsupported, path + ": elements are not little-endian");
    const Pickle object = next();
    const Pickle keys = next();

    std::unordered_map<std::string, TorchStorage> known;
    for (std::uint32_t i = 0; i < object.size(); ++i)
        if (object[i].kind == Kind::persistent) {
            TorchStorage storage = read_storage(object, object[i], path);
            known.insert_or_assign(storage.key, storage);
        }
    TrailingStorages storages(path);
    if (keys.root().kind != Kind::list)
        fail(ErrorCode::bad_format, path + ": no list of storages");
    for (const std::uint32_t index : keys.root().items) {
        constexpr std::size_t kCountBytes = 8;
        const auto found = known.find(keys[index].text);
        if (found == known.end())
            fail(ErrorCode::bad_format,
                 concat(path, ": storage ", keys[index].text, " belongs to no tensor"));
        const TorchStorage& storage = found->second;
        if (rest.size() < kCountBytes || rest.size() - kCountBytes < storage.bytes())
            fail(ErrorCode::truncated, concat(path, ": ends inside storage ", storage.key));
        std::uint64_t count = 0;
        for (std::size_t i = kCountBytes; i-- > 0;)
            count = count << 8 | std::to_integer<std::uint64_t>(rest[i]);
        if (count != static_cast<std::uint64_t>(storage.numel))
            fail(ErrorCode::bad_format, concat(path, ": storage ", storage.key, " has ", count,
                                               " elements, its tensors say ", storage.numel));
        storages.add(storage.key, rest.subspan(kCountBytes, storage.bytes()));
        rest = rest.subspan(kCountBytes + storage.bytes());
    }
    Collector(object, storages, out).collect();
}

bool begins_with(std::span<const std::byte> bytes, std::string_view mark) {
    return bytes.size() >= mark.size() && std::memcmp(bytes.data(), mark.data(), mark.size()) == 0;
}

bool is_zip(std::span<const std::byte> bytes) {
    return begins_with(bytes, "PK\x03\x04");
}

} // namespace

bool looks_like_torch_archive(std::span<const std::byte> bytes) {
    return is_zip(bytes) || begins_with(bytes, "\x80\x02") || begins_with(bytes, "\x80\x03") ||
           begins_with(bytes, "\x80\x04") || begins_with(bytes, "\x80\x05");
}

TorchArchive read_torch_archive(const std::shared_ptr<const MappedFile>& file) {
    TorchArchive archive{TensorStore(file->path()), false, {}, {}};
    archive.store.keep(file);
    is_zip(file->bytes()) ? read_zip(file, archive) : read_concatenated(file, archive);
    return archive;
}

std::vector<std::string> check_torch_archive(const std::shared_ptr<const MappedFile>& file) {
    std::vector<std::string> problems;
    if (!is_zip(file->bytes()))
        return problems;
    const ZipArchive archive(file);
    for (const ZipEntry& entry : archive.entries()) {
        if (!archive.checksum_holds(entry))
            problems.push_back(concat(file->path(), ": archive entry ", entry.name,
                                      ": does not have its checksum (damaged)"));
        file->release(entry.bytes);
    }
    return problems;
}

} // namespace clip::io
