// SPDX-License-Identifier: MIT
#include "io/npy.hpp"

#include <bit>
#include <string_view>

#include "base/concat.hpp"
#include "io/atomic_file.hpp"
#include "io/output_stream.hpp"

namespace clip::io {

static_assert(std::endian::native == std::endian::little, "files are written in memory order");

std::string npy_header(DType dtype, const Shape& shape, std::size_t total) {
    if (dtype != DType::f32 && dtype != DType::f16)
        fail(ErrorCode::unsupported, concat("write npy: element type ", dtype_name(dtype)));
    std::string dictionary = concat("{'descr': '", dtype == DType::f32 ? "<f4" : "<f2",
                                    "', 'fortran_order': False, 'shape': (");
    for (const std::int64_t extent : shape.extents())
        dictionary += concat(extent, shape.rank() == 1 ? "," : ", ");
    if (shape.rank() > 1)
        dictionary.resize(dictionary.size() - 2);
    dictionary += "), }";
    constexpr std::size_t kFixed = 10; // magic, version, length
    const std::size_t needed = kFixed + dictionary.size() + 1;
    if (total == 0)
        total = (needed + 63) / 64 * 64;
    expect(needed <= total && total <= 65535, "npy header: reserved room is too small");
    dictionary.append(total - needed, ' ');
    dictionary += '\n';
    std::string out("\x93NUMPY\x01\x00", 8);
    out += static_cast<char>(dictionary.size() & 0xff);
    out += static_cast<char>(dictionary.size() >> 8);
    return out + dictionary;
}

void write_npy(const std::string& path, std::span<const float> values, const Shape& shape) {
    if (static_cast<std::size_t>(shape.numel()) != values.size())
        fail(ErrorCode::shape_mismatch, concat("write npy ", path, ": ", values.size(),
                                               " values do not fill ", shape.to_string()));
    AtomicFile file(path);
    write_all(file.fd(), npy_header(DType::f32, shape), path);
    write_all(file.fd(),
              {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)}, path);
    file.commit();
}

} // namespace clip::io
