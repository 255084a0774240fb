// SPDX-License-Identifier: MIT
#include "io/hdf5/global_heap.hpp"

#include <algorithm>

#include "base/concat.hpp"

namespace clip::io::hdf5 {

namespace {

constexpr std::size_t kHeadBytes = 16; // of a collection, and of an object in it
constexpr std::uint64_t kMaxCollectionBytes = std::uint64_t{1} << 29;
constexpr std::uint64_t kMaxReadBytes = std::uint64_t{1} << 30;
constexpr std::size_t kMaxKeptBytes = std::size_t{8} << 20;

} // namespace

std::string GlobalHeap::read(std::string_view reference, const std::string& what) {
    ByteCursor cursor(reference, what);
    const std::uint32_t length = cursor.u32();
    const std::uint64_t address = cursor.u64();
    const std::uint32_t number = cursor.u32();
    if (length == 0 || address == 0)
        return {};
    const Collection& collection = collection_at(address, what);
    const auto object =
        std::lower_bound(collection.objects.begin(), collection.objects.end(), number,
                         [](const Object& a, std::uint32_t b) { return a.number < b; });
    if (object == collection.objects.end() || object->number != number)
        fail_format(what, concat("its string is not in the heap (object ", number, ")"));
    if (length > object->size)
        fail_format(what, concat("its string is longer than the heap has it (", length, " of ",
                                 object->size, " bytes)"));
    return collection.bytes.substr(object->start, length);
}

const GlobalHeap::Collection& GlobalHeap::collection_at(std::uint64_t address,
                                                        const std::string& what) {
    for (auto kept = kept_.rbegin(); kept != kept_.rend(); ++kept)
        if (kept->address == address)
            return *kept;

    const std::string head = file_.read(address, kHeadBytes, what);
    ByteCursor cursor(head, what);
    if (cursor.take(4) != "GCOL" || cursor.u8() != 1)
        fail_format(what, "no heap of strings where one should be");
    cursor.skip(3);
    const std::uint64_t size = cursor.u64();
    if (size < kHeadBytes || size > kMaxCollectionBytes)
        fail_format(what, concat("its heap of strings has an impossible size (", size, ")"));
    if ((read_bytes_ += size) > kMaxReadBytes)
        fail_format(what, "its strings are all over the file");

    Collection out{address, file_.read(address, static_cast<std::size_t>(size), what), {}};
    ByteCursor object(std::string_view(out.bytes), what);
    object.skip(kHeadBytes);
    while (object.left() >= kHeadBytes) {
        const std::uint32_t number = object.u16();
        object.skip(2 + 4); // references, reserved
        const std::uint64_t bytes = object.u64();
        if (number == 0)
            break; // free space, to the end
        if (bytes > object.left())
            fail_format(what, "an object is larger than its heap of strings");
        out.objects.push_back({number, object.position(), static_cast<std::size_t>(bytes)});
        object.skip(static_cast<std::size_t>(bytes));
        object.skip(std::min<std::size_t>((8 - bytes % 8) % 8, object.left()));
    }
    const auto by_number = [](const Object& a, const Object& b) { return a.number < b.number; };
    if (!std::is_sorted(out.objects.begin(), out.objects.end(), by_number))
        std::sort(out.objects.begin(), out.objects.end(), by_number);
    if (std::adjacent_find(out.objects.begin(), out.objects.end(),
                           [](const Object& a, const Object& b) { return a.number == b.number; }) !=
        out.objects.end())
        fail_format(what, "two objects of a heap of strings have one number");

    kept_bytes_ += out.bytes.size() + out.objects.size() * sizeof(Object);
    kept_.push_back(std::move(out));
    while (kept_bytes_ > kMaxKeptBytes && kept_.size() > 1) {
        kept_bytes_ -= kept_.front().bytes.size() + kept_.front().objects.size() * sizeof(Object);
        kept_.pop_front();
    }
    return kept_.back();
}

} // namespace clip::io::hdf5
