// SPDX-License-Identifier: MIT
#include "data/image_decode.hpp"

#include <cerrno>
#include <fcntl.h>
#include <new>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include "base/concat.hpp"
#include "data/image_codecs.hpp"

namespace clip {

namespace {

/// An open file descriptor.
class File {
  public:
    explicit File(int descriptor) : descriptor_(descriptor) {}
    ~File() {
        if (descriptor_ >= 0)
            ::close(descriptor_);
    }
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    int descriptor() const { return descriptor_; }

  private:
    int descriptor_;
};

std::vector<std::uint8_t> read_file(const std::string& path) {
    if (path.find('\0') != std::string::npos)
        fail(ErrorCode::invalid_argument, "read picture: a path cannot hold a NUL");
    // Without O_NONBLOCK the opening of a named pipe would wait for its writer.
    const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (file.descriptor() < 0)
        fail_errno("read picture", errno);
    struct stat status {};
    if (::fstat(file.descriptor(), &status) != 0)
        fail_errno("read picture", errno);
    if (S_ISDIR(status.st_mode))
        fail(ErrorCode::invalid_argument, "read picture: it is a folder (hint: -r walks folders)");
    if (!S_ISREG(status.st_mode))
        fail(ErrorCode::invalid_argument, "read picture: it is not a regular file");
    std::vector<std::uint8_t> bytes(static_cast<std::size_t>(status.st_size));
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t count = ::read(file.descriptor(), bytes.data() + done, bytes.size() - done);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            fail_errno("read picture", errno);
        if (count == 0)
            break;
        done += static_cast<std::size_t>(count);
    }
    bytes.resize(done);
    return bytes;
}

Image decode(Bytes bytes, const DecodeOptions& options) {
    const PictureFormat format = sniff_format(bytes);
    switch (format) {
    case PictureFormat::unknown:
        fail(ErrorCode::bad_format,
             concat("not a picture this build can read (", describe_unknown(bytes), ")"));
    case PictureFormat::jpeg:
        return decode_jpeg(bytes, options);
    case PictureFormat::png:
        return decode_png(bytes, options);
    case PictureFormat::gif:
        return decode_gif(bytes, options);
    case PictureFormat::pnm:
        return decode_pnm(bytes, options);
    default:
        return decode_by_opencv(format, bytes, options);
    }
}

} // namespace

void check_picture_size(std::int64_t width, std::int64_t height, const DecodeOptions& options) {
    constexpr std::int64_t kMaxSide = 0x7FFFFFFF;
    if (width < 1 || height < 1 || width > kMaxSide || height > kMaxSide)
        fail(ErrorCode::bad_format, concat("not a picture this build can read (it says it is ",
                                           width, " x ", height, ")"));
    // Sides of 31 bits cannot overflow the product; four bytes a pixel must be countable, too.
    const std::int64_t pixels = width * height;
    if (options.max_pixels > 0 && pixels > options.max_pixels)
        fail(ErrorCode::invalid_argument,
             concat("the picture is too large: ", width, " x ", height, " is ", pixels,
                    " pixels, the limit is ", options.max_pixels, " (hint: --max-pixels)"));
    if (pixels > (std::int64_t{1} << 40))
        fail(ErrorCode::out_of_memory, concat("the picture is too large: ", pixels, " pixels"));
}

void fail_picture(PictureFormat format, const std::string& why) {
    fail(ErrorCode::bad_format, concat("not a picture this build can read (",
                                       picture_format_name(format), ": ", why, ")"));
}

void fail_cut_off(PictureFormat format, const std::string& where) {
    fail(ErrorCode::truncated,
         concat("the picture is cut off (", picture_format_name(format), ", ", where, ")"));
}

Result<Image> decode_image(Bytes bytes, const DecodeOptions& options) {
    try {
        return decode(bytes, options);
    } catch (const Error& error) {
        return error;
    } catch (const std::bad_alloc&) {
        return Error(ErrorCode::out_of_memory, "decode picture: no memory");
    }
}

Result<Image> read_image(const std::string& path, const DecodeOptions& options) {
    try {
        return decode_image(read_file(path), options);
    } catch (const Error& error) {
        return error;
    } catch (const std::bad_alloc&) {
        return Error(ErrorCode::out_of_memory, "read picture: no memory for the file");
    }
}

bool looks_like_picture(const std::string& path) {
    constexpr std::string_view kEndings[] = {".jpg",  ".jpeg", ".jpe", ".jfif", ".png",  ".gif",
                                             ".webp", ".bmp",  ".dib", ".tif",  ".tiff", ".ppm",
                                             ".pgm",  ".pbm",  ".pnm", ".jp2",  ".j2k"};
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    for (const std::string_view ending : kEndings) {
        if (path.size() <= ending.size())
            continue;
        bool same = true;
        for (std::size_t i = 0; i < ending.size(); ++i)
            same = same && lower(path[path.size() - ending.size() + i]) == ending[i];
        if (same)
            return true;
    }
    return false;
}

} // namespace clip
