// SPDX-License-Identifier: MIT
#include "io/hdf5_image.hpp"

#include <algorithm>
#include <cstdlib>

#include "base/concat.hpp"

namespace clip::io {

namespace {

constexpr std::size_t kGrowth = std::size_t{1} << 20;

Hdf5Image* image_of(void* user) {
    return static_cast<Hdf5Image*>(user);
}

// What HDF5 calls in place of malloc and its kin. The image keeps the memory: handing out "copies"
// is handing out the same bytes, and freeing them does nothing.
void* image_malloc(size_t size, H5FD_file_image_op_t operation, void* user) {
    if (operation == H5FD_FILE_IMAGE_OP_FILE_RESIZE)
        return image_of(user)->resize(size);
    return image_of(user)->data();
}
void* image_memcpy(void* to, const void* /*from*/, size_t /*size*/,
                   H5FD_file_image_op_t /*operation*/, void* /*user*/) {
    return to;
}
void* image_realloc(void* /*memory*/, size_t size, H5FD_file_image_op_t /*operation*/, void* user) {
    return image_of(user)->resize(size);
}
herr_t image_free(void* /*memory*/, H5FD_file_image_op_t /*operation*/, void* /*user*/) {
    return 0;
}
void* share_user(void* user) {
    return user;
}
herr_t keep_user(void* /*user*/) {
    return 0;
}

} // namespace

Hdf5Image::~Hdf5Image() {
    std::free(data_);
}

void* Hdf5Image::resize(std::size_t size) {
    void* grown = std::realloc(data_, std::max<std::size_t>(size, 1));
    if (grown != nullptr) {
        data_ = static_cast<char*>(grown);
        size_ = size;
    }
    return grown;
}

Hdf5Handle Hdf5Image::access_properties() {
    Hdf5Handle out(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
    H5FD_file_image_callbacks_t callbacks = {image_malloc, image_memcpy, image_realloc, image_free,
                                             share_user,   keep_user,    this};
    // The callbacks must be there before the image is.
    if (H5Pset_fapl_core(out.get(), kGrowth, false) < 0 ||
        H5Pset_file_image_callbacks(out.get(), &callbacks) < 0)
        fail_hdf5(ErrorCode::internal, "make an HDF5 file in memory");
    return out;
}

Hdf5Handle Hdf5Image::create(const std::string& what) {
    const Hdf5Handle access = access_properties();
    return hdf5_check(H5Fcreate("image", H5F_ACC_TRUNC, H5P_DEFAULT, access.get()), H5Fclose,
                      ErrorCode::io_failure, what);
}

std::string_view Hdf5Image::close(Hdf5Handle& file, const std::string& what) {
    const ssize_t size =
        H5Fflush(file.get(), H5F_SCOPE_LOCAL) < 0 ? -1 : H5Fget_file_image(file.get(), nullptr, 0);
    // Closing clears the mark "open for writing" in the superblock; the memory stays ours.
    if (size < 0 || !file.reset())
        fail_hdf5(ErrorCode::io_failure, what);
    return {data_, std::min(static_cast<std::size_t>(size), size_)};
}

} // namespace clip::io
