// SPDX-License-Identifier: MIT
#include "io/torch_tensors.hpp"

#include <array>

#include "base/concat.hpp"

namespace clip::io {

using Kind = PickleValue::Kind;

namespace {

constexpr std::array<std::pair<std::string_view, DType>, 10> kStorageTypes{{
    {"torch.FloatStorage", DType::f32},
    {"torch.HalfStorage", DType::f16},
    {"torch.BFloat16Storage", DType::bf16},
    {"torch.DoubleStorage", DType::f64},
    {"torch.LongStorage", DType::i64},
    {"torch.IntStorage", DType::i32},
    {"torch.ShortStorage", DType::i16},
    {"torch.CharStorage", DType::i8},
    {"torch.ByteStorage", DType::u8},
    {"torch.BoolStorage", DType::boolean},
}};

const PickleValue* item(const Pickle& pickle, const PickleValue& value, std::size_t index) {
    return index < value.items.size() ? &pickle[value.items[index]] : nullptr;
}

/// The numbers of a tuple, or of a torch.Size made of one.
std::vector<std::int64_t> integers(const Pickle& pickle, const PickleValue* value,
                                   const std::string& what) {
    if (value != nullptr && called_name(pickle, *value) == "torch.Size") {
        const PickleValue* arguments = item(pickle, *value, 1);
        value = arguments == nullptr ? nullptr : item(pickle, *arguments, 0);
    }
    if (value == nullptr || (value->kind != Kind::tuple && value->kind != Kind::list) ||
        value->items.size() > StoredTensor::kMaxRank)
        fail(ErrorCode::bad_format, what + ": shape or strides are not up to 8 numbers");
    std::vector<std::int64_t> numbers;
    for (const std::uint32_t index : value->items) {
        if (pickle[index].kind != Kind::integer)
            fail(ErrorCode::bad_format, what + ": shape or strides are not numbers");
        numbers.push_back(pickle[index].integer);
    }
    return numbers;
}

/// The elements that a strided tensor reaches, from its first to its last. Bounded by 2^62.
std::int64_t reach(const StoredTensor& tensor, const std::string& what) {
    constexpr std::int64_t kLimit = std::int64_t{1} << 58;
    std::int64_t last = 0;
    for (std::size_t axis = 0; axis < tensor.shape.size(); ++axis) {
        const std::int64_t steps = tensor.shape[axis] - 1;
        const std::int64_t stride = tensor.strides[axis];
        if (stride < 0 || (steps > 0 && stride > kLimit / steps))
            fail(ErrorCode::bad_format, concat(what, ": impossible stride ", stride));
        last += steps * stride;
    }
    return last + 1;
}

StoredTensor rebuild(const Pickle& pickle, const PickleValue& arguments, const std::string& name,
                     StorageSource& source, const std::string& what) {
    const PickleValue* persistent = item(pickle, arguments, 0);
    const PickleValue* offset = item(pickle, arguments, 1);
    if (persistent == nullptr || persistent->kind != Kind::persistent || offset == nullptr ||
        offset->kind != Kind::integer)
        fail(ErrorCode::bad_format, what + ": not made of a storage and an offset");
    const TorchStorage storage = read_storage(pickle, *persistent, what);
    if (!storage.dtype)
        fail(ErrorCode::unsupported, what + ": untyped storage");
    StoredTensor tensor;
    tensor.name = name;
    tensor.dtype = *storage.dtype;
    tensor.shape = integers(pickle, item(pickle, arguments, 2), what);
    tensor.strides = integers(pickle, item(pickle, arguments, 3), what);
    if (tensor.strides.size() != tensor.shape.size())
        fail(ErrorCode::bad_format, what + ": shape and strides differ in length");
    tensor.numel = checked_numel(tensor.shape, what);
    if (tensor.numel == 0)
        return tensor;
    const std::int64_t need = reach(tensor, what);
    if (offset->integer < 0 || offset->integer > storage.numel ||
        need > storage.numel - offset->integer)
        fail(ErrorCode::bad_format, concat(what, ": reaches element ", offset->integer, " + ", need,
                                           " of a storage of ", storage.numel));
    // A file of kilobytes must not stand for gigabytes of weights.
    if (tensor.numel > storage.numel)
        fail(ErrorCode::unsupported, what + ": repeats the elements of its storage");
    const std::size_t size = dtype_size(tensor.dtype);
    const auto bytes = source.bytes(storage);
    expect(bytes.size() >= storage.bytes(), "storage source: fewer bytes than asked for");
    tensor.bytes = bytes.subspan(static_cast<std::size_t>(offset->integer) * size,
                                 static_cast<std::size_t>(need) * size);
    return tensor;
}

} // namespace

std::string_view called_name(const Pickle& pickle, const PickleValue& value) {
    if (value.kind != Kind::call || pickle[value.items[0]].kind != Kind::global)
        return {};
    return pickle[value.items[0]].text;
}

TorchStorage read_storage(const Pickle& pickle, const PickleValue& persistent,
                          const std::string& what) {
    const PickleValue& id = pickle[persistent.items[0]];
    const PickleValue* tag = item(pickle, id, 0);
    const PickleValue* type = item(pickle, id, 1);
    const PickleValue* key = item(pickle, id, 2);
    const PickleValue* numel = item(pickle, id, 4);
    if (id.kind != Kind::tuple || tag->kind != Kind::text || tag->text != "storage" ||
        type == nullptr || type->kind != Kind::global || key == nullptr ||
        key->kind != Kind::text || numel == nullptr || numel->kind != Kind::integer ||
        numel->integer < 0 || numel->integer > (std::int64_t{1} << 48))
        fail(ErrorCode::bad_format, what + ": refers to something that is no storage");
    const PickleValue* view = item(pickle, id, 5);
    if (view != nullptr && view->kind != Kind::none)
        fail(ErrorCode::unsupported,
             what + ": a view of a storage, as PyTorch before 0.4 wrote it");
    TorchStorage storage{key->text, {}, numel->integer};
    if (type->text == "torch.storage.UntypedStorage" || type->text == "torch.UntypedStorage")
        return storage;
    for (const auto& [spelling, dtype] : kStorageTypes)
        if (type->text == spelling)
            storage.dtype = dtype;
    if (!storage.dtype)
        fail(ErrorCode::unsupported, concat(what, ": element type ", type->text));
    return storage;
}

std::optional<StoredTensor> read_torch_tensor(const Pickle& pickle, const PickleValue& value,
                                              const std::string& name, StorageSource& source,
                                              const std::string& what) {
    const std::string about = concat(what, ": tensor ", name);
    const PickleValue* callable = nullptr;
    const PickleValue* arguments = nullptr;
    const auto open_call = [&](const PickleValue& call) {
        callable = item(pickle, call, 0);
        arguments = item(pickle, call, 1);
    };
    if (value.kind != Kind::call)
        return {};
    open_call(value);
    // A parameter wraps a tensor, a subclass wraps the call; deeper nesting is nobody's.
    for (int depth = 0; depth < 4; ++depth) {
        if (callable == nullptr || callable->kind != Kind::global || arguments == nullptr ||
            arguments->kind != Kind::tuple)
            return {};
        const std::string& function = callable->text;
        if (function == "torch._utils._rebuild_tensor_v2" ||
            function == "torch._utils._rebuild_tensor")
            return rebuild(pickle, *arguments, name, source, about);
        if (function == "torch._utils._rebuild_parameter" ||
            function == "torch._utils._rebuild_parameter_with_state") {
            const PickleValue* inner = item(pickle, *arguments, 0);
            if (inner == nullptr || inner->kind != Kind::call)
                fail(ErrorCode::bad_format, about + ": a parameter without a tensor");
            open_call(*inner);
        } else if (function == "torch._tensor._rebuild_from_type_v2") {
            callable = item(pickle, *arguments, 0);
            arguments = item(pickle, *arguments, 2);
        } else if (function.starts_with("torch._utils._rebuild_")) {
            fail(ErrorCode::unsupported, concat(about, ": made by ", function));
        } else {
            return {};
        }
    }
    fail(ErrorCode::bad_format, about + ": nested too deeply");
}

} // namespace clip::io
